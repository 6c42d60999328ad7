#include "providers/anthropic/object.h"

#include <array>
#include <cstdlib>
#include <memory>

#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

struct LineEnd {
  std::string_view bytes, escape;
};
constexpr std::array k_line_ends{LineEnd{"\xc2\x85", "\\u0085"}, LineEnd{"\xe2\x80\xa8", "\\u2028"},
                                 LineEnd{"\xe2\x80\xa9", "\\u2029"}};

}  // namespace

void append_json(std::string& to, yyjson_val* value) {
  if (const auto text = string_of(value)) return append_string(to, *text);
  if (const auto number = number_of(value)) {
    to += *number;
    return;
  }
  std::size_t size = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &size), &std::free);
  if (!text) {
    to += "null";
    return;
  }
  // Outside of strings JSON has none of these bytes, and inside of them an escape says the same.
  std::size_t at = to.size();
  to.append(text.get(), size);
  for (const auto& [bytes, escape] : k_line_ends) {
    for (std::size_t found = to.find(bytes, at); found != std::string::npos; found = to.find(bytes, found)) {
      to.replace(found, bytes.size(), escape);
    }
  }
}

std::string json_of(yyjson_val* value) {
  std::string text;
  append_json(text, value);
  return text;
}

}  // namespace outrigger::providers::anthropic
