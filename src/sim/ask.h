// Ask: what a request's JSON asks for, as far as the simulated provider cares, whatever wire it came on. Pure.
//
// The same conversation comes to the same Ask on every wire (hash and question, so also the answer): roles are said in chat
// completions' words, a tool's result is a "tool" message, instructions are a "system" message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::sim_provider {

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON text
};

struct Ask {
  std::string model;
  std::string question;    // the last user message's text, or the prompt
  std::uint64_t hash = 0;  // of the model and of everything that is said
  std::uint64_t prompt_tokens = 0;
  bool stream = false;
  bool include_usage = false;
  bool json = false;   // JSON is asked for
  std::string schema;  // the JSON schema that it must fit; empty: any object
  bool logprobs = false;
  std::optional<std::uint64_t> max_tokens;
  std::vector<std::string> stops;  // texts that end the answer where they would begin
  std::vector<ToolCall> calls;     // the tools that this question leads to; empty: a text
  bool thinks = false;             // thoughts come before the answer ...
  bool thinks_aloud = true;        // ... and are told
  // Embeddings and rerank.
  std::vector<std::string> inputs;
  std::optional<std::uint64_t> dimensions;
  bool base64 = false;
  std::optional<std::uint64_t> top_n;
  bool return_documents = true;
  // Messages: what stands before the last mark of the prompt cache.
  std::uint64_t cacheable_tokens = 0, cacheable_hash = 0;
  std::uint64_t cache_written = 0, cache_read = 0;  // of those; set by the Desk, which remembers
  // Responses.
  std::string previous;  // previous_response_id
  bool store = true;
  bool sealed_thoughts = false;  // reasoning.encrypted_content is asked for
  std::string echo;              // members of the request that the response object repeats: `"tools":[],"top_p":1.0`
  // Gemini without alt=sse: the stream is one JSON array.
  bool as_array = false;
};

// Which members are looked for.
enum class AskKind : unsigned char {
  chat,
  completion,
  embeddings,
  messages,
  count_tokens,
  responses,
  rerank,
  gemini,
  ollama,
  other,
};

// What stands beside the body and matters to its reading.
struct Aside {
  std::string_view model;  // from the path; empty: it stands in the body
  bool stream = false;     // the path says so
  bool versioned = true;   // anthropic-version is there
};

// Why it cannot be answered, as the wire's owner says it.
struct BadAsk {
  std::string message;
  std::string param;  // empty: null
  std::string code = {};
};

// `problem` is set when the body will not do; the Ask is then as far as it was read (its model, at least, if there is one).
Ask read_ask(AskKind kind, std::string_view body, const Aside& aside, std::optional<BadAsk>& problem);

// Models whose name says so think without being told to.
inline bool is_reasoner(std::string_view model) { return model.find("reason") != std::string_view::npos; }

}  // namespace outrigger::sim_provider
