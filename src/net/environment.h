// What the process was started with and may use. The only place that reads the environment.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace outrigger::net {

std::map<std::string, std::string, std::less<>> environment();

// Standard input, output and error that whoever started the process has closed lead to /dev/null from now on: else whatever is
// opened next takes their numbers, and lines for people go into it. To be called first.
void keep_standard_descriptors();

// Lifts the soft limit of open files to the hard one; returns what holds now. Each connection costs one, an upstream's too.
std::uint64_t raise_open_files_limit();

}  // namespace outrigger::net
