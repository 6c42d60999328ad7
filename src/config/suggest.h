// "Did you mean": the known word that a mistyped one is closest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace outrigger::config {

// How many letters were left out, added, replaced, or swapped with their neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view left, std::string_view right);

// Empty: none is close enough to be worth naming.
std::string_view closest(std::string_view word, std::span<const std::string_view> known);

// " (did you mean `x`?)", or empty.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace outrigger::config
