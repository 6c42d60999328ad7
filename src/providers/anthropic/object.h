// Writing JSON objects member by member, and values as they were read.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "providers/json_text.h"

namespace outrigger::providers::anthropic {

// The value as compact JSON text; unusual line ends in its strings are escaped, as append_string() does.
void append_json(std::string& to, yyjson_val* value);
std::string json_of(yyjson_val* value);

inline std::string_view name_of(yyjson_val* name) { return {yyjson_get_str(name), yyjson_get_len(name)}; }

// Calls visit(name, value) for each member; does nothing for what is no object.
template <class Visit>
void for_each_member(yyjson_val* object, Visit&& visit) {
  yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) visit(name_of(name), yyjson_obj_iter_get_val(name));
}

// Calls visit(item) for each item; does nothing for what is no list.
template <class Visit>
void for_each_item(yyjson_val* list, Visit&& visit) {
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  while (yyjson_val* item = yyjson_arr_iter_next(&iterator)) visit(item);
}

// Comma-separated members of one object, or the items of one list. Closed when it goes.
class Container {
 public:
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() { to_ += end_; }

 protected:
  Container(std::string& to, char begin, char end) : to_(to), end_(end) { to_ += begin; }
  std::string& next() {
    if (!std::exchange(first_, false)) to_ += ',';
    return to_;
  }

 private:
  std::string& to_;
  char end_;
  bool first_ = true;
};

class Object : public Container {
 public:
  explicit Object(std::string& to) : Container(to, '{', '}') {}

  // Where the value goes. `known` needs no escapes.
  std::string& name(std::string_view known) {
    std::string& to = next();
    to += '"';
    to += known;
    to += "\":";
    return to;
  }
  void string(std::string_view known, std::string_view value) { append_string(name(known), value); }
  void number(std::string_view known, std::uint64_t value) { append_number(name(known), value); }
  void boolean(std::string_view known, bool value) { name(known) += value ? "true" : "false"; }
  void json(std::string_view known, std::string_view value) { name(known) += value; }
  // Names from outside.
  void any(std::string_view any_name, std::string_view json) {
    std::string& to = next();
    append_string(to, any_name);
    to += ':';
    to += json;
  }
  void any(std::string_view any_name, yyjson_val* value) {
    std::string& to = next();
    append_string(to, any_name);
    to += ':';
    append_json(to, value);
  }
  // The text of members, without the braces around them; may be empty.
  void members(std::string_view text) {
    if (!text.empty()) next() += text;
  }
};

class List : public Container {
 public:
  explicit List(std::string& to) : Container(to, '[', ']') {}
  // Where the next item goes.
  std::string& item() { return next(); }
};

}  // namespace outrigger::providers::anthropic
