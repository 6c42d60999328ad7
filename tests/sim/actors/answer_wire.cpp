#include "sim/actors/answer_wire.h"

#include <algorithm>
#include <charconv>

namespace outrigger::sim {
namespace {

// No head of a test is longer, and an endless one must not fill the memory.
constexpr std::size_t k_head_max = 256 * 1024;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool whole_number(std::string_view text, int base, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::size_t AnswerWire::feed(std::string_view data) {
  std::size_t taken = 0;
  while (taken < data.size() && state_ != State::done && state_ != State::bad) taken += take(data.substr(taken));
  return taken;
}

std::size_t AnswerWire::take(std::string_view data) {
  switch (state_) {
    case State::head: {
      head_ += data.front();
      if (head_.size() > k_head_max) fail("an endless head");
      if (head_.ends_with("\r\n\r\n")) on_head();
      return 1;
    }
    case State::length:
    case State::chunk: {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size()));
      body_.append(data.substr(0, size));
      left_ -= size;
      if (left_ == 0) state_ = state_ == State::length ? State::done : State::chunk_end;
      return size;
    }
    case State::until_close:
      body_.append(data);
      return data.size();
    case State::chunk_size:
    case State::chunk_end:
    case State::trailer: {
      bool whole = false;
      const std::size_t size = take_line(data, whole);
      if (!whole || state_ == State::bad) return size;
      const std::string line = std::exchange(head_, {});
      if (state_ == State::chunk_size) {
        head_ = line;
        on_chunk_size();
        head_.clear();
      } else if (state_ == State::chunk_end) {
        if (!line.empty()) fail("a chunk is longer than its size says");
        if (problem_.empty()) state_ = State::chunk_size;
      } else if (line.empty()) {
        state_ = State::done;
      }
      return size;
    }
    case State::done:
    case State::bad:
      break;
  }
  return data.size();
}

// Without the line's end in head_; `whole`: the end has come.
std::size_t AnswerWire::take_line(std::string_view data, bool& whole) {
  const std::size_t end = data.find('\n');
  head_.append(data.substr(0, end));
  if (head_.size() > k_head_max) fail("an endless line");
  if (end == std::string_view::npos) return data.size();
  whole = true;
  if (!head_.ends_with('\r')) {
    fail("a line without CR");
  } else {
    head_.pop_back();
  }
  return end + 1;
}

void AnswerWire::on_head() {
  std::string_view text(head_);
  const std::string_view line = text.substr(0, text.find("\r\n"));
  std::uint64_t status = 0;
  if (line.size() < 13 || !line.starts_with("HTTP/1.") || line[8] != ' ' || line[12] != ' ' ||
      !whole_number(line.substr(9, 3), 10, status)) {
    return fail("not a status line: " + std::string(line.substr(0, 80)));
  }
  status_ = static_cast<int>(status);
  text.remove_prefix(line.size() + 2);
  headers_.clear();
  while (text != "\r\n") {
    const std::string_view field = text.substr(0, text.find("\r\n"));
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || colon == 0) return fail("not a field: " + std::string(field.substr(0, 80)));
    headers_.emplace_back(lowered(field.substr(0, colon)), std::string(trimmed(field.substr(colon + 1))));
    text.remove_prefix(field.size() + 2);
  }
  const bool old = line[7] == '0';
  head_.clear();
  if (status_ >= 100 && status_ < 200) return;
  const std::string connection = lowered(header("connection"));
  keeps_open_ =
      connection.find("close") == std::string::npos && (!old || connection.find("keep-alive") != std::string::npos);
  const std::string_view length = header("content-length");
  const bool chunked = header("transfer-encoding") == "chunked";
  if (chunked && !length.empty()) return fail("both Content-Length and Transfer-Encoding");
  if (bodiless_ || status_ == 204 || status_ == 304) {
    state_ = State::done;
  } else if (chunked) {
    state_ = State::chunk_size;
  } else if (!length.empty()) {
    if (!whole_number(length, 10, left_)) return fail("not a length: " + std::string(length));
    state_ = left_ == 0 ? State::done : State::length;
  } else {
    keeps_open_ = false;
    state_ = State::until_close;
  }
}

void AnswerWire::on_chunk_size() {
  if (!whole_number(head_, 16, left_)) return fail("not a chunk's size: " + head_.substr(0, 40));
  state_ = left_ == 0 ? State::trailer : State::chunk;
}

void AnswerWire::end() {
  if (state_ == State::until_close) state_ = State::done;
}

void AnswerWire::fail(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  state_ = State::bad;
}

std::string_view AnswerWire::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers_) {
    if (name == lower_name) return value;
  }
  return {};
}

}  // namespace outrigger::sim
