// Shape: what is particular to the request bodies of one endpoint. The members that all of them have, or that are only kept, stand
// in fields.h; a Shape says which member asks, and how the members are read whose content has a structure of its own.
// A Shape is a constant; the dialect that an endpoint belongs to has it.
#pragma once

#include <yyjson.h>

#include <span>
#include <string_view>

#include "chat/endpoint.h"
#include "chat/fields.h"
#include "core/policy.h"

namespace outrigger::chat {

class Reading;

// A member that this endpoint does not treat as fields.h says.
struct OwnMember {
  // Writes the value to the form. False: the reading has come to its end (see Reading).
  using Read = bool (*)(Reading&, yyjson_val* value);

  std::string_view name;
  Field field = Field::plain;  // as in fields.h, if there is no `read`
  Read read = nullptr;
  bool asks = false;  // a body with none of those that ask is not understood
  // Null is the same as absent, as for every member that fields.h knows.
};

struct Shape {
  Endpoint endpoint = Endpoint::other;
  std::span<const OwnMember> own;
  // After the last member, with the whole body at hand; null: nothing is left to do.
  bool (*finish)(Reading&, std::string_view body) = nullptr;
  bool needs_model = true;          // a body without one is not understood
  Level highest = Level::synonyms;  // where a text is not a question, `safe`
};

// OpenAI's three older endpoints.
extern const Shape k_chat_shape;
extern const Shape k_completions_shape;
extern const Shape k_embeddings_shape;

}  // namespace outrigger::chat
