// What the proxy needs to know of a request body, and the canonical form that its cache key is made of. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/endpoint.h"
#include "chat/needs.h"
#include "chat/reasons.h"
#include "core/policy.h"

namespace outrigger::chat {

struct Request {
  Endpoint endpoint = Endpoint::other;  // whose answers it gets: the one that was asked, or `embed` in place of `embeddings`
  std::string model;
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
  std::optional<double> temperature;
  std::string user;                    // user, user_id, safety_identifier or metadata.user_id: scope = "user" only
  std::string app;                     // metadata.dify_app_id: scope = "app" only
  std::optional<BypassReason> bypass;  // of the request's own nature: not_json, not_understood, ping, several_answers, ...
  std::uint32_t prompt_tokens = 0;     // a rough estimate (see estimate_tokens)
  Needs needs{.unknown = true};        // what it asks of a target; of what is not understood only `stream` and `user`

  // The typed, length-prefixed canonical form of the whole request at the level asked for; empty when bypassed as not_json
  // or not_understood, and filled for every other reason. form.h describes it, canonical.h prints it.
  std::string canonical;

  // Embeddings that are kept element by element, and only they: one per element of `input` (a lone string or token list is one
  // element).
  struct Input {
    std::string canonical;     // of the single-element request: what the element's own key is made of
    std::string json;          // the element as it stands in the body, to build a smaller request from
    std::uint32_t tokens = 0;  // estimate
  };
  std::vector<Input> inputs;
};

struct Shape;

// `body` is the JSON text as it came. Never fails: what is not understood says so in `bypass`.
// Thread-safe: large bodies are understood in the pool. The memory of `room` is used for the canonical form.
Request understand(const Shape& shape, std::string_view body, Level level, std::string room = {});
// The same for OpenAI's three older endpoints; what any other asks is `endpoint`, not understood. (providers/dialect.h knows all.)
Request understand(Endpoint endpoint, std::string_view body, Level level, std::string room = {});

// Embeddings: the same request with only the elements whose indices are given, as an array. `body` must have been understood.
std::string with_inputs(std::string_view body, const std::vector<std::size_t>& indices);

// Rough count for money and pacing where the provider says nothing: 4 Latin letters, or 1.5 CJK characters, a token.
std::uint32_t estimate_tokens(std::string_view text);

}  // namespace outrigger::chat
