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
std::string Dialect::answer_body(std::string_view, std::string_view) const { return {}; }

std::optional<Answer> Dialect::fixed_answer(std::string_view model, std::string_view text) const {
  const std::string body = answer_body(model, text);
  if (body.empty()) return std::nullopt;
  const std::unique_ptr<AnswerReader> reader = make_reader(false);
  reader->feed(body);
  auto answer = reader->finish();
  if (!answer) return std::nullopt;
  return std::move(*answer);
}

}  // namespace outrigger::providers
