// What the process was started with and may use. The only place that reads the environment.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace outrigger::net {

std::map<std::string, std::string, std::less<>> environment();

// Lifts the soft limit of open files to the hard one; returns what holds now. Each connection costs one, an upstream's too.
std::uint64_t raise_open_files_limit();

}  // namespace outrigger::net
