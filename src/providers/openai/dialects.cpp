#include "providers/openai/dialects.h"

#include "providers/openai/notices.h"
#include "providers/openai/reader.h"
#include "providers/openai/render.h"
#include "providers/openai/translate.h"

namespace outrigger::providers::openai {
namespace {

class OpenAiDialect : public Dialect {
 public:
  explicit OpenAiDialect(const chat::Shape& shape) : shape_(shape) {}
  [[nodiscard]] const chat::Shape& shape() const override { return shape_; }
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override { return openai::error_body(error); }
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t /*events*/) const override {
    return openai::error_event(error);
  }

 private:
  const chat::Shape& shape_;
};

// Chat completions, and the older text completions.
class WordsDialect : public OpenAiDialect {
 public:
  WordsDialect(const chat::Shape& shape, Form form) : OpenAiDialect(shape), form_(form) {}

  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override {
    if (streamed) return std::make_unique<StreamReader>(form_);
    return std::make_unique<BlockingReader>(form_);
  }
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override {
    return openai::render(form_, encoded, options);
  }
  [[nodiscard]] std::string usage_event(std::string_view like, const Usage& usage) const override {
    return openai::usage_event(form_, like, usage);
  }
  [[nodiscard]] std::optional<Answer> fixed_answer(std::string_view model, std::string_view text) const override {
    BlockingReader reader(form_);
    reader.feed(answer_body(form_, model, text));
    auto answer = reader.finish();
    if (!answer) return std::nullopt;
    return std::move(*answer);
  }
  [[nodiscard]] bool has_optional_usage() const override { return true; }

 private:
  Form form_;
};

class ChatDialect final : public WordsDialect {
 public:
  ChatDialect() : WordsDialect(chat::k_chat_shape, Form::chat) {}

  [[nodiscard]] bool is_conversation() const override { return true; }
  [[nodiscard]] std::expected<chat::Conversation, chat::NotCarried> hear_request(std::string_view body,
                                                                                 chat::Losses& losses) const override {
    return hear_chat_request(body, losses);
  }
  [[nodiscard]] std::expected<std::string, chat::NotCarried> say_request(const chat::Conversation& conversation,
                                                                         chat::Losses& losses) const override {
    return say_chat_request(conversation, losses);
  }
  [[nodiscard]] std::unique_ptr<Hearer> make_hearer(bool streamed) const override { return make_chat_hearer(streamed); }
  [[nodiscard]] std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options) const override {
    return make_chat_speaker(options);
  }
  [[nodiscard]] ErrorSaid hear_error(int status, std::string_view body) const override {
    return openai::hear_error(status, body);
  }
};

}  // namespace

const Dialect& chat_dialect() {
  static const ChatDialect dialect;
  return dialect;
}

const Dialect& completions_dialect() {
  static const WordsDialect dialect(chat::k_completions_shape, Form::text);
  return dialect;
}

const Dialect& embeddings_dialect() {
  static const OpenAiDialect dialect(chat::k_embeddings_shape);
  return dialect;
}

}  // namespace outrigger::providers::openai
