// The canonical form: what two requests must have in common to share an answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrigger::chat {

// For people: the form as indented JSON-like text (`outrigger explain`, /api/explain).
std::string print_canonical(std::string_view canonical);

// The paths ("messages[1].content", "temperature") at which two canonical forms differ; at most `limit`.
std::vector<std::string> canonical_differences(std::string_view a, std::string_view b, std::size_t limit = 20);

}  // namespace outrigger::chat
