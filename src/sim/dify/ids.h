// UUIDs (RFC 9562, version 4 by their look).
#pragma once

#include <string>
#include <string_view>

#include "core/rng.h"

namespace outrigger::sim_dify {

std::string fresh_uuid(Rng& rng);
// Always the same for the same text.
std::string stable_uuid(std::string_view text);
bool is_uuid(std::string_view text);

}  // namespace outrigger::sim_dify
