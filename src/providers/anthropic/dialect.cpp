#include "providers/anthropic/dialect.h"

#include "providers/anthropic/hearer.h"
#include "providers/anthropic/notices.h"
#include "providers/anthropic/reader.h"
#include "providers/anthropic/render.h"
#include "providers/anthropic/shape.h"
#include "providers/anthropic/speaker.h"
#include "providers/anthropic/translate.h"

namespace outrigger::providers::anthropic {
namespace {

constexpr Translator k_translator{hear_request, say_request, make_hearer, make_speaker, hear_error};

class MessagesDialect final : public Dialect {
 public:
  MessagesDialect() : Dialect(&k_translator) {}
  [[nodiscard]] const chat::Shape& shape() const override { return k_messages_shape; }

  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override {
    if (streamed) return std::make_unique<StreamReader>();
    return std::make_unique<BlockingReader>();
  }
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override {
    return anthropic::render(encoded, options);
  }
  [[nodiscard]] std::string answer_body(std::string_view model, std::string_view text) const override {
    return anthropic::answer_body(model, text);
  }
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override { return anthropic::error_body(error); }
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t /*events*/) const override {
    return anthropic::error_event(error);
  }
};

}  // namespace

const Dialect& messages_dialect() {
  static const MessagesDialect dialect;
  return dialect;
}

}  // namespace outrigger::providers::anthropic
