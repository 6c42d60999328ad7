#include "providers/json_text.h"

#include <array>
#include <charconv>
#include <cstring>

namespace outrigger::providers {
namespace {

// Bytes at which a run of plain text may have to stop: quotes, backslashes, controls, and the first bytes of U+0085 and U+2028.
constexpr std::array<bool, 256> k_stops = [] {
  std::array<bool, 256> stops{};
  for (std::size_t i = 0; i < 0x20; ++i) stops[i] = true;
  stops['"'] = stops['\\'] = stops[0xc2] = stops[0xe2] = true;
  return stops;
}();

using Signed16 = signed char __attribute__((vector_size(16)));
using Words2 = unsigned long long __attribute__((vector_size(16)));
constexpr std::size_t k_lanes = 16;

// Past whole vectors of ASCII without a stop; text of other letters is for the table.
std::size_t after_plain_vectors(std::string_view text, std::size_t at) {
  for (; at + k_lanes <= text.size(); at += k_lanes) {
    Signed16 here;
    std::memcpy(&here, text.data() + at, k_lanes);
    const auto stops = reinterpret_cast<Words2>((here < 0x20) | (here == '"') | (here == '\\'));
    if ((stops[0] | stops[1]) != 0) break;
  }
  return at;
}

constexpr std::string_view k_hex = "0123456789abcdef";

void append_control(std::string& to, unsigned char byte) {
  switch (byte) {
    case '"':
      to += "\\\"";
      return;
    case '\\':
      to += "\\\\";
      return;
    case '\n':
      to += "\\n";
      return;
    case '\r':
      to += "\\r";
      return;
    case '\t':
      to += "\\t";
      return;
    default:
      to += "\\u00";
      to += k_hex[byte >> 4];
      to += k_hex[byte & 15];
  }
}

// The escape of the unusual line end that `rest` begins with; empty when it begins with none.
std::string_view line_end_escape(std::string_view rest) {
  if (rest.starts_with("\xc2\x85")) return "\\u0085";
  if (rest.starts_with("\xe2\x80\xa8")) return "\\u2028";
  if (rest.starts_with("\xe2\x80\xa9")) return "\\u2029";
  return {};
}

}  // namespace

void append_string(std::string& to, std::string_view text) {
  to += '"';
  std::size_t plain = 0;    // where the run that is not yet written begins
  std::size_t vectors = 0;  // where it is worth trying whole vectors again
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i >= vectors) {
      i = after_plain_vectors(text, i);
      if (i == text.size()) break;
      vectors = i + k_lanes;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!k_stops[byte]) continue;
    if (byte < 0x80) {
      to.append(text, plain, i - plain);
      append_control(to, byte);
    } else {
      const std::string_view escape = line_end_escape(text.substr(i));
      if (escape.empty()) continue;
      to.append(text, plain, i - plain);
      to += escape;
      i += byte == 0xc2 ? 1 : 2;
    }
    plain = i + 1;
  }
  to.append(text, plain);
  to += '"';
}

void append_number(std::string& to, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  to.append(digits.data(), result.ptr);
}

}  // namespace outrigger::providers
