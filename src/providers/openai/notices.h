// What the proxy itself says in OpenAI's dialect: errors, and the usage chunk that a stream lacks.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "providers/answer.h"
#include "providers/openai/pieces.h"

namespace outrigger::providers::openai {

std::string error_body(ErrorCode code);
// Without an `event:` line, and with no `choices`: every known client then raises an error instead of ending in silence.
std::string error_event(ErrorCode code);

std::string usage_event(Form form, std::string_view like, const Usage& usage);

}  // namespace outrigger::providers::openai
