// Errors as each wire has them, in place of an answer and inside a stream. Pure.
#pragma once

#include <string>
#include <string_view>

#include "sim/events.h"
#include "sim/script.h"

namespace outrigger::sim_provider {

struct Problem {
  int status = 400;
  std::string message = {};           // empty: the status' usual words
  std::string param = {}, code = {};  // OpenAI's; empty: null, and the status' usual one
  std::string type = {};              // the other wires' (messages: error.type, Gemini: error.status); empty: the usual one
};

// The body of an error. `request_id`: Anthropic's stands in the body, too.
std::string problem_body(Wire wire, const Problem& problem, std::string_view request_id);
Script answer_error(Wire wire, const Problem& problem, std::string_view request_id = {});

// What a stream says when its answer breaks off.
StreamEvent stream_error(Wire wire);
// Something newer than every client: an event of a type that nobody knows.
StreamEvent unknown_event(Wire wire);

// OpenAI's error object.
std::string error_body(std::string_view message, std::string_view type, std::string_view param, std::string_view code);

}  // namespace outrigger::sim_provider
