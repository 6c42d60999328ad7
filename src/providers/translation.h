// Translation between the wires of two endpoints that both ask for words: the request before it is sent, its answer as it comes.
// Pure. docs/dialects.md says what is carried.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "chat/conversation.h"
#include "chat/endpoint.h"
#include "providers/saying.h"

namespace outrigger::providers {

// Can requests of the one be put into the words of the other? An endpoint and itself need no translation.
bool can_translate(chat::Endpoint from, chat::Endpoint to);

struct TranslatedRequest {
  std::string body;
  chat::Losses losses;  // what was left out or changed
};
// `model`: to be asked for; empty: the one that the body names.
std::expected<TranslatedRequest, chat::NotCarried> translate_request(chat::Endpoint from, chat::Endpoint to,
                                                                     std::string_view body, std::string_view model);

// The body of a 200 that came on the wire of `from`, as the client of `to` reads it. What a piece says leaves with it.
class AnswerTranslation {
 public:
  // `streamed`: is the body that comes SSE? `options` says in which form it leaves.
  AnswerTranslation(chat::Endpoint from, chat::Endpoint to, bool streamed, const SpeakerOptions& options);

  std::string feed(std::string_view data);
  // The body has ended well.
  std::string finish();
  [[nodiscard]] std::uint64_t skipped() const { return hearer_->skipped(); }

 private:
  std::unique_ptr<Hearer> hearer_;
  std::unique_ptr<Speaker> speaker_;
};

// The body of an error status.
std::string translate_error(chat::Endpoint from, chat::Endpoint to, int status, std::string_view body);

}  // namespace outrigger::providers
