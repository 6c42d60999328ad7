#include "providers/translation.h"

#include "core/check.h"
#include "providers/dialect.h"

namespace outrigger::providers {
namespace {

const Dialect* conversation_dialect(chat::Endpoint endpoint) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr && dialect->is_conversation() ? dialect : nullptr;
}

}  // namespace

bool can_translate(chat::Endpoint from, chat::Endpoint to) {
  return from != to && conversation_dialect(from) != nullptr && conversation_dialect(to) != nullptr;
}

std::expected<TranslatedRequest, chat::NotCarried> translate_request(chat::Endpoint from, chat::Endpoint to,
                                                                     std::string_view body, std::string_view model) {
  OR_CHECK(can_translate(from, to));
  TranslatedRequest translated;
  auto conversation = dialect_of(from)->hear_request(body, translated.losses);
  if (!conversation) return std::unexpected(conversation.error());
  if (!model.empty()) conversation->model = model;
  auto said = dialect_of(to)->say_request(*conversation, translated.losses);
  if (!said) return std::unexpected(said.error());
  translated.body = std::move(*said);
  return translated;
}

AnswerTranslation::AnswerTranslation(chat::Endpoint from, chat::Endpoint to, bool streamed, const SpeakerOptions& options)
    : hearer_(dialect_of(from)->make_hearer(streamed)), speaker_(dialect_of(to)->make_speaker(options)) {}

std::string AnswerTranslation::feed(std::string_view data) {
  hearer_->feed(data, *speaker_);
  return speaker_->take();
}

std::string AnswerTranslation::finish() {
  hearer_->finish(*speaker_);
  return speaker_->take();
}

std::string translate_error(chat::Endpoint from, chat::Endpoint to, int status, std::string_view body) {
  return dialect_of(to)->error_body(dialect_of(from)->hear_error(status, body));
}

}  // namespace outrigger::providers
