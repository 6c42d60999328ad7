#include "providers/responses/reader.h"

#include <utility>

#include "providers/json_text.h"
#include "providers/openai/chunk.h"
#include "providers/responses/json.h"
#include "providers/responses/template.h"
#include "providers/responses/verdict.h"

namespace outrigger::providers::responses {
namespace {

using enum chat::NoStoreReason;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// A blocking body or the event of another protocol: {"error":{...}} and its kin.
bool is_failure(yyjson_val* root) {
  return openai::is_error(root) || text_in(root, "status") == "failed" || text_in(root, "type") == "response.failed";
}

// It is written on a line of its own when the answer is told again.
bool is_type(std::string_view type) {
  constexpr std::string_view k_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return !type.empty() && type.find_first_not_of(k_letters) == std::string_view::npos;
}

bool tells(yyjson_val* event) {
  for (const std::string_view name : {"text", "refusal", "arguments", "input"}) {
    if (!text_in(event, name).empty()) return true;
  }
  return false;
}

EventKind kind_of(yyjson_val* event, std::string_view type) {
  if (type == "response.completed" || type == "response.incomplete") return EventKind::done;
  if (type.ends_with(".delta") || type.ends_with(".partial_image")) return EventKind::token;
  // Who has sent no deltas says everything here.
  return type.ends_with(".done") && tells(event) ? EventKind::token : EventKind::other;
}

}  // namespace

void Gathered::give_up() {
  events.clear();
  response = {};
}

void Gathered::take_final(yyjson_val* object) {
  has_final = true;
  yyjson_val* told = member(object, "usage");
  if (const auto counts = openai::usage_in(told)) {
    usage = counts->usage;
    not_understood = not_understood || !TemplateWriter(usage_json, {}).value(told, 2);
  }
  model = text_in(object, "model");
  id = text_in(object, "id");
  if (id.empty()) {
    not_understood = true;
    return;
  }
  judgement = judge(object);
  estimated_completion_tokens = estimate_output(object);
  not_understood = not_understood || !TemplateWriter(response, id).response(object, TemplateWriter::Moment::end);
}

void Gathered::take_final(yyjson_val* object, const std::map<std::uint64_t, std::string>& items) {
  yyjson_val* output = member(object, "output");
  if (items.empty() || !yyjson_is_arr(output) || yyjson_arr_size(output) > 0) return take_final(object);
  std::string list = "[";
  for (const auto& [index, item] : items) {
    if (list.size() > 1) list += ',';
    list += item;
  }
  list += ']';
  std::string text;
  TemplateWriter(text, {}).response(object, TemplateWriter::Moment::end, list);
  Filler filler;
  const std::string told = text_of(member(object, "usage"));
  filler.fill(text, {.usage = member(object, "usage") == nullptr ? std::string_view("null") : told});
  const JsonDoc whole = JsonDoc::read(filler.text());
  take_final(whole.root());
}

std::expected<Answer, chat::NoStoreReason> Gathered::conclude(bool streamed) {
  if (error) return std::unexpected(error_in_answer);
  if (not_understood) return std::unexpected(chat::NoStoreReason::not_understood);
  if (!has_final) return std::unexpected(cut);
  if (judgement) return std::unexpected(*judgement);
  Answer answer;
  answer.model = model;
  answer.usage = usage;
  answer.estimated_completion_tokens = estimated_completion_tokens;
  answer.encoded = encode({.streamed = streamed,
                           .model = model,
                           .estimated_completion_tokens = estimated_completion_tokens,
                           .usage = usage,
                           .usage_json = usage_json,
                           .response = response},
                          events.text());
  return answer;
}

void BlockingReader::feed(std::string_view data) {
  if (gathered_.not_understood) return;
  if (data.size() > k_body_size_max - body_.size()) {
    gathered_.not_understood = true;
    std::exchange(body_, {});
    return;
  }
  body_ += data;
}

std::expected<Answer, chat::NoStoreReason> BlockingReader::finish() {
  if (!gathered_.not_understood) {
    const JsonDoc doc = JsonDoc::read_in_place(body_);
    if (!yyjson_is_obj(doc.root())) {
      gathered_.not_understood = true;
    } else if (is_failure(doc.root())) {
      gathered_.error = true;
    } else {
      gathered_.take_final(doc.root());
    }
  }
  return gathered_.conclude(false);
}

void StreamReader::feed(std::string_view data) {
  if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingReader>();
  if (blocking_) return blocking_->feed(data);
  while (const std::optional<SseEvent> event = splitter_.next(data)) {
    if (events_.size() == k_events_max) {
      gathered_.not_understood = true;
      return;
    }
    events_.push_back({event->end, take(*event)});
  }
  if (splitter_.overflowed()) gathered_.not_understood = true;
}

EventKind StreamReader::take(const SseEvent& event) {
  const std::string_view data = trimmed(event.data);
  // Some relays write [DONE] after the end, as they do for chat completions.
  if (gathered_.has_final || data.empty() || data == "[DONE]") return EventKind::other;
  const JsonDoc doc = JsonDoc::read(data);
  const std::string_view own = text_in(doc.root(), "type");
  const std::string_view type = own.empty() ? event.name : own;
  if (!yyjson_is_obj(doc.root()) || !is_type(type)) {
    if (yyjson_is_obj(doc.root()) && is_failure(doc.root())) {
      gathered_.error = true;
      return EventKind::error;
    }
    // What cannot be read is something all the same: a reader gets it, and must not be called stalled while it comes.
    gathered_.not_understood = true;
    return EventKind::token;
  }
  return take_known(doc.root(), type);
}

EventKind StreamReader::take_known(yyjson_val* root, std::string_view type) {
  if (type == "error" || is_failure(root) || is_failure(member(root, "response"))) {
    gathered_.error = true;
    gathered_.give_up();
    return EventKind::error;
  }
  const EventKind kind = kind_of(root, type);
  gathered_.not_understood = gathered_.not_understood || !is_in_order(root, type);
  if (gathered_.not_understood) {
    gathered_.give_up();
    if (kind == EventKind::done) gathered_.has_final = true;
    if (const auto told = openai::usage_in(member(member(root, "response"), "usage"))) gathered_.usage = told->usage;
  } else {
    keep(root, type);
  }
  return kind;
}

bool StreamReader::is_in_order(yyjson_val* root, std::string_view type) {
  const bool begins = type == "response.output_item.added";
  yyjson_val* told = member(root, "output_index");
  if (!begins && (told == nullptr || !type.ends_with(".delta"))) return true;
  const std::uint64_t index = whole_number_of(told).value_or(k_items_max);
  if (index >= k_items_max) return false;
  if (!begins) return index < items_.size() && items_[index];
  if (index >= items_.size()) items_.resize(index + 1);
  items_[index] = true;
  return true;
}

void StreamReader::keep(yyjson_val* root, std::string_view type) {
  yyjson_val* response = member(root, "response");
  const bool is_final = kind_of(root, type) == EventKind::done;
  frame_.clear();
  delta_.clear();
  object_.clear();
  if (gathered_.id.empty()) gathered_.id = text_in(response, "id");
  bool good = TemplateWriter(frame_, gathered_.id).event(root, type);
  if (is_final) {
    gathered_.take_final(response, whole_items_);
  } else if (yyjson_is_obj(response)) {
    TemplateWriter writer(object_, gathered_.id);
    good = writer.response(response, TemplateWriter::Moment::under_way) && good;
  }
  const auto index = whole_number_of(member(root, "output_index"));
  if (type == "response.output_item.done" && index && whole_items_.size() < k_items_max) {
    std::string& item = whole_items_[*index];
    item.clear();
    good = TemplateWriter(item, {}).value(member(root, "item"), 2) && good;
  }
  if (const auto delta = string_of(member(root, "delta"))) append_string(delta_, *delta);
  gathered_.not_understood = gathered_.not_understood || !good;
  gathered_.events.add({.name = type, .frame = frame_, .delta = delta_, .response = object_, .is_final = is_final});
}

std::expected<Answer, chat::NoStoreReason> StreamReader::finish() {
  if (blocking_) return blocking_->finish();
  if (const auto last = gathered_.has_final ? std::nullopt : splitter_.rest(); last && !last->comment_only) {
    // A last event may lack its blank line, not its end.
    if (JsonDoc::read(trimmed(last->data)).root() != nullptr) take(*last);
  }
  return gathered_.conclude(true);
}

}  // namespace outrigger::providers::responses
