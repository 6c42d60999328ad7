#include "dify_sim/tap.h"

#include <algorithm>
#include <charconv>

#include "http/message.h"

namespace outrigger::dify_sim {
namespace {

constexpr std::size_t k_body_kept = 4096;
constexpr std::string_view k_last_chunk = "0\r\n\r\n";

std::string field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at + 4 < head.size(); at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() > name.size() + 1 && line[name.size()] == ':' &&
        http::equal_ignoring_case(line.substr(0, name.size()), name)) {
      return std::string(line.substr(std::min(line.find_first_not_of(' ', name.size() + 1), line.size())));
    }
  }
  return {};
}

}  // namespace

bool Seen::is_too_many() const {
  return answer.status() == 429 && answer.body().find("\"too_many_requests\"") != std::string::npos;
}

bool Seen::is_run() const {
  return method == "POST" &&
         (path.ends_with("/chat-messages") || path.ends_with("/completion-messages") || path.ends_with("/run"));
}

Tap::Tap(io::Loop& loop, Book& book, std::string backend, std::unique_ptr<io::Stream> inner)
    : loop_(loop), book_(book), backend_(std::move(backend)), inner_(std::move(inner)) {
  inner_->set_handler(this);
}

void Tap::on_data(std::string_view data) {
  note(data);
  handler_->on_data(data);
}

void Tap::note(std::string_view data) {
  if (seen_ != nullptr) return note_body(data);
  head_ += data;
  const std::size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) return;
  const std::string rest = head_.substr(end + 4);
  head_.resize(end + 4);
  seen_ = &book_.seen.emplace_back();
  seen_->backend = backend_;
  seen_->mark = field(head_, "x-mark");
  const std::size_t space = head_.find(' ');
  seen_->method = head_.substr(0, space);
  seen_->path = head_.substr(space + 1, head_.find_first_of(" ?", space + 1) - space - 1);
  seen_->came = loop_.now();
  seen_->answer = sim::AnswerWire(seen_->method == "HEAD");
  if (field(head_, "transfer-encoding").empty()) {
    const std::string length = field(head_, "content-length");
    left_ = 0;
    std::from_chars(length.data(), length.data() + length.size(), *left_);
  }
  note_body(rest);
}

void Tap::note_body(std::string_view data) {
  if (seen_->body.size() < k_body_kept) seen_->body.append(data.substr(0, k_body_kept - seen_->body.size()));
  if (left_) {
    *left_ -= std::min<std::uint64_t>(*left_, data.size());
    seen_->whole = *left_ == 0;
    return;
  }
  tail_ += data;
  if (tail_.size() > k_last_chunk.size()) tail_.erase(0, tail_.size() - k_last_chunk.size());
  seen_->whole = tail_ == k_last_chunk;
}

void Tap::write(std::span<const Bytes> chunks) {
  if (seen_ != nullptr) {
    for (const Bytes& chunk : chunks) seen_->answer.feed(chunk.view());
  }
  inner_->write(chunks);
}

void Tap::shutdown() {
  if (seen_ != nullptr) seen_->answer.end();
  inner_->shutdown();
}

}  // namespace outrigger::dify_sim
