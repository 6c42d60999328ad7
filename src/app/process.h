// The process as the operating system sees it.
#pragma once

#include <cstdint>
#include <string>

namespace outrigger::app {

// A warning when `open_files`, the limit of this process, cannot carry `connections` clients, each with a connection upstream;
// else nothing.
std::string open_files_warning(std::uint64_t open_files, std::uint64_t connections);

std::uint64_t resident_bytes();

}  // namespace outrigger::app
