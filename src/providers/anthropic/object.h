// Values of JSON, written as they were read.
#pragma once

#include <yyjson.h>

#include <string>
#include <string_view>

#include "providers/json_doc.h"
#include "providers/json_object.h"

namespace outrigger::providers::anthropic {

// The value as compact JSON text; unusual line ends in its strings are escaped, as append_string() does.
void append_json(std::string& to, yyjson_val* value);
std::string json_of(yyjson_val* value);

using Object = JsonObject;
using List = JsonList;
inline void append_member(Object& to, std::string_view any_name, yyjson_val* value) {
  append_json(to.any_name(any_name), value);
}

}  // namespace outrigger::providers::anthropic
