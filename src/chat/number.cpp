#include "chat/number.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace outrigger::chat {
namespace {

constexpr std::size_t k_max_digits = 40;  // a double has 17; a 128-bit integer 39
constexpr std::size_t k_max_exponent_digits = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Decimal::Decimal(std::string_view token) : text_(token) {
  const bool negative = token.front() == '-';
  char digits[k_max_digits];
  std::size_t count = 0;
  long exponent = 0;
  bool after_point = false;
  std::size_t at = negative ? 1 : 0;
  for (; at < token.size() && (is_digit(token[at]) || token[at] == '.'); ++at) {
    if (token[at] == '.') {
      after_point = true;
      continue;
    }
    if (after_point) --exponent;
    if (count == 0 && token[at] == '0') continue;
    if (count == k_max_digits) return;
    digits[count++] = token[at];
  }
  if (at < token.size()) {  // at the e
    std::string_view power = token.substr(at + 1);
    if (power.front() == '+') power.remove_prefix(1);
    if (power.size() > k_max_exponent_digits) return;
    long written = 0;
    std::from_chars(power.data(), power.data() + power.size(), written);
    exponent += written;
  }
  for (; count > 0 && digits[count - 1] == '0'; --count) ++exponent;
  write(negative, {digits, count}, exponent);
}

// Plain notation where it is short, else the digits with an exponent: one form for each number either way.
void Decimal::write(bool negative, std::string_view digits, long exponent) {
  char* to = buffer_;
  const auto put = [&](std::string_view part) { to = std::copy(part.begin(), part.end(), to); };
  constexpr long k_plain = 9;
  const auto size = static_cast<long>(digits.size());
  if (digits.empty()) {
    put("0");
    text_ = {buffer_, 1};
    return;
  }
  if (negative) put("-");
  if (exponent >= 0 && exponent <= k_plain) {
    put(digits);
    for (long i = 0; i < exponent; ++i) put("0");
  } else if (exponent < 0 && exponent > -size) {
    const auto whole = static_cast<std::size_t>(size + exponent);
    put(digits.substr(0, whole));
    put(".");
    put(digits.substr(whole));
  } else if (exponent < 0 && exponent + size > -k_plain) {
    put("0.");
    for (long i = exponent + size; i < 0; ++i) put("0");
    put(digits);
  } else {
    put(digits);
    put("e");
    to = std::to_chars(to, buffer_ + k_room, exponent).ptr;
  }
  text_ = {buffer_, static_cast<std::size_t>(to - buffer_)};
}

double to_double(std::string_view token) {
  double value = 0;
  const auto result = std::from_chars(token.data(), token.data() + token.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  // from_chars reports both ends of the range alike; a negative exponent is the small one.
  const auto mark = token.find_first_of("eE");
  if (mark != std::string_view::npos && token[mark + 1] == '-') return 0;
  const double infinity = std::numeric_limits<double>::infinity();
  return token.front() == '-' ? -infinity : infinity;
}

bool is_plain_integer(std::string_view token) { return std::all_of(token.begin(), token.end(), is_digit); }

}  // namespace outrigger::chat
