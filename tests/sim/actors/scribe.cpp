#include "sim/actors/scribe.h"

#include <yyjson.h>

#include <algorithm>
#include <charconv>

namespace outrigger::sim {
namespace {

// Of the last three events; of a body that is none, nothing.
std::set<std::uint64_t> hashes_of_ends(std::string_view body) {
  std::set<std::uint64_t> hashes;
  while (hashes.size() < 3 && body.ends_with("\n\n")) {
    hashes.insert(hash_of(body));
    const std::size_t before = body.substr(0, body.size() - 2).rfind("\n\n");
    body = body.substr(0, before == std::string_view::npos ? 0 : before + 2);
  }
  return hashes;
}

// Bodies up to here are kept until they are whole.
constexpr std::uint64_t k_whole_max = 1u << 20;
constexpr std::string_view k_last_chunk = "0\r\n\r\n";

std::string field(std::string_view head, std::string_view lower_name) {
  std::string lower(head);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string wanted = "\r\n" + std::string(lower_name) + ": ";
  const std::size_t at = lower.find(wanted);
  if (at == std::string::npos) return {};
  const std::size_t from = at + wanted.size();
  return std::string(head.substr(from, head.find("\r\n", from) - from));
}

std::string text_at(yyjson_val* object, const char* name) {
  yyjson_val* value = yyjson_obj_get(object, name);
  return yyjson_is_str(value) ? std::string(yyjson_get_str(value), yyjson_get_len(value)) : std::string();
}

// The first word of a text is its question's name.
std::string question_in(std::string_view text) { return std::string(text.substr(0, text.find(' '))); }

void read_json(std::string_view body, Call& call) {
  const std::unique_ptr<yyjson_doc, void (*)(yyjson_doc*)> doc(yyjson_read(body.data(), body.size(), 0), yyjson_doc_free);
  yyjson_val* root = doc == nullptr ? nullptr : yyjson_doc_get_root(doc.get());
  if (!yyjson_is_obj(root)) return;
  call.model = text_at(root, "model");
  call.user = text_at(root, "user");
  call.stream = yyjson_get_bool(yyjson_obj_get(root, "stream"));
  call.include_usage = yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(root, "stream_options"), "include_usage"));
  yyjson_val* messages = yyjson_obj_get(root, "messages");
  for (std::size_t i = 0; i < yyjson_arr_size(messages); ++i) {
    yyjson_val* message = yyjson_arr_get(messages, i);
    if (text_at(message, "role") == "user") call.questions = {question_in(text_at(message, "content"))};
  }
  if (const std::string prompt = text_at(root, "prompt"); !prompt.empty()) call.questions = {question_in(prompt)};
  yyjson_val* input = yyjson_obj_get(root, "input");
  if (yyjson_is_str(input)) call.questions = {question_in(text_at(root, "input"))};
  for (std::size_t i = 0; i < yyjson_arr_size(input); ++i) {
    yyjson_val* text = yyjson_arr_get(input, i);
    if (yyjson_is_str(text)) call.questions.push_back(question_in({yyjson_get_str(text), yyjson_get_len(text)}));
  }
}

Kind kind_of(std::string_view path) {
  if (path.ends_with("/chat/completions")) return Kind::chat;
  if (path.ends_with("/completions")) return Kind::completion;
  if (path.ends_with("/embeddings")) return Kind::embeddings;
  return path.ends_with("/models") ? Kind::models : Kind::upload;
}

}  // namespace

Scribe::Scribe(io::Loop& loop, History& history, std::string upstream, std::unique_ptr<io::Stream> inner)
    : loop_(loop), history_(history), upstream_(std::move(upstream)), inner_(std::move(inner)) {
  inner_->set_handler(this);
}

Scribe::~Scribe() {
  *alive_ = false;
  end_call();
}

void Scribe::read(bool on) { inner_->read(on); }

void Scribe::on_data(std::string_view data) {
  pending_ += data;
  const std::shared_ptr<bool> alive = alive_;
  while (*alive && take_request()) {
  }
}

