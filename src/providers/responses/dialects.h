// OpenAI's responses, as a dialect.
#pragma once

#include "providers/dialect.h"

namespace outrigger::providers::responses {

const Dialect& responses_dialect();

}  // namespace outrigger::providers::responses
