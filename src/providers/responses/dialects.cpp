#include "providers/responses/dialects.h"

#include "providers/openai/notices.h"
#include "providers/responses/notices.h"
#include "providers/responses/reader.h"
#include "providers/responses/render.h"
#include "providers/responses/shape.h"
#include "providers/responses/translation.h"

namespace outrigger::providers::responses {
namespace {

constexpr Translator k_translator{hear_request, say_request, make_hearer, make_speaker, hear_error};

class ResponsesDialect final : public Dialect {
 public:
  ResponsesDialect() : Dialect(&k_translator) {}
  [[nodiscard]] const chat::Shape& shape() const override { return k_shape; }

  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override {
    if (streamed) return std::make_unique<StreamReader>();
    return std::make_unique<BlockingReader>();
  }
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override {
    return responses::render(encoded, options);
  }
  [[nodiscard]] std::string answer_body(std::string_view model, std::string_view text) const override {
    return responses::answer_body(model, text);
  }
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override { return openai::error_body(error); }
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t events) const override {
    return responses::error_event(error, events);
  }
};

}  // namespace

const Dialect& responses_dialect() {
  static const ResponsesDialect dialect;
  return dialect;
}

}  // namespace outrigger::providers::responses
