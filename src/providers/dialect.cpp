#include "providers/dialect.h"

#include <array>

#include "providers/anthropic/dialect.h"
#include "providers/embed/dialect.h"
#include "providers/openai/dialects.h"
#include "providers/rerank/dialect.h"
#include "providers/responses/dialects.h"

namespace outrigger::providers {

const Dialect* dialect_of(chat::Endpoint endpoint) {
  static const std::array<const Dialect*, chat::k_endpoints> k_dialects = [] {
    std::array<const Dialect*, chat::k_endpoints> dialects{};
    for (const Dialect* dialect : {
             &openai::chat_dialect(),
             &openai::completions_dialect(),
             &openai::embeddings_dialect(),
             &rerank::dialect(),
             &embed::dialect(),
             &embed::dialect_v2(),
             &anthropic::messages_dialect(),
             &responses::responses_dialect(),
         }) {
      dialects[static_cast<std::size_t>(dialect->shape().endpoint)] = dialect;
    }
    return dialects;
  }();
  return k_dialects[static_cast<std::size_t>(endpoint)];
}

chat::Request understand(chat::Endpoint endpoint, std::string_view body, Level level, std::string room) {
  const Dialect* dialect = dialect_of(endpoint);
  if (dialect == nullptr) return chat::understand(endpoint, body, level);
  chat::Request request = chat::understand(dialect->shape(), body, level, std::move(room));
  if (!dialect->has_optional_usage()) request.include_usage = request.stream;
  return request;
}

std::unique_ptr<AnswerReader> Dialect::make_reader(bool) const { return nullptr; }
std::optional<Rendered> Dialect::render(std::string_view, const RenderOptions&) const { return std::nullopt; }
std::string Dialect::usage_event(std::string_view, const Usage&) const { return {}; }
std::optional<Answer> Dialect::fixed_answer(std::string_view, std::string_view) const { return std::nullopt; }

std::expected<chat::Conversation, chat::NotCarried> Dialect::hear_request(std::string_view, chat::Losses&) const {
  return std::unexpected(chat::NotCarried::not_understood);
}
std::expected<std::string, chat::NotCarried> Dialect::say_request(const chat::Conversation&, chat::Losses&) const {
  return std::unexpected(chat::NotCarried::not_understood);
}
std::unique_ptr<Hearer> Dialect::make_hearer(bool) const { return nullptr; }
std::unique_ptr<Speaker> Dialect::make_speaker(const SpeakerOptions&) const { return nullptr; }
ErrorSaid Dialect::hear_error(int status, std::string_view) const { return {.status = status}; }

}  // namespace outrigger::providers
