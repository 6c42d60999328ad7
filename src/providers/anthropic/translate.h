// Requests between Anthropic's messages and a Conversation.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "chat/conversation.h"

namespace outrigger::providers::anthropic {

std::expected<chat::Conversation, chat::NotCarried> hear_request(std::string_view body, chat::Losses& losses);
std::expected<std::string, chat::NotCarried> say_request(const chat::Conversation& conversation, chat::Losses& losses);

}  // namespace outrigger::providers::anthropic
