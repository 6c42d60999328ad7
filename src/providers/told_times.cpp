#include "providers/told_times.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace outrigger::providers {
namespace {

constexpr double k_epoch_seconds_min = 1e8;  // 1973; as a length of time it would be three years
constexpr double k_epoch_millis_min = 1e11;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<Duration> in_range(double seconds) {
  if (!(seconds >= 0) || seconds > std::chrono::duration<double>(k_told_max).count()) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// Digits with at most one point among them, taken off the front of `text`.
std::optional<double> take_number(std::string_view& text) {
  std::size_t size = 0;
  for (bool point = false; size < text.size() && (is_digit(text[size]) || (text[size] == '.' && !point)); ++size) {
    point = point || text[size] == '.';
  }
  // The point may end the sentence.
  if (size > 0 && text[size - 1] == '.') --size;
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + size, number, std::chars_format::fixed);
  if (size == 0 || !is_digit(text[0]) || problem != std::errc() || end != text.data() + size) return std::nullopt;
  text.remove_prefix(size);
  return number;
}

std::optional<double> read_number(std::string_view text) {
  text = trimmed(text);
  const std::optional<double> number = take_number(text);
  return text.empty() ? number : std::nullopt;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct Unit {
  std::string_view name;
  double seconds;
};
// Longer names first where one begins like another.
constexpr std::array k_units{Unit{"ms", 1e-3}, Unit{"µs", 1e-6}, Unit{"us", 1e-6}, Unit{"ns", 1e-9},
                             Unit{"d", 86400}, Unit{"h", 3600},  Unit{"m", 60},    Unit{"s", 1}};

const Unit* take_unit(std::string_view& text) {
  for (const Unit& unit : k_units) {
    if (take(text, unit.name)) return &unit;
  }
  return nullptr;
}

// As much of a duration as stands at the front of `text`.
std::optional<double> take_duration(std::string_view& text) {
  std::optional<double> sum;
  while (!text.empty() && is_digit(text[0])) {
    const std::string_view before = text;
    const std::optional<double> number = take_number(text);
    const Unit* unit = number ? take_unit(text) : nullptr;
    if (unit == nullptr) {
      text = before;
      break;
    }
    sum = sum.value_or(0) + *number * unit->seconds;
  }
  return sum;
}

std::optional<int> take_int(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int number = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return number;
}

std::optional<WallTime> make_time(int year, int month, int day, int hour, int minute, int second) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

// Three numbers of two digits with `:` between them.
struct TimeOfDay {
  int hour, minute, second;
};
std::optional<TimeOfDay> take_time_of_day(std::string_view& text) {
  const std::optional<int> hour = take_int(text, 2);
  if (!hour || !take(text, ":")) return std::nullopt;
  const std::optional<int> minute = take_int(text, 2);
  if (!minute || !take(text, ":")) return std::nullopt;
  const std::optional<int> second = take_int(text, 2);
  if (!second) return std::nullopt;
  return TimeOfDay{*hour, *minute, *second};
}

// "Z", "+08:00", "-0500".
std::optional<std::chrono::minutes> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  const bool west = text.starts_with('-');
  if (!west && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int> hours = take_int(text, 2);
  take(text, ":");
  const std::optional<int> minutes = take_int(text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return west ? -offset : offset;
}

std::optional<Duration> until(WallTime then, WallTime now) {
  const auto millis = static_cast<double>((then - now).count());
  return in_range(std::max(millis, 0.0) / 1000);
}

}  // namespace

std::optional<Duration> read_duration(std::string_view text) {
  text = trimmed(text);
  const std::optional<double> sum = take_duration(text);
  return sum && text.empty() ? in_range(*sum) : std::nullopt;
}

std::optional<Duration> read_seconds(std::string_view text) {
  const std::optional<double> number = read_number(text);
  return number ? in_range(*number) : std::nullopt;
}

std::optional<Duration> read_millis(std::string_view text) {
  const std::optional<double> number = read_number(text);
  return number ? in_range(*number / 1000) : std::nullopt;
}

std::optional<WallTime> read_rfc3339(std::string_view text) {
  text = trimmed(text);
  const std::optional<int> year = take_int(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const std::optional<int> month = take_int(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const std::optional<int> day = take_int(text, 2);
  if (!day || text.empty() || (text[0] != 'T' && text[0] != 't' && text[0] != ' ')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<TimeOfDay> time = take_time_of_day(text);
  if (!time) return std::nullopt;
  if (take(text, ".")) text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
  const std::optional<std::chrono::minutes> offset = read_offset(text);
  const std::optional<WallTime> local = make_time(*year, *month, *day, time->hour, time->minute, time->second);
  return offset && local ? std::optional(*local - *offset) : std::nullopt;
}

std::optional<WallTime> read_http_date(std::string_view text) {
  static constexpr std::string_view k_months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  text = trimmed(text);
  const std::size_t comma = text.find(", ");
  if (comma != 3) return std::nullopt;
  text.remove_prefix(5);
  const std::optional<int> day = take_int(text, 2);
  if (!day || !take(text, " ") || text.size() < 4) return std::nullopt;
  const std::size_t month = k_months.find(text.substr(0, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  text.remove_prefix(3);
  if (!take(text, " ")) return std::nullopt;
  const std::optional<int> year = take_int(text, 4);
  if (!year || !take(text, " ")) return std::nullopt;
  const std::optional<TimeOfDay> time = take_time_of_day(text);
  if (!time || text != " GMT") return std::nullopt;
  return make_time(*year, static_cast<int>(month / 3) + 1, *day, time->hour, time->minute, time->second);
}

std::optional<Duration> read_retry_after(std::string_view text, WallTime now) {
  if (const std::optional<Duration> length = read_seconds(text)) return length;
  const std::optional<WallTime> date = read_http_date(text);
  return date && *date > now ? until(*date, now) : std::nullopt;
}

std::optional<Duration> read_reset(std::string_view text, WallTime now) {
  if (const std::optional<Duration> length = read_duration(text)) return length;
  if (const std::optional<double> number = read_number(text)) {
    if (*number < k_epoch_seconds_min) return in_range(*number);
    const double then = *number < k_epoch_millis_min ? *number * 1000 : *number;
    return in_range(std::max(then - static_cast<double>(unix_millis(now)), 0.0) / 1000);
  }
  const std::optional<WallTime> date = read_rfc3339(text);
  return date ? until(*date, now) : std::nullopt;
}

std::optional<Duration> read_retry_hint(std::string_view sentence) {
  static constexpr std::array<std::string_view, 4> k_leads{"try again in ", "retry in ", "retry after ", "try again after "};
  for (const std::string_view lead : k_leads) {
    const std::size_t at = sentence.find(lead);
    if (at == std::string_view::npos) continue;
    std::string_view rest = sentence.substr(at + lead.size());
    std::string_view of_duration = rest;
    // "2 minutes" is no duration, "6m0s" is.
    if (const std::optional<double> sum = take_duration(of_duration)) return in_range(*sum);
    const std::optional<double> number = take_number(rest);
    if (!number) continue;
    take(rest, " ");
    if (rest.starts_with("sec")) return in_range(*number);
    if (rest.starts_with("milli")) return in_range(*number / 1000);
    if (rest.starts_with("min")) return in_range(*number * 60);
    if (rest.starts_with("hour")) return in_range(*number * 3600);
  }
  return std::nullopt;
}

}  // namespace outrigger::providers
