// The process as the operating system sees it.
#pragma once

#include <cstdint>
#include <string>

namespace outrigger::app {

// Raises the soft limit of open files to the hard one. Returns a warning when even that cannot carry `connections` clients,
// each with a connection upstream; else nothing.
std::string raise_descriptor_limit(std::uint64_t connections);

std::uint64_t resident_bytes();

}  // namespace outrigger::app
