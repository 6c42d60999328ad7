#include "obs/trace_context.h"

#include <algorithm>
#include <cmath>

namespace outrigger::obs {
namespace {

constexpr std::size_t k_traceparent = 55;  // of version 00
constexpr std::size_t k_tracestate = 512;
constexpr int k_tracestate_members = 32;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;  // capitals are not allowed
}

// Exactly all of `text`, at most 16 digits.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    const int bits = digit(c);
    if (bits < 0) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(bits);
  }
  return value;
}

void append_hex(std::string& out, std::uint64_t value, int digits) {
  constexpr std::string_view k_digits = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; --i) out += k_digits[value >> (4 * i) & 15];
}

bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

// key=value. A value has neither a comma nor `=`, and no control characters.
bool is_member(std::string_view member) {
  const std::size_t equals = member.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  const std::string_view value = member.substr(equals + 1);
  return std::ranges::all_of(member.substr(0, equals), is_key_letter) && !value.empty() &&
         std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string hex(const TraceId& id) {
  std::string text;
  append_hex(text, id.high, 16);
  append_hex(text, id.low, 16);
  return text;
}

std::string hex(std::uint64_t span) {
  std::string text;
  append_hex(text, span, 16);
  return text;
}

std::optional<SpanContext> parse_traceparent(std::string_view text) {
  if (text.size() < k_traceparent || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const auto version = number(text.substr(0, 2));
  const auto high = number(text.substr(3, 16));
  const auto low = number(text.substr(19, 16));
  const auto span = number(text.substr(36, 16));
  const auto flags = number(text.substr(53, 2));
  if (!version || *version == 0xff || !high || !low || !span || !flags) return std::nullopt;
  // What a later version adds stands behind a dash.
  const bool is_longer = text.size() > k_traceparent;
  if (is_longer && (*version == 0 || text[k_traceparent] != '-')) return std::nullopt;
  const SpanContext context{
      {*high, *low}, *span, static_cast<std::uint8_t>(*flags & (SpanContext::k_sampled | SpanContext::k_random))};
  return context.is_valid() ? std::optional(context) : std::nullopt;
}

std::string format_traceparent(const SpanContext& context) {
  std::string text = "00-";
  append_hex(text, context.trace.high, 16);
  append_hex(text, context.trace.low, 16);
  text += '-';
  append_hex(text, context.span, 16);
  text += '-';
  append_hex(text, context.flags, 2);
  return text;
}

bool is_tracestate(std::string_view text) {
  if (text.size() > k_tracestate) return false;
  int members = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view member = trimmed(text.substr(at, comma - at));
    at = comma + 1;
    if (member.empty()) continue;  // allowed
    if (!is_member(member) || ++members > k_tracestate_members) return false;
  }
  return members > 0;
}

bool keeps(const TraceId& trace, double ratio) {
  if (ratio >= 1) return true;
  constexpr double k_all = 9223372036854775808.0;  // 2^63
  return static_cast<double>(trace.low & 0x7fffffffffffffffULL) < ratio * k_all;
}

}  // namespace outrigger::obs
