// Words and numbers as Redis reads them in commands.
#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace outrigger::sim {

inline std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

template <class Integer = std::int64_t>
std::optional<Integer> number(std::string_view text) {
  Integer value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A span of seconds, or of milliseconds. Nothing: not a number, or too far away for any clock.
inline std::optional<Duration> span_of(std::string_view text, bool millis) {
  // A quarter of what Duration holds, so that it can be added to any time.
  constexpr std::int64_t k_millis_max = std::numeric_limits<Duration::rep>::max() / 4'000'000;
  const std::int64_t most = millis ? k_millis_max : k_millis_max / 1000;
  const auto value = number(text);
  if (!value || *value > most || *value < -most) return std::nullopt;
  return millis ? Duration(std::chrono::milliseconds(*value)) : Duration(std::chrono::seconds(*value));
}

}  // namespace outrigger::sim
