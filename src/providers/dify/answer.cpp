#include "providers/dify/answer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "chat/request.h"
#include "providers/dify/signals.h"
#include "providers/dify/told.h"

namespace outrigger::providers::dify {
namespace {

using enum chat::NoStoreReason;

constexpr double k_micro_usd_max = 1e12;
constexpr std::size_t k_id_max = 128;  // longer is none of Dify's

void learn_id(std::string& id, yyjson_val* value) {
  const auto text = string_of(value);
  if (id.empty() && text && !text->empty() && text->size() <= k_id_max) id = *text;
}

bool is_text(yyjson_val* object, std::string_view name) { return yyjson_is_str(member(object, name)); }

// "0.0012", or a number.
double price_of(yyjson_val* value) {
  auto text = string_of(value);
  if (!text) text = number_of(value);
  constexpr std::size_t k_digits_max = 40;
  if (!text || text->empty() || text->size() > k_digits_max) return 0;
  double price = 0;
  if (std::from_chars(text->data(), text->data() + text->size(), price).ec != std::errc()) return 0;
  constexpr double k_price_max = 1e9;
  return price > 0 && price < k_price_max ? price : 0;
}

// A file among the outputs of a workflow says so itself.
bool holds_file(std::string_view json) { return json.find("__dify__file__") != std::string_view::npos; }

}  // namespace

void RunReader::feed(std::string_view data) {
  bytes_ = bytes_ || !data.empty();
  if (!streamed_) {
    if (too_large_) return;
    if (data.size() > k_kept_max - body_.size()) return too_large();
    body_ += data;
    return;
  }
  while (const auto event = splitter_.next(data)) note(*event);
  if (splitter_.overflowed()) too_large();
}

void RunReader::too_large() {
  too_large_ = true;
  std::exchange(body_, {});
  kept_.clear();
}

void RunReader::note(const SseEvent& event) {
  const bool had_begun = begun_;
  const EventKind kind = take(event);
  if (error_ && !had_begun) failed_at_once_ = true;
  if (keep_ && events_.size() < k_events_max) events_.push_back({event.end, kind});
}

EventKind RunReader::take(const SseEvent& event) {
  if (!event.has_data || event.data.empty() || event.name == "ping") {
    // Lines of anything else, a page for people perhaps.
    if (!event.has_data && event.name.empty() && !event.comment_only) understood_ = false;
    return EventKind::other;
  }
  const JsonDoc doc = JsonDoc::read(event.data);
  const auto type = string_of(member(doc.root(), "event"));
  if (type == "ping") return EventKind::other;
  begun_ = true;
  if (!type) {
    understood_ = false;
    // Somebody between us and Dify may have said so in its words.
    return read_told(doc.root()).is_error ? fail(doc.root()) : EventKind::other;
  }
  learn(doc.root());
  const EventKind kind = take_known(doc.root(), *type);
  if (*type == "workflow_finished" && holds_file(event.data)) files_ = true;
  keep(doc.root(), *type);
  return kind;
}

void RunReader::learn(yyjson_val* root) {
  learn_id(ids_.task, member(root, "task_id"));
  learn_id(ids_.message, member(root, "message_id"));
  learn_id(ids_.conversation, member(root, "conversation_id"));
  learn_id(ids_.run, member(root, "workflow_run_id"));
}

EventKind RunReader::take_known(yyjson_val* root, std::string_view type) {
  if (type == "message" || type == "agent_message" || type == "text_chunk") {
    if (type == "agent_message") mode_ = "agent-chat";
    yyjson_val* piece = type == "text_chunk" ? member(member(root, "data"), "text") : member(root, "answer");
    const auto text = string_of(piece);
    if (!text) {
      understood_ = false;
      return EventKind::other;
    }
    answer_tokens_ += chat::estimate_tokens(*text);
    if (kind_ != RunKind::workflow) {
      says_something_ = says_something_ || !text->empty();
      // Signed links to pictures of the knowledge base, wherever the pieces are cut.
      constexpr std::string_view k_signed = "-preview?timestamp=";
      last_words_ += *text;
      files_ = files_ || last_words_.find(k_signed) != std::string::npos;
      if (last_words_.size() > k_signed.size()) last_words_.erase(0, last_words_.size() - k_signed.size());
    }
    return EventKind::token;
  }
  if (type == "error") return fail(root);
  if (type == "message_end") {
    take_end_of_message(root);
    return run_open_ && !run_ended_ ? EventKind::usage : EventKind::done;
  }
  if (type == "workflow_finished") return take_end_of_run(root);
  if (type == "workflow_started") {
    run_open_ = true;
    if (kind_ == RunKind::chat) mode_ = "advanced-chat";
  } else if (type == "agent_thought") {
    mode_ = "agent-chat";
  } else if (type == "message_replace") {
    replaced_ = true;
    return EventKind::token;
  } else if (type == "text_replace") {
    return EventKind::token;
  } else if (type == "message_file") {
    files_ = true;
  } else if (type == "workflow_paused" || type.starts_with("human_input_")) {
    unfinished_ = true;
  }
  return EventKind::other;
}

EventKind RunReader::fail(yyjson_val* root) {
  error_ = true;
  if (signal_.kind == SignalKind::ok) signal_ = read_event(text_of(root));
  return EventKind::error;
}

void RunReader::take_end_of_message(yyjson_val* root) {
  message_ended_ = true;
  take_metadata(member(root, "metadata"));
  files_ = files_ || !is_nothing(member(root, "files"));
}

void RunReader::take_metadata(yyjson_val* metadata) {
  yyjson_val* usage = member(metadata, "usage");
  if (!yyjson_is_obj(usage)) return;
  Spent& spent = spent_.emplace();
  spent.prompt_tokens = whole_number_of(member(usage, "prompt_tokens")).value_or(0);
  spent.completion_tokens = whole_number_of(member(usage, "completion_tokens")).value_or(0);
  spent.total_tokens = whole_number_of(member(usage, "total_tokens")).value_or(0);
  spent.price = price_of(member(usage, "total_price"));
  constexpr std::size_t k_currency_max = 8;
  spent.currency = string_of(member(usage, "currency")).value_or(std::string_view()).substr(0, k_currency_max);
}

// `root`: workflow_finished, or a blocking answer of a workflow.
EventKind RunReader::take_end_of_run(yyjson_val* root) {
  yyjson_val* data = member(root, "data");
  const auto status = string_of(member(data, "status"));
  const auto tokens = whole_number_of(member(data, "total_tokens"));
  if (tokens && !spent_) {
    Spent& spent = spent_.emplace();
    spent.total_tokens = *tokens;
  }
  if (status == "failed") return fail(root);
  files_ = files_ || !is_nothing(member(data, "files"));
  if (status == "succeeded") {
    run_ended_ = true;
    if (kind_ == RunKind::workflow) says_something_ = !is_nothing(member(data, "outputs"));
  } else if (status) {
    unfinished_ = true;
  } else {
    understood_ = false;
  }
  return EventKind::done;
}

bool RunReader::ended_well() const {
  if (error_ || unfinished_) return false;
  if (kind_ == RunKind::workflow) return run_ended_;
  return message_ended_ && (!run_open_ || run_ended_);
}

std::optional<Usage> RunReader::usage() const {
  if (!spent_) return std::nullopt;
  Usage usage{spent_->prompt_tokens, spent_->completion_tokens};
  if (usage.prompt_tokens == 0 && usage.completion_tokens == 0) usage.completion_tokens = spent_->total_tokens;
  if (usage.completion_tokens == 0 && usage.prompt_tokens == 0) return std::nullopt;
  return usage;
}

std::optional<chat::NoStoreReason> RunReader::refusal() const {
  if (error_) return error_in_answer;
  if (too_large_) return chat::NoStoreReason::too_large;
  if (!understood_) return not_understood;
  if (unfinished_) return unfinished;
  if (!ended_well()) return cut;
  if (replaced_) return filtered;
  if (files_) return files;
  if (!says_something_) return empty;
  return std::nullopt;
}

std::expected<Answer, chat::NoStoreReason> RunReader::finish() {
  if (!streamed_) return finish_blocking();
  if (const auto event = splitter_.rest()) note(*event);
  return conclude();
}

std::expected<Answer, chat::NoStoreReason> RunReader::finish_blocking() {
  const JsonDoc doc = JsonDoc::read(body_);
  yyjson_val* root = doc.root();
  begun_ = bytes_;
  if (too_large_) return std::unexpected(chat::NoStoreReason::too_large);
  if (root == nullptr && ends_early(body_)) return std::unexpected(cut);
  if (!yyjson_is_obj(root)) {
    understood_ = false;
    return conclude();
  }
  if (read_told(root).is_error) {
    fail(root);
    return conclude();
  }
  learn(root);
  learn_id(ids_.message, member(root, "id"));
  if (kind_ == RunKind::workflow) {
    understood_ = yyjson_is_obj(member(root, "data"));
    if (understood_) take_end_of_run(root);
    files_ = files_ || holds_file(body_);
  } else if (is_text(root, "answer")) {
    yyjson_val* mode = member(root, "mode");
    for (const std::string_view known : {"agent-chat", "advanced-chat"}) {
      if (string_of(mode) == known) mode_ = known;
    }
    const std::string_view answer = *string_of(member(root, "answer"));
    says_something_ = !answer.empty();
    answer_tokens_ = chat::estimate_tokens(answer);
    files_ = answer.find("-preview?timestamp=") != std::string_view::npos;
    message_ended_ = true;
    take_metadata(member(root, "metadata"));
  } else {
    understood_ = false;
  }
  if (!refusal()) keep_blocking(root);
  std::exchange(body_, {});
  return conclude();
}

std::expected<Answer, chat::NoStoreReason> RunReader::conclude() {
  if (const auto reason = refusal()) return std::unexpected(*reason);
  Answer answer;
  answer.usage = usage();
  answer.estimated_completion_tokens = answer_tokens_;
  if (keep_) {
    answer.encoded = encode({.kind = kind_,
                             .streamed = streamed_,
                             .micro_usd = static_cast<std::uint64_t>(std::min(usd() * 1e6 + 0.5, k_micro_usd_max)),
                             .shared = shared_,
                             .body = body_frame_},
                            kept_.text());
  }
  return answer;
}

}  // namespace outrigger::providers::dify
