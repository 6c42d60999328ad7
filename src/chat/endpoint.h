// The endpoints whose bodies are understood, and the paths that lead to them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::chat {

// The order is part of what lies in Redis.
enum class Endpoint : unsigned char {
  chat_completions,
  completions,
  embeddings,
  messages,   // Anthropic's
  responses,  // OpenAI's newer one
  rerank,     // Jina's, Cohere's and what is like them
  embed,      // Cohere's embeddings, version 1; also what comes for `embeddings` and must not be cut (Reading::keep_whole)
  embed_v2,   // version 2 answers the same body in another shape
  other,
};
inline constexpr std::size_t k_endpoints = 9;

// The path below an upstream's base, as OpenAI and Anthropic write it; empty for `other`.
std::string_view path_of(Endpoint endpoint);
std::string_view name(Endpoint endpoint);

struct Place {
  Endpoint endpoint = Endpoint::other;
  std::string path;  // to send upstream, base path included
};

// Puts a path right that came in below an upstream's or route's prefix. `base_path` is the path of the upstream's URL
// ("/v1", "/api/paas/v4", ""); `path` what the client sent, without prefix and query. People paste three kinds of base URL
// (http://h, http://h/v1, http://h/v1/chat/completions), and clients append "/v1", an endpoint, or both: a missing or doubled
// /v1 and a doubled endpoint are mended. Of Cohere's paths, which exist in two versions, the version that the client wrote stays.
// Whatever is not an API path that we know goes through untouched below `base_path`.
Place place(std::string_view base_path, std::string_view path);

// Where another endpoint of the same upstream is: below `base_path`, with a /v1 where that has no path of its own.
std::string path_at(std::string_view base_path, Endpoint endpoint);

}  // namespace outrigger::chat
