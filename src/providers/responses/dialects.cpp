#include "providers/responses/dialects.h"

#include "providers/openai/notices.h"
#include "providers/responses/notices.h"
#include "providers/responses/reader.h"
#include "providers/responses/render.h"
#include "providers/responses/shape.h"
#include "providers/responses/translation.h"

namespace outrigger::providers::responses {
namespace {

class ResponsesDialect final : public Dialect {
 public:
  [[nodiscard]] const chat::Shape& shape() const override { return k_shape; }

  [[nodiscard]] std::unique_ptr<AnswerReader> make_reader(bool streamed) const override {
    if (streamed) return std::make_unique<StreamReader>();
    return std::make_unique<BlockingReader>();
  }
  [[nodiscard]] std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) const override {
    return responses::render(encoded, options);
  }
  [[nodiscard]] std::optional<Answer> fixed_answer(std::string_view model, std::string_view text) const override {
    BlockingReader reader;
    reader.feed(answer_body(model, text));
    auto answer = reader.finish();
    if (!answer) return std::nullopt;
    return std::move(*answer);
  }
  [[nodiscard]] std::string error_body(const ErrorSaid& error) const override { return openai::error_body(error); }
  [[nodiscard]] std::string error_event(const ErrorSaid& error, std::size_t events) const override {
    return responses::error_event(error, events);
  }

  [[nodiscard]] bool is_conversation() const override { return true; }
  [[nodiscard]] std::expected<chat::Conversation, chat::NotCarried> hear_request(std::string_view body,
                                                                                 chat::Losses& losses) const override {
    return responses::hear_request(body, losses);
  }
  [[nodiscard]] std::expected<std::string, chat::NotCarried> say_request(const chat::Conversation& conversation,
                                                                         chat::Losses& losses) const override {
    return responses::say_request(conversation, losses);
  }
  [[nodiscard]] std::unique_ptr<Hearer> make_hearer(bool streamed) const override {
    return responses::make_hearer(streamed);
  }
  [[nodiscard]] std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options) const override {
    return responses::make_speaker(options);
  }
  [[nodiscard]] ErrorSaid hear_error(int status, std::string_view body) const override {
    return responses::hear_error(status, body);
  }
};

}  // namespace

const Dialect& responses_dialect() {
  static const ResponsesDialect dialect;
  return dialect;
}

}  // namespace outrigger::providers::responses
