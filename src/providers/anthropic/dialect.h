// Anthropic's messages.
#pragma once

#include "providers/dialect.h"

namespace outrigger::providers::anthropic {

const Dialect& messages_dialect();

}  // namespace outrigger::providers::anthropic
