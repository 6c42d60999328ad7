#include "providers/anthropic/dialect.h"

#include "providers/anthropic/notices.h"
#include "providers/anthropic/reader.h"
#include "providers/anthropic/render.h"
#include "providers/anthropic/shape.h"

namespace outrigger::providers::anthropic {
namespace {

class MessagesDialect final : public Dialect {
 public:
  [[nodiscard]] const chat::Shape& shape() const override { return k_messages_shape; }

  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override {
    if (streamed) return std::make_unique<StreamReader>();
    return std::make_unique<BlockingReader>();
  }
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override {
    return anthropic::render(encoded, options);
  }
  [[nodiscard]] std::optional<Answer> fixed_answer(std::string_view model, std::string_view text) const override {
    BlockingReader reader;
    reader.feed(answer_body(model, text));
    auto answer = reader.finish();
    if (!answer) return std::nullopt;
    return std::move(*answer);
  }
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override { return anthropic::error_body(error); }
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t /*events*/) const override {
    return anthropic::error_event(error);
  }
  [[nodiscard]] ErrorSaid hear_error(int status, std::string_view body) const override {
    return anthropic::hear_error(status, body);
  }
};

}  // namespace

const Dialect& messages_dialect() {
  static const MessagesDialect dialect;
  return dialect;
}

}  // namespace outrigger::providers::anthropic