// Hands on what can be handed on. True: something happened, there may be more. The handler may destroy this.
bool Scribe::take_request() {
  if (pending_.empty()) return false;
  std::string out;
  switch (state_) {
    case State::head: {
      const std::size_t end = pending_.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      const std::string head = pending_.substr(0, end + 4);
      std::uint64_t length = 0;
      const std::string text = field(head, "content-length");
      std::from_chars(text.data(), text.data() + text.size(), length);
      const bool kept = length <= k_whole_max && !head.starts_with("POST /v1/files");
      if (kept && pending_.size() < head.size() + length) return false;
      begin_call(head);
      std::string body;
      if (kept) {
        body = pending_.substr(head.size(), length);
        number(body);
      } else {
        state_ = State::body;
        left_ = length;
      }
      if (field(head, "transfer-encoding") == "chunked") {
        state_ = State::chunks;
        tail_.clear();
      }
      pending_.erase(0, head.size() + body.size());
      out = head + body;
      break;
    }
    case State::body:
      out = pending_.substr(0, left_);
      pending_.erase(0, out.size());
      left_ -= out.size();
      if (left_ == 0) state_ = State::head;
      break;
    case State::chunks:
      // Nobody sends more after the last chunk before it was answered.
      out = std::exchange(pending_, {});
      tail_ += out;
      if (tail_.size() > k_last_chunk.size()) tail_.erase(0, tail_.size() - k_last_chunk.size());
      if (tail_ == k_last_chunk) state_ = State::head;
      break;
  }
  if (handler_ == nullptr) return false;
  const std::shared_ptr<bool> alive = alive_;
  if (!out.empty()) handler_->on_data(out);
  return *alive;
}

void Scribe::begin_call(std::string_view head) {
  end_call();
  Call call;
  call.number = ++history_.last_call;
  call.upstream = upstream_;
  const std::size_t from = head.find(' ') + 1;
  call.path = std::string(head.substr(from, head.find_first_of(" ?", from) - from));
  call.kind = kind_of(call.path);
  call.credential = field(head, "authorization");
  if (call.credential.starts_with("Bearer ")) call.credential.erase(0, 7);
  call.no_store = field(head, "cache-control").find("no-store") != std::string::npos;
  call.asked = loop_.now();
  call_ = call.number;
  answer_.emplace(head.starts_with("HEAD "));
  history_.calls.emplace(call.number, std::move(call));
}

// Writes the call's number into every mark, and notes what is asked.
void Scribe::number(std::string& body) {
  std::string digits = std::to_string(call_);
  digits.insert(0, k_blank_mark.size() - k_mark.size() - digits.size(), '0');
  for (std::size_t at = body.find(k_blank_mark); at != std::string::npos; at = body.find(k_blank_mark, at + 1)) {
    body.replace(at + k_mark.size(), digits.size(), digits);
  }
  read_json(body, history_.calls.at(call_));
}

void Scribe::write(std::span<const Bytes> chunks) {
  for (const Bytes& chunk : chunks) {
    if (!answer_) break;
    answer_->feed(chunk.view());
    if (answer_->done()) end_call();
  }
  inner_->write(chunks);
}

void Scribe::shutdown() {
  if (answer_) {
    answer_->end();
    end_call();
  }
  inner_->shutdown();
}

void Scribe::end_call() {
  if (!answer_) return;
  Call& call = history_.calls.at(call_);
  call.ended = loop_.now();
  call.status = answer_->status();
  call.whole = answer_->done();
  call.body_hash = hash_of(answer_->body());
  call.body_size = answer_->body().size();
  call.ends = hashes_of_ends(answer_->body());
  if (call.kind == Kind::chat || call.kind == Kind::completion) {
    const bool streamed = answer_->header("content-type").starts_with("text/event-stream");
    call.told = streamed ? told_by_stream(answer_->body()) : told_by_body(answer_->body());
  } else if (call.kind == Kind::embeddings) {
    call.told = told_by_embeddings(answer_->body());
    for (std::size_t i = 0; i < call.told.embeddings.size() && i < call.questions.size(); ++i) {
      history_.embeddings[call.told.embeddings[i]] = {call.number, call.questions[i]};
    }
  }
  answer_.reset();
}

}  // namespace outrigger::sim
