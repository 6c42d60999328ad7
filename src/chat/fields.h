// What each top-level member of a request body means to the cache. A name that is not in the table is kept as it stands: an
// unknown field may change the answer, so it costs a hit rather than giving a wrong one.
#pragma once

#include <string_view>

namespace outrigger::chat {

enum class Field : unsigned char {
  unknown,  // kept, a null too
  plain,    // kept; null is the same as absent
  number,   // kept, folded to an exact decimal; null is the same as absent
  dropped,  // says who asks or how to deliver; no part of the key
  // Dropped, and read:
  user,  // user, user_id, safety_identifier
  metadata,
  stream,
  stream_options,
  // Kept, and read:
  model,
  temperature,   // number
  answers,       // n, best_of: number
  logprobs,      // number for completions; what is none stays what it is
  output_limit,  // max_tokens and its other names: number
  tools,         // as OpenAI's chat completions write them
  functions,     // what tools were called before
  response_format,
  modalities,
  audio,
  hosted,  // anything but null, false and an empty list brings in the world
  state,   // anything but null and false refers to what the provider has stored
};

Field field_named(std::string_view name);

// A model that searches the web by itself, whatever the request says.
bool is_searching_model(std::string_view model);

}  // namespace outrigger::chat
