// What inside a message asks something of a target or binds the request to its provider (Needs). Used while a body is read.
#pragma once

#include <yyjson.h>

#include <string_view>

#include "chat/needs.h"

namespace outrigger::chat {

// A member at any depth of a message that only the provider it came from can read, and that is not empty.
bool binds(std::string_view name, yyjson_val* value);

// By its `type`: a content part that is not text.
void note_part(Needs& needs, std::string_view type);

// "scheme://" of a place that only one provider can look into.
bool is_own_place(std::string_view reference);

// max_tokens and its other names: the largest counts. A text or a negative number asks for nothing.
void note_output_limit(Needs& needs, yyjson_val* value);

void note_response_format(Needs& needs, yyjson_val* value);

}  // namespace outrigger::chat
