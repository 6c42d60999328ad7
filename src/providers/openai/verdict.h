// May this answer be stored? Pure; asked once, after the body ended.
#pragma once

#include <optional>
#include <string_view>

#include "chat/reasons.h"
#include "providers/openai/merged.h"

namespace outrigger::providers::openai {

enum class Ending : unsigned char {
  whole,     // blocking, or a stream with its [DONE]
  no_mark,   // a stream without [DONE]
  in_event,  // a stream without [DONE], in the middle of an event
};

// The first reason why not; nothing when it may. A stream without [DONE] is taken when every choice has its finish reason and
// nothing was said after it: several vendors never send the mark.
std::optional<chat::NoStoreReason> judge(const Merged& answer, bool streamed, Ending ending);

// What a finish reason alone says about storing.
std::optional<chat::NoStoreReason> verdict_of(std::string_view finish_reason);

}  // namespace outrigger::providers::openai
