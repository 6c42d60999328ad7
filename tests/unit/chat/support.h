// What the tests of this room share: a body's canonical form, and whether two bodies share an answer.
#pragma once

#include <string>
#include <string_view>

#include "chat/request.h"

namespace outrigger::chat::test {

inline std::string form(std::string_view body, Level level = Level::safe, Endpoint endpoint = Endpoint::chat_completions) {
  return understand(endpoint, body, level).canonical;
}

// Neither is refused as unreadable, and their forms are equal.
inline bool same(std::string_view a, std::string_view b, Level level = Level::safe,
                 Endpoint endpoint = Endpoint::chat_completions) {
  const std::string one = form(a, level, endpoint);
  return !one.empty() && one == form(b, level, endpoint);
}

// Both are readable and they do not share.
inline bool differ(std::string_view a, std::string_view b, Level level = Level::safe,
                   Endpoint endpoint = Endpoint::chat_completions) {
  const std::string one = form(a, level, endpoint);
  const std::string other = form(b, level, endpoint);
  return !one.empty() && !other.empty() && one != other;
}

inline std::string reason(std::string_view body, Endpoint endpoint = Endpoint::chat_completions) {
  const auto bypass = understand(endpoint, body, Level::safe).bypass;
  return bypass ? std::string(name(*bypass)) : "";
}

inline std::string json_quoted(std::string_view text) {
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      out += "\\u00";
      out += k_digits[byte >> 4];
      out += k_digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// A chat request with one user message.
inline std::string ask(std::string_view text, std::string_view more = "") {
  return R"({"model":"m","messages":[{"role":"user","content":)" + json_quoted(text) + "}]" + std::string(more) + "}";
}

}  // namespace outrigger::chat::test
