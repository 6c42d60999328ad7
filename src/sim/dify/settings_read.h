// Reading the [dify] table.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "sim/dify/settings.h"

namespace outrigger::sim_dify {

// The first problem, as FILE:LINE:COL: message, stays in `problem`.
Settings read_settings(const toml::node& node, const std::string& file, std::string& problem);

}  // namespace outrigger::sim_dify
