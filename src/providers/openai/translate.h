// Chat completions as one end of a translation: requests and answers to and from what all dialects have in common.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "chat/conversation.h"
#include "providers/saying.h"

namespace outrigger::providers::openai {

std::expected<chat::Conversation, chat::NotCarried> hear_chat_request(std::string_view body, chat::Losses& losses);
std::expected<std::string, chat::NotCarried> say_chat_request(const chat::Conversation& conversation, chat::Losses& losses);

std::unique_ptr<Hearer> make_chat_hearer(bool streamed);
std::unique_ptr<Speaker> make_chat_speaker(const SpeakerOptions& options);

// Errors as OpenAI and its kin write them: {"error":{…}}, {"message":…}, {"detail":…}, or no JSON at all.
ErrorSaid hear_error(int status, std::string_view body);

// Reasoning models take other parameters than the rest: `max_completion_tokens`, `reasoning_effort`, and no sampling. Known by
// OpenAI's names for them (o1, o3, o4-mini, gpt-5, ...), with or without a vendor in front.
bool is_reasoning_model(std::string_view model);

}  // namespace outrigger::providers::openai
