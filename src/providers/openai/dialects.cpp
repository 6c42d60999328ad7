#include "providers/openai/dialects.h"

#include "providers/openai/notices.h"
#include "providers/openai/reader.h"
#include "providers/openai/render.h"
#include "providers/openai/translate.h"

namespace outrigger::providers::openai {
namespace {

class OpenAiDialect : public Dialect {
 public:
  OpenAiDialect(const chat::Shape& shape, const Translator* translator) : Dialect(translator), shape_(shape) {}
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
  WordsDialect(const chat::Shape& shape, Form form, const Translator* translator)
      : OpenAiDialect(shape, translator), form_(form) {}

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
  [[nodiscard]] std::string answer_body(std::string_view model, std::string_view text) const override {
    return openai::answer_body(form_, model, text);
  }
  [[nodiscard]] bool has_optional_usage() const override { return true; }

 private:
  Form form_;
};

constexpr Translator k_translator{hear_chat_request, say_chat_request, make_chat_hearer, make_chat_speaker, hear_error};

}  // namespace

const Dialect& chat_dialect() {
  static const WordsDialect dialect(chat::k_chat_shape, Form::chat, &k_translator);
  return dialect;
}

const Dialect& completions_dialect() {
  static const WordsDialect dialect(chat::k_completions_shape, Form::text, nullptr);
  return dialect;
}

const Dialect& embeddings_dialect() {
  static const OpenAiDialect dialect(chat::k_embeddings_shape, nullptr);
  return dialect;
}

}  // namespace outrigger::providers::openai
