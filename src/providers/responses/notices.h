// What the proxy itself says in this dialect: errors inside a stream, and the operator's fixed words. Errors as a body are
// OpenAI's (openai/notices.h).
#pragma once

#include <string>
#include <string_view>

#include "providers/saying.h"

namespace outrigger::providers::responses {

std::string error_event(const ErrorSaid& error, std::size_t events);

// A response object, as a body or inside an event. All that has no value here says what the provider says when nobody asked.
struct ObjectSaid {
  std::string_view id;
  std::int64_t created = 0;
  std::string_view model;
  std::string_view status;
  std::string_view incomplete;  // the reason; empty: none
  std::string_view output;      // JSON
  std::string_view usage;       // JSON
};
void append_response(std::string& to, const ObjectSaid& said);

// A blocking answer that says `text`.
std::string answer_body(std::string_view model, std::string_view text);

}  // namespace outrigger::providers::responses
