// Ask: what a request's JSON asks for, as far as the simulated provider cares. Pure.
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
  bool json = false;  // response_format asks for JSON
  bool logprobs = false;
  std::optional<std::uint64_t> max_tokens;
  std::vector<ToolCall> calls;  // the tools that this question leads to; empty: a text
  // Embeddings.
  std::vector<std::string> inputs;
  std::optional<std::uint64_t> dimensions;
  bool base64 = false;
};

// Which members are looked for.
enum class AskKind : unsigned char { chat, completion, embeddings, other };

// Why it cannot be answered, as OpenAI says it.
struct BadAsk {
  std::string message;
  std::string param;  // empty: null
};

// `problem` is set when the body will not do; the Ask is then as far as it was read (its model, at least, if there is one).
Ask read_ask(AskKind kind, std::string_view body, std::optional<BadAsk>& problem);

}  // namespace outrigger::sim_provider
