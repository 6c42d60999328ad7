// The rules that the tree is held to. Each takes one file and returns what is wrong with it, as "file:line: what; what instead".
#pragma once

#include <set>
#include <string>
#include <vector>

#include "unit/tidy/source.h"

namespace outrigger::tidy {

using Findings = std::vector<std::string>;

// Dependencies between the rooms of src/ point one way.
Findings check_direction(const Source& source);
// One library, one room.
Findings check_libraries(const Source& source);
// Clocks, randomness, the environment and threads belong to net/ and the mains.
Findings check_bans(const Source& source);
// Quoted includes are files of the tree, a .cpp includes its own header first, and a header has its guard. `paths`: all files.
Findings check_includes(const Source& source, const std::set<std::string>& paths);
// No file is longer than anybody wants to read, and none is left half-finished.
Findings check_size(const Source& source);

}  // namespace outrigger::tidy
