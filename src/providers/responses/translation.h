// Requests and answers on their way between this wire and another's (chat/conversation.h, saying.h). What dialect.h promises.
#pragma once

#include <yyjson.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "chat/conversation.h"
#include "providers/saying.h"

namespace outrigger::providers::responses {

std::expected<chat::Conversation, chat::NotCarried> hear_request(std::string_view body, chat::Losses& losses);

// Nothing is left at the provider (`store`), a later instruction is a developer's message.
std::expected<std::string, chat::NotCarried> say_request(const chat::Conversation& conversation, chat::Losses& losses);

// Deltas go on at once; who sends none is heard at the end of an item, or of the answer. Custom calls, traces of hosted tools,
// annotations and log probabilities are skipped.
std::unique_ptr<Hearer> make_hearer(bool streamed);

// Items open when they are begun and close in order: a message before what comes after it, calls together at the end, because
// their arguments may come interleaved. Reasoning is left out: a client would send its item back, which no provider knows.
std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options);

ErrorSaid hear_error(int status, std::string_view body);
// Of the `error` event, of `error` in a response object and in the body of an error status.
ErrorSaid error_in(yyjson_val* error, int status);

}  // namespace outrigger::providers::responses
