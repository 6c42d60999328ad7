// The model that a request asks for on a wire that is passed through without being understood, by its path or the beginning of
// its body. For routing, budgets and metrics; no cache key is made of it. Pure and total: a request that names none, or names it
// in a way that cannot be right, has none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::chat {

struct NamedModel {
  std::string model;    // empty: none. At most k_model_name_max bytes, printable
  bool stream = false;  // the answer will come as a stream, as far as path and body tell
};

constexpr std::size_t k_model_name_max = 256;
constexpr std::size_t k_named_json_max = std::size_t{256} << 10;  // a larger JSON body is not read
constexpr std::size_t k_named_upload_max = std::size_t{8} << 10;  // so much of a form-data upload is looked through

// Only a POST names a model. `path` as it came, without the query and with any prefix; `body` may be cut, or empty if it is not at
// hand (JSON names nothing then, an upload whatever stands in the part). By path:
//   Azure    .../openai/deployments/{model}/...
//   Gemini   .../models/{model}:generateContent and the like; tunedModels too
//   Vertex   .../publishers/{p}/models/{model}:rawPredict and the like
//   Bedrock  .../model/{model}/invoke, /converse and the like
// else by `model` at the top level of JSON, or the part `model` of form data. Ollama's api/chat and api/generate stream unless told
// otherwise.
NamedModel named_model(std::string_view method, std::string_view path, std::string_view body);

// Is this a question about the size of a prompt? Providers limit it apart from what models answer, so it waits for nothing.
bool only_counts(std::string_view path);

// Do the clients of this path read errors as Anthropic writes them? (.../messages and what is below it, Claude on Vertex; not the
// messages of OpenAI's threads and stored completions.)
bool is_anthropic_path(std::string_view path);

}  // namespace outrigger::chat
