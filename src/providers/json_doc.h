// A parsed JSON text, and the few questions that the dialects ask of it. Numbers stay the characters that they were, so that
// what is kept is written again as it came. Strict JSON and valid UTF-8 only.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::providers {

class JsonDoc {
 public:
  JsonDoc() = default;
  // root() is null when `text` is not strict JSON. The document owns a copy of the text.
  static JsonDoc read(std::string_view text);
  // Parses inside `text`, which must stay alive and is overwritten: strings and numbers point into it.
  static JsonDoc read_in_place(std::string& text);

  [[nodiscard]] yyjson_val* root() const { return yyjson_doc_get_root(doc_.get()); }

 private:
  struct Free {
    void operator()(yyjson_doc* doc) const { yyjson_doc_free(doc); }
  };
  explicit JsonDoc(yyjson_doc* doc) : doc_(doc) {}
  std::unique_ptr<yyjson_doc, Free> doc_;
};

// Is this JSON of which the end is missing, or nothing at all? For texts that are no JSON in another way: false.
bool ends_early(std::string_view text);

// Null when `object` is not an object or has no such member.
yyjson_val* member(yyjson_val* object, std::string_view name);
std::optional<std::string_view> string_of(yyjson_val* value);
// The characters of a number.
std::optional<std::string_view> number_of(yyjson_val* value);
// 12 and 12.0, not 12.5, -1 or what 64 bits do not hold.
std::optional<std::uint64_t> whole_number_of(yyjson_val* value);
// Absent, null, "", [] and {}.
bool is_nothing(yyjson_val* value);
// The text of a member; empty when there is none.
inline std::string_view text_in(yyjson_val* object, std::string_view name) {
  return string_of(member(object, name)).value_or(std::string_view());
}

// Calls visit(name, value) for each member; does nothing for what is no object.
template <class Visit>
void for_each_member(yyjson_val* object, Visit&& visit) {
  yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
    visit(std::string_view(yyjson_get_str(name), yyjson_get_len(name)), yyjson_obj_iter_get_val(name));
  }
}

// Calls visit(item) for each item; does nothing for what is no list.
template <class Visit>
void for_each_item(yyjson_val* list, Visit&& visit) {
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  while (yyjson_val* item = yyjson_arr_iter_next(&iterator)) visit(item);
}

// The value as compact JSON text.
std::string text_of(yyjson_val* value);

}  // namespace outrigger::providers
