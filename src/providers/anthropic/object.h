// Values of JSON, written as they were read, and visits to the members of objects and lists.
#pragma once

#include <yyjson.h>

#include <string>
#include <string_view>

#include "providers/json_object.h"

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

using Object = JsonObject;
using List = JsonList;
inline void append_member(Object& to, std::string_view any_name, yyjson_val* value) {
  append_json(to.any_name(any_name), value);
}

}  // namespace outrigger::providers::anthropic
