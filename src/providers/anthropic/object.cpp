#include "providers/anthropic/object.h"

#include <cstdlib>
#include <memory>

#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

// The escape of the unusual line end at the front of `text`; empty when there is none.
std::string_view line_end_escape(std::string_view text) {
  if (text.starts_with("\xc2\x85")) return "\\u0085";
  if (text.starts_with("\xe2\x80\xa8")) return "\\u2028";
  if (text.starts_with("\xe2\x80\xa9")) return "\\u2029";
  return {};
}

// Outside of strings JSON has none of these bytes, and inside of them an escape says the same.
void append_escaped(std::string& to, std::string_view json) {
  std::size_t plain = 0;  // where what is not yet written begins
  for (std::size_t at = json.find_first_of("\xc2\xe2"); at != json.npos; at = json.find_first_of("\xc2\xe2", at + 1)) {
    const std::string_view escape = line_end_escape(json.substr(at));
    if (escape.empty()) continue;
    to.append(json, plain, at - plain);
    to += escape;
    plain = at + (json[at] == '\xc2' ? 2 : 3);
  }
  to.append(json, plain);
}

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
  append_escaped(to, {text.get(), size});
}

std::string json_of(yyjson_val* value) {
  std::string text;
  append_json(text, value);
  return text;
}

}  // namespace outrigger::providers::anthropic
