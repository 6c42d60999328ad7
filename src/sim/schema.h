// The smallest values that fit a JSON schema. Pure.
#pragma once

#include <yyjson.h>

#include <string>
#include <string_view>

namespace outrigger::sim_provider {

// A value for `schema`, in JSON; where it asks for free text, that is `text`. Follows local $ref, the first of anyOf, oneOf
// and allOf, enum, const, the lengths of arrays and texts, the bounds of numbers; what is nested too deeply becomes null.
std::string example_of(yyjson_val* schema, std::string_view text);

// The same for a tool's parameters, which are always an object.
std::string example_arguments(yyjson_val* parameters, std::string_view text);

}  // namespace outrigger::sim_provider
