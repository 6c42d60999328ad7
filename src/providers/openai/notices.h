// What the proxy itself says in OpenAI's dialect: errors, the usage chunk that a stream lacks, and the operator's fixed words.
#pragma once

#include <string>
#include <string_view>

#include "providers/answer.h"
#include "providers/openai/pieces.h"
#include "providers/saying.h"

namespace outrigger::providers::openai {

std::string error_body(const ErrorSaid& error);
// Without an `event:` line, and with no `choices`: every known client then raises an error instead of ending in silence.
std::string error_event(const ErrorSaid& error);

// A blocking answer that says `text`.
std::string answer_body(Form form, std::string_view model, std::string_view text);

std::string usage_event(Form form, std::string_view like, const Usage& usage);

}  // namespace outrigger::providers::openai
