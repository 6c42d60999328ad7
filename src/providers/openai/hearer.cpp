// Chat completions answers, heard as they come: chunks of a stream, or one body.
#include <algorithm>
#include <vector>

#include "providers/json_doc.h"
#include "providers/openai/chunk.h"
#include "providers/openai/translate.h"
#include "providers/openai/verdict.h"
#include "providers/sse.h"

namespace outrigger::providers::openai {
namespace {

// The message of an error without one.
constexpr std::string_view k_no_message = "The model provider reported an error.";
constexpr std::size_t k_message_max = 2000;
constexpr std::size_t k_body_max = std::size_t{64} << 20;

// What all chunks of one answer have in common.
class ChunkHearer {
 public:
  void chunk(Chunk& chunk, Speaker& to) {
    if (failed_ || ended_) return;
    // Azure's first chunk has neither a choice nor the model's name; nor has an event of a kind that is not known.
    const bool is_of_answer = chunk.has_choices() || !chunk.model().empty();
    if (!begun_ && chunk.understood() && is_of_answer) {
      begun_ = true;
      to.begin(chunk.model());
    }
    for (const ChoicePiece& choice : chunk.piece().choices) {
      if (choice.index == 0) {
        hear(choice, to);
      } else {
        ++skipped_;
      }
    }
    if (!chunk.understood() || (!is_of_answer && !chunk.has_usage())) ++skipped_;
    if (const auto& told = chunk.usage()) usage(*told, to);
  }

  void error(std::string_view json, Speaker& to) {
    if (failed_ || ended_) return;
    failed_ = true;
    to.error(hear_error(0, json));
  }

  void end(Speaker& to) {
    if (failed_ || ended_ || !finished_) return;
    ended_ = true;
    to.end();
  }

  [[nodiscard]] bool had_delta() const { return had_delta_; }
  [[nodiscard]] std::uint64_t skipped() const { return skipped_; }
  void skip() { ++skipped_; }

 private:
  struct Call {
    std::optional<std::uint32_t> index;
    std::string id, name;
    bool has_arguments = false;
    std::optional<std::uint32_t> number;  // set when it has been announced
    std::string early;                    // arguments that came before the name
  };

  void hear(const ChoicePiece& choice, Speaker& to) {
    const auto say = [&](const Text& text, void (Speaker::*method)(std::string_view)) {
      if (!text || text->empty()) return;
      had_delta_ = true;
      (to.*method)(*text);
    };
    say(choice.reasoning_content, &Speaker::reasoning);
    if (!choice.reasoning_content) say(choice.reasoning, &Speaker::reasoning);
    say(choice.content, &Speaker::text);
    say(choice.refusal, &Speaker::refusal);
    has_refusal_ = has_refusal_ || (choice.refusal && !choice.refusal->empty());
    for (const ToolPiece& tool : choice.tools) hear(tool, to);
    if (choice.function_name || choice.function_arguments) {  // the older form: one call, without an id
      ToolPiece only;
      only.index = 0;
      only.name = choice.function_name;
      only.arguments = choice.function_arguments;
      hear(only, to);
    }
    if (choice.finish_reason && !choice.finish_reason->empty() && !std::exchange(finished_, true)) {
      to.finish(finish_of(*choice.finish_reason), {});
    }
  }

  void hear(const ToolPiece& piece, Speaker& to) {
    if (piece.custom) {
      ++skipped_;
      return;
    }
    had_delta_ = true;
    Call* call = find(piece);
    if (call == nullptr) {
      if (calls_.size() == k_tools_max) return skip();
      call = &calls_.emplace_back();
    }
    if (piece.index) call->index = piece.index;
    if (piece.id && call->id.empty()) call->id = *piece.id;
    if (piece.name && call->name != *piece.name && !call->number) call->name += *piece.name;
    const std::string_view arguments = piece.arguments.value_or(std::string_view());
    call->has_arguments = call->has_arguments || !arguments.empty();
    if (!call->number && call->name.empty()) {
      call->early += arguments;
      return;
    }
    if (!call->number) {
      call->number = announced_++;
      to.call(*call->number, call->id, call->name);
      if (!call->early.empty()) to.arguments(*call->number, std::exchange(call->early, {}));
    }
    if (!arguments.empty()) to.arguments(*call->number, arguments);
  }

  // As merged.cpp: the index says which call a part belongs to, unless a vendor numbers every call 0 or none at all: then a new
  // id does, or a name after arguments.
  Call* find(const ToolPiece& part) {
    const std::string_view id = part.id.value_or(std::string_view());
    for (auto call = calls_.rbegin(); call != calls_.rend(); ++call) {
      if (part.index && call->index && *part.index != *call->index) continue;
      if (!id.empty() && !call->id.empty()) {
        if (call->id == id) return &*call;
        continue;
      }
      const bool begins_anew = !part.index && part.name && !part.name->empty() && call->has_arguments;
      return begins_anew ? nullptr : &*call;
    }
    return nullptr;
  }

