// What the proxy itself says in Anthropic's dialect: errors, and the operator's fixed words; and what others' errors say.
#pragma once

#include <string>
#include <string_view>

#include "providers/saying.h"

namespace outrigger::providers::anthropic {

// Our own word for the error stands in `code`, which no SDK looks at.
std::string error_body(const ErrorSaid& error);
// With an `event:` line, by which the SDKs know it.
std::string error_event(const ErrorSaid& error);

ErrorSaid hear_error(int status, std::string_view body);

// A blocking answer that says `text`.
std::string answer_body(std::string_view model, std::string_view text);

}  // namespace outrigger::providers::anthropic
