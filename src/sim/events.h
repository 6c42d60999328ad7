// A stream's events before they are framed and spoiled. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace outrigger::sim_provider {

// Whose shapes an endpoint speaks.
enum class Wire : unsigned char { openai, responses, anthropic, jina, cohere, gemini, ollama };

struct StreamEvent {
  std::string name;  // of its `event:` line; empty: it has none
  std::string json;
  bool token = false;  // costs the pace between two tokens
  bool opens = false;  // begins what the next token belongs to
};

struct Stream {
  Wire wire = Wire::openai;
  std::vector<StreamEvent> events;
  // What says that the answer is whole: [DONE], message_stop, response.completed.
  std::optional<StreamEvent> done;
  bool as_array = false;  // no events but the members of one JSON array
};

}  // namespace outrigger::sim_provider
