// The process as the operating system sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::app {

// A warning when `open_files`, the limit of this process, cannot carry `connections` clients, each with a connection upstream;
// else nothing.
std::string open_files_warning(std::uint64_t open_files, std::uint64_t connections);

// A warning when a cache of `cache_bytes`, and what comes beside it, does not fit into `limit`; else nothing.
std::string memory_warning(std::uint64_t limit, std::uint64_t cache_bytes);

// What this process may use: the least of its control groups' limits, RLIMIT_AS and the machine's memory.
std::uint64_t memory_limit();

// The part of memory_limit() that its control groups say. `self` is /proc/self/cgroup's text; `limit_at` gives the limit of a group
// by its path below /sys/fs/cgroup ("" is the root), or nothing.
std::optional<std::uint64_t> cgroup_limit(std::string_view self,
                                          const std::function<std::optional<std::uint64_t>(const std::string&)>& limit_at);

std::uint64_t resident_bytes();

}  // namespace outrigger::app
