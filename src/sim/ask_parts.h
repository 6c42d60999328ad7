// What reading the wires has in common: saying things into an Ask, and choosing tools. For ask*.cpp alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/ask.h"
#include "sim/json.h"

namespace outrigger::sim_provider {

// A text that belongs to no role.
void say(Ask& ask, std::string_view text);
// A message. "developer" is another word for "system".
void say(Ask& ask, std::string_view role, std::string_view text);
// What is shown beside the text: a picture, a document, a sound. `what` is its URL (a data: URL, if it came in the body), so
// that the same picture is the same on every wire.
void show(Ask& ask, std::string_view what);

// A content is a text, or a list of parts of which the texts count.
std::string content_text(yyjson_val* content);

// JSON text of a value; empty for null pointers.
std::string json_of(yyjson_val* value);

struct Tool {
  std::string_view name;
  yyjson_val* parameters = nullptr;  // their JSON schema
};
struct ToolChoice {
  bool none = false;
  bool required = false;  // some tool must be called
  std::string_view name;  // this tool must be called
  bool one_only = false;  // no parallel calls
};
// The tools whose names stand in the question; if there is none but the word "tool", or a tool must be called, the first one.
void choose_tools(std::span<const Tool> tools, const ToolChoice& choice, Ask& ask);

// `stop` or `stop_sequences`: a text or a list of texts.
void read_stops(yyjson_val* stops, Ask& ask);

// One per wire; `root` is an object, model and stream have been read.
std::optional<BadAsk> read_messages(yyjson_val* root, const Aside& aside, bool counting, Ask& ask);
std::optional<BadAsk> read_responses(yyjson_val* root, Ask& ask);
std::optional<BadAsk> read_rerank(yyjson_val* root, Ask& ask);
std::optional<BadAsk> read_gemini(yyjson_val* root, Ask& ask);
std::optional<BadAsk> read_ollama(yyjson_val* root, Ask& ask);

// Chat completions' tools: {"type":"function","function":{"name","parameters"}}; Ollama has the same.
std::vector<Tool> chat_tools(yyjson_val* tools);

}  // namespace outrigger::sim_provider