  [[nodiscard]] Finish finish_of(std::string_view reason) const {
    using chat::NoStoreReason;
    const auto verdict = verdict_of(reason);
    if (verdict == NoStoreReason::filtered) return Finish::filtered;
    if (verdict == NoStoreReason::refused || (!verdict && has_refusal_)) return Finish::refused;
    // A reason that is not known ("insufficient_system_resource") and a call without a name: it is not whole.
    if (verdict || announced_ < calls_.size()) return Finish::length;
    if (announced_ > 0) return Finish::tool_calls;
    return reason == "stop_sequence" ? Finish::stop_sequence : Finish::stop;
  }

  static void usage(const UsageTold& told, Speaker& to) {
    UsageSaid said{.input = told.usage.prompt_tokens, .output = told.usage.completion_tokens};
    for (const auto& [name, json] : told.details) {
      const bool is_input = name == "prompt_tokens_details";
      if (!is_input && name != "completion_tokens_details") continue;
      const JsonDoc doc = JsonDoc::read(json);
      const std::string_view wanted = is_input ? "cached_tokens" : "reasoning_tokens";
      (is_input ? said.cached : said.reasoning) = whole_number_of(member(doc.root(), wanted)).value_or(0);
    }
    to.usage(said);
  }

  std::vector<Call> calls_;
  std::uint32_t announced_ = 0;
  std::uint64_t skipped_ = 0;
  bool begun_ = false;
  bool had_delta_ = false;
  bool has_refusal_ = false;
  bool finished_ = false;
  bool failed_ = false;
  bool ended_ = false;
};

class BlockingHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& /*to*/) override {
    if (data.size() <= k_body_max - body_.size()) body_ += data;
  }
  void finish(Speaker& to) override {
    Chunk chunk;
    chunk.read(body_, Form::chat, false);
    if (chunk.error()) return hearer_.error(body_, to);
    if (!chunk.understood()) return hearer_.skip();
    hearer_.chunk(chunk, to);
    hearer_.end(to);
  }
  [[nodiscard]] std::uint64_t skipped() const override { return hearer_.skipped(); }

 private:
  std::string body_;
  ChunkHearer hearer_;
};

class StreamHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& to) override {
    if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingHearer>();
    if (blocking_) return blocking_->feed(data, to);
    while (const std::optional<SseEvent> event = splitter_.next(data)) take(*event, to);
  }
  void finish(Speaker& to) override {
    if (blocking_) return blocking_->finish(to);
    if (const std::optional<SseEvent> last = splitter_.rest()) {
      // The end of what broke off in the middle is no event.
      if (last->data == "[DONE]" || JsonDoc::read(last->data).root() != nullptr) {
        take(*last, to);
      } else if (!last->comment_only) {
        return;
      }
    }
    // Several vendors never send the mark: then a finish reason is the end.
    hearer_.end(to);
  }
  [[nodiscard]] std::uint64_t skipped() const override { return blocking_ ? blocking_->skipped() : hearer_.skipped(); }

 private:
  void take(const SseEvent& event, Speaker& to) {
    if (done_ || event.data.empty()) return;
    if (event.data.starts_with("[DONE]")) {
      done_ = true;
      return hearer_.end(to);
    }
    chunk_.read(event.data, Form::chat, true);
    if (chunk_.error() || (event.name == "error" && !chunk_.has_choices())) return hearer_.error(event.data, to);
    if (chunk_.has_summary() && hearer_.had_delta()) chunk_.drop_summary();
    hearer_.chunk(chunk_, to);
  }

  SseSplitter splitter_;
  Chunk chunk_;
  ChunkHearer hearer_;
  std::unique_ptr<BlockingHearer> blocking_;
  Opening opening_;
  bool done_ = false;
};

void take_text(std::string& to, yyjson_val* value) {
  if (const auto text = string_of(value); text && to.empty()) to = text->substr(0, k_message_max);
}

}  // namespace

std::unique_ptr<Hearer> make_chat_hearer(bool streamed) {
  if (streamed) return std::make_unique<StreamHearer>();
  return std::make_unique<BlockingHearer>();
}

ErrorSaid hear_error(int status, std::string_view body) {
  ErrorSaid said{.status = status};
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* root = doc.root();
  if (yyjson_is_arr(root)) root = yyjson_arr_get_first(root);  // Gemini's OpenAI wire
  yyjson_val* error = member(root, "error");
  if (!yyjson_is_obj(error)) {
    take_text(said.message, error);
    error = root;
  }
  take_text(said.message, member(error, "message"));
  take_text(said.message, member(error, "msg"));
  take_text(said.message, member(error, "detail"));
  take_text(said.message, member(member(error, "base_resp"), "status_msg"));
  take_text(said.type, member(error, "type"));
  take_text(said.code, member(error, "code"));
  if (const auto number = number_of(member(error, "code")); number && said.code.empty()) said.code = *number;
  if (said.message.empty()) said.message = k_no_message;
  return said;
}

}  // namespace outrigger::providers::openai
