#include "config/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace outrigger::config {
namespace {

struct Unit {
  std::string_view name;
  double factor;  // nanoseconds or bytes
};

constexpr std::array k_time_units{Unit{"d", 86400e9}, Unit{"h", 3600e9}, Unit{"m", 60e9}, Unit{"s", 1e9}, Unit{"ms", 1e6}};
constexpr std::array k_size_units{Unit{"GiB", 0x1p30}, Unit{"MiB", 0x1p20}, Unit{"KiB", 0x1p10}, Unit{"GB", 1e9},
                                  Unit{"MB", 1e6},     Unit{"KB", 1e3},     Unit{"B", 1}};

// What people write instead, in lower case, and the unit that they mean.
struct Alias {
  std::string_view written, meant;
};
constexpr std::array k_time_aliases{
    Alias{"ms", "ms"}, Alias{"msec", "ms"}, Alias{"millis", "ms"}, Alias{"millisecond", "ms"}, Alias{"milliseconds", "ms"},
    Alias{"s", "s"},   Alias{"sec", "s"},   Alias{"secs", "s"},    Alias{"second", "s"},       Alias{"seconds", "s"},
    Alias{"m", "m"},   Alias{"min", "m"},   Alias{"mins", "m"},    Alias{"minute", "m"},       Alias{"minutes", "m"},
    Alias{"h", "h"},   Alias{"hr", "h"},    Alias{"hrs", "h"},     Alias{"hour", "h"},         Alias{"hours", "h"},
    Alias{"d", "d"},   Alias{"day", "d"},   Alias{"days", "d"},    Alias{"毫秒", "ms"},        Alias{"秒", "s"},
    Alias{"分", "m"},  Alias{"分钟", "m"},  Alias{"小时", "h"},    Alias{"天", "d"},
};
constexpr std::array k_size_aliases{
    Alias{"b", "B"},     Alias{"byte", "B"}, Alias{"bytes", "B"}, Alias{"k", "KiB"},   Alias{"ki", "KiB"},
    Alias{"kib", "KiB"}, Alias{"kb", "KB"},  Alias{"m", "MiB"},   Alias{"mi", "MiB"},  Alias{"mib", "MiB"},
    Alias{"mb", "MB"},   Alias{"g", "GiB"},  Alias{"gi", "GiB"},  Alias{"gib", "GiB"}, Alias{"gb", "GB"},
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// The digits in front, with at most one point: "1.5" of "1.5h".
std::string_view number_part(std::string_view text) {
  std::size_t length = 0;
  bool point = false;
  while (length < text.size() && ((text[length] >= '0' && text[length] <= '9') || (text[length] == '.' && !point))) {
    point = point || text[length] == '.';
    ++length;
  }
  return text.substr(0, length);
}

template <std::size_t N>
const Unit* unit_named(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

template <std::size_t N>
std::string_view meant(const std::array<Alias, N>& aliases, std::string_view written) {
  for (const Alias& alias : aliases) {
    if (alias.written == written) return alias.meant;
  }
  return {};
}

// The value in the smallest unit, rounded; nullopt with a hint.
template <std::size_t N, std::size_t M>
std::optional<double> parse(std::string_view text, const std::array<Unit, N>& units, const std::array<Alias, M>& aliases,
                            std::string_view units_hint, double limit, std::string& hint) {
  if (text == "0") return 0;
  const std::string_view digits = number_part(text);
  double number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    hint = fmt::format("write a number with a unit, {}", units_hint);
    return std::nullopt;
  }
  const Unit* unit = unit_named(units, text.substr(digits.size()));
  if (unit == nullptr) {
    const std::string_view alias = meant(aliases, lower(trim(text.substr(digits.size()))));
    hint = alias.empty() ? fmt::format("write a number with a unit, {}", units_hint)
                         : fmt::format("write \"{}{}\"", digits, alias);
    return std::nullopt;
  }
  const double value = std::round(number * unit->factor);
  if (value > limit) {
    hint = "write a smaller number";
    return std::nullopt;
  }
  return value;
}

constexpr std::string_view k_time_hint = R"(one of ms, s, m, h or d, such as "10m")";
constexpr std::string_view k_size_hint = R"(one of B, KiB, MiB, GiB, KB, MB or GB, such as "1MiB")";

}  // namespace

std::optional<Duration> parse_duration(std::string_view text, std::string& hint) {
  // 100 years: far above every limit, far below the 292 years at which Duration ends.
  constexpr double limit = 100 * 365 * 86400e9;
  const auto value = parse(text, k_time_units, k_time_aliases, k_time_hint, limit, hint);
  if (!value) return std::nullopt;
  return Duration(static_cast<Duration::rep>(*value));
}

std::optional<std::uint64_t> parse_size(std::string_view text, std::string& hint) {
  constexpr double limit = 0x1p50;  // 1 PiB, below 2^53: every whole number of bytes is exact
  const auto value = parse(text, k_size_units, k_size_aliases, k_size_hint, limit, hint);
  if (!value) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::string format_duration(Duration duration) {
  const auto nanoseconds = duration.count();
  for (const Unit& unit : k_time_units) {
    const auto factor = static_cast<Duration::rep>(unit.factor);
    // Below two days, hours read better: "24h".
    if (unit.name == "d" && nanoseconds < 2 * factor) continue;
    if (nanoseconds != 0 && nanoseconds % factor == 0) return fmt::format("{}{}", nanoseconds / factor, unit.name);
  }
  if (nanoseconds == 0) return "0s";
  return fmt::format("{}ms", static_cast<double>(nanoseconds) / 1e6);
}

std::string format_size(std::uint64_t bytes) {
  for (const Unit& unit : k_size_units) {
    const auto factor = static_cast<std::uint64_t>(unit.factor);
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, unit.name);
  }
  return "0B";
}

}  // namespace outrigger::config
