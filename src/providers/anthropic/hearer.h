// Answers of Anthropic's messages, heard piece by piece.
#pragma once

#include <memory>

#include "providers/saying.h"

namespace outrigger::providers::anthropic {

std::unique_ptr<Hearer> make_hearer(bool streamed);

}  // namespace outrigger::providers::anthropic
