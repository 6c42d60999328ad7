#include "sim/schema.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

constexpr int k_max_depth = 12;
constexpr std::uint64_t k_max_items = 8;
constexpr std::uint64_t k_max_text = 4096;
// A schema that refers to itself twice at every level would double with each of them.
constexpr std::size_t k_max_size = 64 << 10;

constexpr std::array k_formats{
    std::pair<std::string_view, std::string_view>{"date-time", "2024-01-01T00:00:00Z"},
    std::pair<std::string_view, std::string_view>{"date", "2024-01-01"},
    std::pair<std::string_view, std::string_view>{"time", "00:00:00Z"},
    std::pair<std::string_view, std::string_view>{"duration", "P1D"},
    std::pair<std::string_view, std::string_view>{"email", "someone@example.com"},
    std::pair<std::string_view, std::string_view>{"hostname", "example.com"},
    std::pair<std::string_view, std::string_view>{"ipv4", "192.0.2.1"},
    std::pair<std::string_view, std::string_view>{"ipv6", "2001:db8::1"},
    std::pair<std::string_view, std::string_view>{"uri", "https://example.com/"},
    std::pair<std::string_view, std::string_view>{"uuid", "00000000-0000-4000-8000-000000000000"},
};

class Example {
 public:
  Example(yyjson_val* root, std::string_view text) : root_(root), text_(text) {}

  void value(yyjson_val* schema, int depth) {
    if (depth > k_max_depth || out_.size() > k_max_size) {
      out_ += "null";
      return;
    }
    if (yyjson_val* fixed = yyjson_obj_get(schema, "const")) return raw(fixed);
    if (yyjson_val* first = yyjson_arr_get_first(yyjson_obj_get(schema, "enum"))) return raw(first);
    if (const std::string_view ref = text_at(schema, "$ref"); ref.starts_with('#')) return value(at(ref), depth + 1);
    for (const char* one_of : {"anyOf", "oneOf", "allOf"}) {
      if (yyjson_val* first = yyjson_arr_get_first(yyjson_obj_get(schema, one_of))) return value(first, depth + 1);
    }
    const std::string_view type = type_of(schema);
    if (type == "object") return object(schema, depth);
    if (type == "array") return array(schema, depth);
    if (type == "number" || type == "integer") return number(schema);
    if (type == "boolean") {
      out_ += "true";
    } else if (type == "null") {
      out_ += "null";
    } else {
      text(schema);
    }
  }

  void object(yyjson_val* schema, int depth) {
    out_ += '{';
    bool first = true;
    yyjson_obj_iter members = yyjson_obj_iter_with(yyjson_obj_get(schema, "properties"));
    while (yyjson_val* key = yyjson_obj_iter_next(&members)) {
      if (!std::exchange(first, false)) out_ += ',';
      append_quoted(out_, text_of(key));
      out_ += ':';
      value(yyjson_obj_iter_get_val(key), depth + 1);
    }
    out_ += '}';
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string_view type_of(yyjson_val* schema) {
    yyjson_val* type = yyjson_obj_get(schema, "type");
    if (yyjson_is_arr(type)) type = yyjson_arr_get_first(type);
    if (yyjson_is_str(type)) return text_of(type);
    if (yyjson_obj_get(schema, "properties") != nullptr) return "object";
    return yyjson_obj_get(schema, "items") != nullptr ? "array" : "string";
  }

  // "#/$defs/place". Names with ~ or % in them are not looked for.
  [[nodiscard]] yyjson_val* at(std::string_view ref) const {
    yyjson_val* found = root_;
    ref.remove_prefix(std::min<std::size_t>(ref.size(), 2));
    while (!ref.empty() && found != nullptr) {
      const std::string_view name = ref.substr(0, ref.find('/'));
      found = yyjson_obj_getn(found, name.data(), name.size());
      ref.remove_prefix(std::min(ref.size(), name.size() + 1));
    }
    return found;
  }

  void raw(yyjson_val* value) {
    char* json = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, nullptr);
    out_ += json == nullptr ? "null" : json;
    std::free(json);
  }

  void array(yyjson_val* schema, int depth) {
    const std::uint64_t items = std::min(yyjson_get_uint(yyjson_obj_get(schema, "minItems")), k_max_items);
    out_ += '[';
    for (std::uint64_t i = 0; i < items; ++i) {
      if (i > 0) out_ += ',';
      value(yyjson_obj_get(schema, "items"), depth + 1);
    }
    out_ += ']';
  }

  void number(yyjson_val* schema) {
    if (yyjson_val* least = yyjson_obj_get(schema, "minimum"); yyjson_is_num(least)) return raw(least);
    if (yyjson_val* above = yyjson_obj_get(schema, "exclusiveMinimum"); yyjson_is_int(above)) {
      out_ += std::to_string(yyjson_get_sint(above) + 1);
      return;
    }
    yyjson_val* most = yyjson_obj_get(schema, "maximum");
    if (yyjson_is_num(most) && yyjson_get_num(most) < 1) return raw(most);
    out_ += '1';
  }

  void text(yyjson_val* schema) {
    for (const auto& [format, example] : k_formats) {
      if (text_at(schema, "format") == format) return append_quoted(out_, example);
    }
    std::string text(text_);
    if (yyjson_val* most = yyjson_obj_get(schema, "maxLength"); yyjson_is_uint(most)) {
      text = shortened(text, yyjson_get_uint(most));
    }
    const std::uint64_t least = std::min(yyjson_get_uint(yyjson_obj_get(schema, "minLength")), k_max_text);
    if (text.size() < least) text.resize(least, '.');
    append_quoted(out_, text);
  }

  yyjson_val* root_;
  std::string_view text_;
  std::string out_;
};

}  // namespace

std::string example_of(yyjson_val* schema, std::string_view text) {
  Example example(schema, text);
  example.value(schema, 0);
  return example.take();
}

std::string example_arguments(yyjson_val* parameters, std::string_view text) {
  Example example(parameters, text);
  example.object(parameters, 0);
  return example.take();
}

}  // namespace outrigger::sim_provider
