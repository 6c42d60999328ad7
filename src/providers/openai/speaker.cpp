// Chat completions answers, said piece by piece: chunks of a stream, or one body at the end.
#include <array>
#include <vector>

#include "providers/answer.h"
#include "providers/json_object.h"
#include "providers/openai/notices.h"
#include "providers/openai/translate.h"

namespace outrigger::providers::openai {
namespace {

constexpr std::string_view k_id_begin = "chatcmpl-";

std::string_view word_for(Finish why) {
  static constexpr std::array<std::string_view, 6> k_words{"stop",       "stop",           "length",
                                                           "tool_calls", "content_filter", "content_filter"};
  return k_words[static_cast<std::size_t>(why)];
}

void append_usage(JsonObject& to, const UsageSaid& usage) {
  JsonObject object(to.name("usage"));
  object.number("prompt_tokens", usage.input);
  object.number("completion_tokens", usage.output);
  object.number("total_tokens", usage.input + usage.output);
  if (usage.cached > 0) {
    JsonObject details(object.name("prompt_tokens_details"));
    details.number("cached_tokens", usage.cached);
  }
  if (usage.reasoning > 0) {
    JsonObject details(object.name("completion_tokens_details"));
    details.number("reasoning_tokens", usage.reasoning);
  }
}

class ChatSpeaker : public Speaker {
 public:
  explicit ChatSpeaker(const SpeakerOptions& options)
      : id_(std::string(k_id_begin) + id_text(options.id_high, options.id_low)), created_(options.created) {}

  void begin(std::string_view model) override { model_ = model; }
  void usage(const UsageSaid& usage) override { usage_ = usage; }
  std::string take() override { return std::exchange(text_, {}); }

 protected:
  void head(JsonObject& object, std::string_view kind) const {
    object.string("id", id_);
    object.string("object", kind);
    object.number("created", static_cast<std::uint64_t>(created_));
    object.string("model", model_);
  }

  [[nodiscard]] std::string call_id(std::uint32_t number, std::string_view id) const {
    if (!id.empty()) return std::string(id);
    return "call_" + id_.substr(k_id_begin.size()) + '_' + std::to_string(number);
  }

  std::string id_;
  std::int64_t created_;
  std::string model_;
  UsageSaid usage_;
  std::string text_;
};

class StreamSpeaker final : public ChatSpeaker {
 public:
  explicit StreamSpeaker(const SpeakerOptions& options) : ChatSpeaker(options), include_usage_(options.include_usage) {}

  void begin(std::string_view model) override {
    ChatSpeaker::begin(model);
    chunk([](JsonObject& delta) {
      delta.string("role", "assistant");
      delta.string("content", "");
    });
  }
  void text(std::string_view piece) override { say("content", piece); }
  void reasoning(std::string_view piece) override { say("reasoning_content", piece); }
  void refusal(std::string_view piece) override { say("refusal", piece); }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    chunk([&](JsonObject& delta) {
      JsonList calls(delta.name("tool_calls"));
      JsonObject object(calls.item());
      object.number("index", number);
      object.string("id", call_id(number, id));
      object.string("type", "function");
      JsonObject function(object.name("function"));
      function.string("name", tool);
      function.string("arguments", "");
    });
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    chunk([&](JsonObject& delta) {
      JsonList calls(delta.name("tool_calls"));
      JsonObject object(calls.item());
      object.number("index", number);
      JsonObject function(object.name("function"));
      function.string("arguments", piece);
    });
  }
  // Told at the end: clients take an answer with a reason for a whole one, and until then it may break off.
  void finish(Finish why, std::string_view /*stop_sequence*/) override { why_ = why; }
  void error(const ErrorSaid& error) override { text_ += error_event(error); }
  void end() override {
    chunk([](JsonObject&) {}, word_for(why_));
    if (include_usage_) {
      text_ += "data: ";
      {
        JsonObject object(text_);
        head(object, k_kind);
        object.json("choices", "[]");
        append_usage(object, usage_);
      }
      text_ += "\n\n";
    }
    text_ += "data: [DONE]\n\n";
  }

 private:
  static constexpr std::string_view k_kind = "chat.completion.chunk";

  void say(std::string_view member, std::string_view piece) {
    chunk([&](JsonObject& delta) { delta.string(member, piece); });
  }
  template <class Fill>
  void chunk(Fill&& fill, std::string_view finish_reason = {}) {
    text_ += "data: ";
    {
      JsonObject object(text_);
      head(object, k_kind);
      JsonList choices(object.name("choices"));
      JsonObject choice(choices.item());
      choice.json("index", "0");
      {
        JsonObject delta(choice.name("delta"));
        fill(delta);
      }
      if (finish_reason.empty()) {
        choice.json("finish_reason", "null");
      } else {
        choice.string("finish_reason", finish_reason);
      }
    }
    text_ += "\n\n";
  }

  bool include_usage_;
  Finish why_ = Finish::stop;
};

class BlockingSpeaker final : public ChatSpeaker {
 public:
  using ChatSpeaker::ChatSpeaker;

  void text(std::string_view piece) override { content_ += piece; }
  void reasoning(std::string_view piece) override { reasoning_ += piece; }
  void refusal(std::string_view piece) override { refusal_ += piece; }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    if (number == calls_.size()) calls_.push_back({call_id(number, id), std::string(tool), {}});
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    if (number < calls_.size()) calls_[number].arguments += piece;
  }
  void finish(Finish why, std::string_view /*stop_sequence*/) override { why_ = why; }
  void error(const ErrorSaid& error) override { text_ = error_body(error); }
  void end() override {
    JsonObject object(text_);
    head(object, "chat.completion");
    {
      JsonList choices(object.name("choices"));
      JsonObject choice(choices.item());
      choice.json("index", "0");
      {
        JsonObject message(choice.name("message"));
        write(message);
      }
      choice.string("finish_reason", word_for(why_));
    }
    append_usage(object, usage_);
  }

 private:
  struct Call {
    std::string id, tool, arguments;
  };

  void write(JsonObject& message) const {
    message.string("role", "assistant");
    if (content_.empty() && (!calls_.empty() || !refusal_.empty())) {
      message.json("content", "null");
    } else {
      message.string("content", content_);
    }
    if (!reasoning_.empty()) message.string("reasoning_content", reasoning_);
    if (!refusal_.empty()) message.string("refusal", refusal_);
    if (calls_.empty()) return;
    JsonList list(message.name("tool_calls"));
    for (const Call& call : calls_) {
      JsonObject item(list.item());
      item.string("id", call.id);
      item.string("type", "function");
      JsonObject function(item.name("function"));
      function.string("name", call.tool);
      function.string("arguments", call.arguments.empty() ? "{}" : std::string_view(call.arguments));
    }
  }

  std::string content_, reasoning_, refusal_;
  std::vector<Call> calls_;
  Finish why_ = Finish::stop;
};

}  // namespace

std::unique_ptr<Speaker> make_chat_speaker(const SpeakerOptions& options) {
  if (options.stream) return std::make_unique<StreamSpeaker>(options);
  return std::make_unique<BlockingSpeaker>(options);
}

}  // namespace outrigger::providers::openai
