// Where the simulated provider's endpoints are, and what each of them speaks. Pure.
#pragma once

#include <string_view>

#include "sim/ask.h"
#include "sim/events.h"

namespace outrigger::sim_provider {

enum class Endpoint : unsigned char {
  chat,
  completion,
  azure_chat,
  embeddings,
  messages,
  count_tokens,
  responses,
  rerank,
  rerank_v2,
  gemini,
  gemini_stream,
  ollama,
  models,
  model,
  files,
  transcriptions,
  speech,
  images,
  moderations,
  other,
};

Endpoint endpoint_of(std::string_view method, std::string_view path);
// For the counts: "chat/completions".
std::string_view name(Endpoint endpoint);

// What its JSON is read for; other: it is not read.
AskKind ask_kind(Endpoint endpoint);
bool is_json(Endpoint endpoint);

// Whose errors a path answers, whether it is an endpoint or not.
Wire wire_of(std::string_view path);

// The model or deployment that the path names; empty: the body does.
std::string_view model_in_path(Endpoint endpoint, std::string_view path);

}  // namespace outrigger::sim_provider
