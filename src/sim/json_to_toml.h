// JSON as the TOML table that says the same, so that one reader (settings.cpp) serves both.
#pragma once

#include <toml++/toml.h>

#include <string_view>

#include "core/result.h"

namespace outrigger::sim_provider {

// An object, or a bare array, which stands for {"fault": [...]}. Null members are left out. Error: bad_config.
Result<toml::table> toml_from_json(std::string_view text);

}  // namespace outrigger::sim_provider
