// What a reload changes, in words for the log. Secrets are compared, and never shown.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/context.h"

namespace outrigger::config {

// Every key that the file sets, for a later comparison. `context` has read it: it knows what env: and file: stood for.
std::vector<Setting> settings_of(const Node& root, const Context& context);

// One line for each key that differs, in the order of the files; a whole [[section]] that is new or gone is one line. At most
// k_max_changes, then a last line that says how many more there are.
inline constexpr std::size_t k_max_changes = 50;
std::vector<std::string> changes(const Config& before, const Config& after);

}  // namespace outrigger::config
