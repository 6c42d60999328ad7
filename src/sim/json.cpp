#include "sim/json.h"

#include <fmt/format.h>

#include <iterator>

namespace outrigger::sim_provider {

Json parse_json(std::string_view text) { return Json(yyjson_read(text.data(), text.size(), YYJSON_READ_NOFLAG)); }

std::string_view text_of(yyjson_val* value) {
  if (!yyjson_is_str(value)) return {};
  return {yyjson_get_str(value), yyjson_get_len(value)};
}

std::string_view text_at(yyjson_val* object, const char* key) { return text_of(yyjson_obj_get(object, key)); }

void append_quoted(std::string& to, std::string_view text) {
  to += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        to += "\\\"";
        break;
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      case '\t':
        to += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          to += c;
        }
    }
  }
  to += '"';
}

std::string json_quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

// yyjson refuses invalid UTF-8 inside a string, overlong forms and surrogates included.
bool is_utf8(std::string_view text) { return parse_json(json_quoted(text)) != nullptr; }

}  // namespace outrigger::sim_provider
