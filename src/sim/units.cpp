// Durations and sizes as the settings write them.
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "sim/settings.h"

namespace outrigger::sim_provider {
namespace {

using Unit = std::pair<std::string_view, std::uint64_t>;

// `number` followed by one of `units`; nothing when it does not fit 63 bits.
template <std::size_t n>
std::optional<std::uint64_t> scaled(std::string_view text, const std::array<Unit, n>& units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, factor] : units) {
    if (unit != name) continue;
    const double value = number * static_cast<double>(factor);
    if (value > 9.0e18) return std::nullopt;
    return static_cast<std::uint64_t>(value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Duration> duration_from(std::string_view text) {
  static constexpr std::array<Unit, 6> k_units{
      {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}}};
  const auto value = scaled(text, k_units);
  if (!value) return std::nullopt;
  return Duration(static_cast<Duration::rep>(*value));
}

std::optional<std::uint64_t> size_from(std::string_view text) {
  static constexpr std::array<Unit, 5> k_units{
      {{"", 1}, {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}}};
  return scaled(text, k_units);
}

}  // namespace outrigger::sim_provider
