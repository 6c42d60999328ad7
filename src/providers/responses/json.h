// The few questions that this dialect asks of a JSON value besides json_doc.h's.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <string_view>

#include "providers/json_doc.h"

namespace outrigger::providers::responses {

// Calls visit(index, value) for each element of an array.
template <class Visit>
void each(yyjson_val* list, Visit&& visit) {
  std::uint32_t index = 0;
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  while (yyjson_val* one = yyjson_arr_iter_next(&iterator)) visit(index++, one);
}

// Calls visit(name, value) for each member, until it returns false; so does this then.
template <class Visit>
bool each_member(yyjson_val* object, Visit&& visit) {
  yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
    if (!visit(*string_of(name), yyjson_obj_iter_get_val(name))) return false;
  }
  return true;
}

}  // namespace outrigger::providers::responses
