// The forms in which Dify gives an answer: one JSON body, or the events of a stream, as its service API writes them (Dify 1.12
// to 1.17). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "sim/dify/settings.h"

namespace outrigger::sim_dify {

// A run and what it says.
struct Answer {
  const App* app = nullptr;
  std::string task_id, message_id, conversation_id, run_id, workflow_id, user_id;
  std::string query, inputs = "{}";  // inputs: JSON
  std::string text;
  std::vector<std::string_view> tokens;  // of `text`
  std::uint64_t prompt_tokens = 0;
  std::string source;        // what was retrieved, as `retriever_resources` tells it
  std::int64_t created = 0;  // Unix seconds
  Duration length{};         // from the first byte of the request to the end
  bool fails = false;        // the model's provider refused
};

struct Event {
  std::string json;
  bool token = false;  // carries a piece of the answer, which took its time
};

// When the run fails, only a workflow's has a body; the others are errors.
std::string blocking_body(const Answer& answer);

// In their order, to the end. A run that fails does so after `fails_after` tokens.
std::vector<Event> stream_events(const Answer& answer, std::uint64_t fails_after);
// What a stream that was stopped ends with.
std::vector<Event> stopped_events(const Answer& answer);
// The `error` event; it has no task_id, and HTTP stays 200.
std::string error_event(const Answer& answer, int status, std::string_view code, std::string_view message);

// The details of a workflow's run: GET /workflows/run/{id}.
std::string run_detail(const Answer& answer);

// What Dify tells of a provider that failed.
inline constexpr std::string_view k_provider_failure =
    "[openai_api_compatible] Server Unavailable Error, API request failed with status code 503: overloaded";

}  // namespace outrigger::sim_dify
