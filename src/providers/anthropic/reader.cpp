#include "providers/anthropic/reader.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "chat/request.h"
#include "providers/anthropic/object.h"

namespace outrigger::providers::anthropic {
namespace {

using enum chat::NoStoreReason;

// The members of `object`, but for some, as text without braces.
std::string members_of(yyjson_val* object, std::initializer_list<std::string_view> without = {}) {
  std::string text;
  for_each_member(object, [&](std::string_view name, yyjson_val* value) {
    if (std::ranges::find(without, name) != without.end()) return;
    if (!text.empty()) text += ',';
    append_string(text, name);
    text += ':';
    append_json(text, value);
  });
  return text;
}

std::string usage_text(yyjson_val* usage) { return yyjson_is_obj(usage) ? json_of(usage) : std::string(); }

bool is_call(BlockType type) { return type == BlockType::call || type == BlockType::hosted_call; }

// Some deltas can only be of one type of block. What is not known here may be anything.
bool belongs(DeltaType delta, BlockType block) {
  if (block == BlockType::other || delta == DeltaType::other) return true;
  switch (delta) {
    case DeltaType::input_json:
      return is_call(block);
    case DeltaType::thinking:
    case DeltaType::signature:
      return block == BlockType::thinking;
    default:
      return block == BlockType::text;
  }
}

Record::Kind record_of(DeltaType type) {
  switch (type) {
    case DeltaType::text:
      return Record::Kind::text_delta;
    case DeltaType::input_json:
      return Record::Kind::input_json_delta;
    case DeltaType::thinking:
      return Record::Kind::thinking_delta;
    case DeltaType::signature:
      return Record::Kind::signature_delta;
    default:
      return Record::Kind::event;
  }
}

}  // namespace

void Gathered::keep(const Record& record) {
  if (!error && !not_understood) records.add(record);
}

void Gathered::misunderstood() {
  not_understood = true;
  records = {};
  std::exchange(text, {});
}

void Gathered::take_input(yyjson_val* input) {
  if (yyjson_is_obj(input)) {
    append_json(text, input);
  } else {
    bad_input = true;
  }
}

bool Gathered::take_block(yyjson_val* block, BlockType type) {
  switch (type) {
    case BlockType::text: {
      const auto piece = string_of(member(block, "text"));
      if (!piece) return false;
      text += *piece;
      says_something = says_something || !is_blank(*piece);
      return true;
    }
    case BlockType::thinking:
      text += string_of(member(block, "thinking")).value_or(std::string_view());
      return true;
    case BlockType::call:
    case BlockType::hosted_call: {
      const auto name = string_of(member(block, "name"));
      if (!name || name->empty()) return false;
      text += *name;
      says_something = true;
      return true;
    }
    case BlockType::redacted_thinking:
      return true;
    case BlockType::other:
      says_something = true;
      return true;
  }
  return false;
}

std::expected<Answer, chat::NoStoreReason> Gathered::conclude(bool streamed, bool whole) {
  if (error) return std::unexpected(error_in_answer);
  if (not_understood) return std::unexpected(chat::NoStoreReason::not_understood);
  if (!whole) return std::unexpected(cut);
  if (stop_reason.empty()) return std::unexpected(unfinished);
  if (const auto reason = verdict_of(stop_reason)) return std::unexpected(*reason);
  if (bad_input) return std::unexpected(chat::NoStoreReason::not_understood);
  if (!says_something) return std::unexpected(empty);
  Answer answer;
  answer.model = model;
  answer.usage = usage.counts();
  answer.estimated_completion_tokens = chat::estimate_tokens(text);
  answer.encoded = encode({.streamed = streamed,
                           .model = model,
                           .usage = answer.usage,
                           .estimated_completion_tokens = answer.estimated_completion_tokens},
                          records.records());
  return answer;
}

void BlockingReader::feed(std::string_view data) {
  if (gathered_.not_understood) return;
  if (data.size() > k_body_size_max - body_.size()) {
    gathered_.misunderstood();
    std::exchange(body_, {});
    return;
  }
  body_ += data;
}

std::expected<Answer, chat::NoStoreReason> BlockingReader::finish() {
  if (!gathered_.not_understood) {
    const JsonDoc doc = JsonDoc::read(body_);
    read(doc.root());
  }
  return gathered_.conclude(false, true);
}

void BlockingReader::read(yyjson_val* root) {
  gathered_.error = is_error(root);
  yyjson_val* content = member(root, "content");
  const bool is_message = string_of(member(root, "type")).value_or("message") == "message";
  if (!is_message || !yyjson_is_arr(content) || yyjson_get_len(content) > k_blocks_max) return gathered_.misunderstood();
  gathered_.model = string_of(member(root, "model")).value_or(std::string_view());
  gathered_.stop_reason = string_of(member(root, "stop_reason")).value_or(std::string_view());
  gathered_.usage.take(member(root, "usage"));
  for_each_item(content, [this](yyjson_val* block) {
    const auto type = string_of(member(block, "type"));
    const BlockType known = block_type(type.value_or(std::string_view()));
    if (!type || !gathered_.take_block(block, known)) return gathered_.misunderstood();
    if (is_call(known)) gathered_.take_input(member(block, "input"));
  });
  const std::string members = members_of(root, {"id", "usage"});
  const std::string usage = usage_text(member(root, "usage"));
  gathered_.keep({.kind = Record::Kind::body, .members = members, .usage = usage});
}

void StreamReader::feed(std::string_view data) {
  if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingReader>();
  if (blocking_) return blocking_->feed(data);
  while (const std::optional<SseEvent> event = splitter_.next(data)) {
    if (events_.size() == k_events_max) return gathered_.misunderstood();
    events_.push_back({event->end, take(*event)});
  }
  if (splitter_.overflowed()) gathered_.misunderstood();
}

EventKind StreamReader::take(const SseEvent& event) {
  const std::string_view data = trimmed(event.data);
  // "[DONE]" comes from relays that know only OpenAI's streams.
  if (done_ || data.empty() || data == "[DONE]") return EventKind::other;
  const JsonDoc doc = JsonDoc::read(data);
  if (!yyjson_is_obj(doc.root())) {
    gathered_.error = gathered_.error || event.name == "error";
    misunderstood();
    return event.name == "error" ? EventKind::error : EventKind::token;
  }
  return take_known(event_type(doc.root(), event.name), doc.root(), event.name);
}

EventKind StreamReader::take_known(EventType type, yyjson_val* root, std::string_view name) {
  switch (type) {
    case EventType::message_start:
      return message_start(root);
    case EventType::block_start:
      return block_start(root);
    case EventType::block_delta:
      return block_delta(root);
    case EventType::block_stop:
      return block_stop(root);
    case EventType::message_delta:
      return message_delta(root);
    case EventType::message_stop:
      return message_stop(root);
    case EventType::ping:
      return EventKind::other;
    case EventType::error:
      gathered_.error = true;
      gathered_.records = {};
      return EventKind::error;
    case EventType::unknown:
      break;
  }
  // A name that is no name would end its line.
  const std::string_view own = string_of(member(root, "type")).value_or(name);
  if (own.find_first_of("\r\n") != std::string_view::npos) return misunderstood();
  keep_event(own, root);
  return EventKind::other;
}

EventKind StreamReader::message_start(yyjson_val* root) {
  yyjson_val* message = member(root, "message");
  const bool is_message = yyjson_is_obj(message) && string_of(member(message, "type")).value_or("message") == "message";
  if (std::exchange(started_, true) || !is_message || !is_nothing(member(message, "content"))) {
    misunderstood();
    return EventKind::other;
  }
  gathered_.model = string_of(member(message, "model")).value_or(std::string_view());
  gathered_.usage.take(member(message, "usage"));
  const std::string members = members_of(message, {"id", "usage"});
  const std::string usage = usage_text(member(message, "usage"));
  gathered_.keep({.kind = Record::Kind::message_start, .members = members, .usage = usage});
  return EventKind::other;
}

EventKind StreamReader::block_start(yyjson_val* root) {
  const auto index = whole_number_of(member(root, "index"));
  yyjson_val* content = member(root, "content_block");
  const auto type = string_of(member(content, "type"));
  if (!started_ || !index || *index >= k_blocks_max || !type) return misunderstood();
  if (*index >= blocks_.size()) blocks_.resize(*index + 1);
  Block& block = blocks_[*index];
  block.type = block_type(*type);
  if (block.phase != Block::Phase::absent || !gathered_.take_block(content, block.type)) return misunderstood();
  block.phase = Block::Phase::open;
  ++open_blocks_;
  if (is_call(block.type)) {
    yyjson_val* input = member(content, "input");
    block.has_input = !is_nothing(input);
    if (block.has_input) gathered_.take_input(input);
  }
  keep_event("content_block_start", root);
  const bool is_silent = (block.type == BlockType::text && is_nothing(member(content, "text"))) ||
                         (block.type == BlockType::thinking && is_nothing(member(content, "thinking")));
  return is_silent ? EventKind::other : EventKind::token;
}

StreamReader::Block* StreamReader::open_block(yyjson_val* root, std::uint32_t& index) {
  const auto told = whole_number_of(member(root, "index"));
  const bool is_open = told && *told < blocks_.size() && blocks_[*told].phase == Block::Phase::open;
  if (!is_open) {
    gathered_.misunderstood();
    return nullptr;
  }
  index = static_cast<std::uint32_t>(*told);
  return &blocks_[index];
}

EventKind StreamReader::block_delta(yyjson_val* root) {
  std::uint32_t index = 0;
  Block* block = open_block(root, index);
  yyjson_val* delta = member(root, "delta");
  const auto type_name = string_of(member(delta, "type"));
  if (block == nullptr || !type_name) return misunderstood();
  const DeltaType type = delta_type(*type_name);
  const std::string_view grown = grown_member(type);
  const auto piece = grown.empty() ? std::nullopt : string_of(member(delta, grown));
  if (!belongs(type, block->type) || (!grown.empty() && !piece)) return misunderstood();
  if (type == DeltaType::input_json) {
    block->input += *piece;
  } else if ((block->type == BlockType::text || block->type == BlockType::thinking) && piece &&
             type != DeltaType::signature && !gathered_.not_understood) {
    gathered_.text += *piece;
  }
  if (type == DeltaType::text && !gathered_.says_something) gathered_.says_something = !is_blank(*piece);
  if (piece && yyjson_get_len(root) == 3 && yyjson_get_len(delta) == 2) {
    gathered_.keep({.kind = record_of(type), .index = index, .text = *piece});
  } else {
    keep_event("content_block_delta", root);
  }
  return piece && piece->empty() ? EventKind::other : EventKind::token;
}

EventKind StreamReader::block_stop(yyjson_val* root) {
  std::uint32_t index = 0;
  Block* block = open_block(root, index);
  if (block == nullptr) return EventKind::other;
  block->phase = Block::Phase::closed;
  --open_blocks_;
  if (is_call(block->type) && !block->input.empty()) {
    // What a block holds when it begins and what comes later cannot both be its input.
    if (block->has_input) gathered_.bad_input = true;
    gathered_.take_input(JsonDoc::read(block->input).root());
    std::exchange(block->input, {});
  } else if (is_call(block->type) && !block->has_input) {
    gathered_.text += "{}";
  }
  if (yyjson_get_len(root) == 2) {
    gathered_.keep({.kind = Record::Kind::block_stop, .index = index});
  } else {
    keep_event("content_block_stop", root);
  }
  return EventKind::other;
}

EventKind StreamReader::message_delta(yyjson_val* root) {
  yyjson_val* delta = member(root, "delta");
  if (!started_ || (delta != nullptr && !yyjson_is_obj(delta) && !yyjson_is_null(delta))) return misunderstood();
  gathered_.usage.take(member(root, "usage"));
  const auto reason = string_of(member(delta, "stop_reason"));
  if (reason) gathered_.stop_reason = *reason;
  const std::string members = members_of(root, {"type", "usage"});
  const std::string usage = usage_text(member(root, "usage"));
  gathered_.keep({.kind = Record::Kind::message_delta, .members = members, .usage = usage});
  return reason ? EventKind::token : EventKind::other;
}

EventKind StreamReader::message_stop(yyjson_val* root) {
  done_ = true;
  if (!started_ || open_blocks_ != 0) gathered_.misunderstood();
  keep_event("message_stop", root);
  return EventKind::done;
}

void StreamReader::keep_event(std::string_view name, yyjson_val* root) {
  if (gathered_.error || gathered_.not_understood) return;
  const std::string members = members_of(root);
  gathered_.keep({.kind = Record::Kind::event, .text = name, .members = members});
}

std::expected<Answer, chat::NoStoreReason> StreamReader::finish() {
  if (blocking_) return blocking_->finish();
  // What stood there without a blank line counts when nothing of it is missing.
  const std::optional<SseEvent> last = done_ ? std::nullopt : splitter_.rest();
  if (last && !last->comment_only && JsonDoc::read(trimmed(last->data)).root() != nullptr) take(*last);
  return gathered_.conclude(true, done_);
}

std::optional<Usage> StreamReader::usage() const { return blocking_ ? blocking_->usage() : gathered_.usage.counts(); }

bool StreamReader::saw_error() const { return blocking_ ? blocking_->saw_error() : gathered_.error; }

}  // namespace outrigger::providers::anthropic
