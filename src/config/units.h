// Durations ("20ms", "10m", "7d") and sizes ("32KiB", "20MB") as text. A number always comes with its unit; only 0 needs none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace outrigger::config {

// nullopt: `hint` is what to write instead, a clause such as `write "10m"`.
std::optional<Duration> parse_duration(std::string_view text, std::string& hint);
std::optional<std::uint64_t> parse_size(std::string_view text, std::string& hint);

// In the largest unit that leaves no fraction: "10m", "90s", "32KiB". What parse_* reads back to the same value (durations:
// to the millisecond, the smallest unit that the configuration has).
std::string format_duration(Duration duration);
std::string format_size(std::uint64_t bytes);

}  // namespace outrigger::config
