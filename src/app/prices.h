// Budgets and prices, looked at together: config/ does not know the table of prices.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace outrigger::app {

// A warning for each [[model]] that a client with a budget may ask for and whose price nobody knows: its requests will be refused. Of
// names with wildcards nothing can be told before they are asked for.
std::vector<config::Diagnostic> price_warnings(const config::Config& config, const std::string& file);

}  // namespace outrigger::app
