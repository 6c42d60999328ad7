#include "sim/places.h"

#include <array>

#include "sim/fault.h"

namespace outrigger::sim_provider {
namespace {

struct Place {
  std::string_view name;
  std::string_view method;
  Endpoint endpoint;
  AskKind kind = AskKind::other;
  bool json = false;
};
constexpr std::array k_places{
    Place{"chat/completions", "POST", Endpoint::chat, AskKind::chat, true},
    Place{"completions", "POST", Endpoint::completion, AskKind::completion, true},
    Place{"embeddings", "POST", Endpoint::embeddings, AskKind::embeddings, true},
    Place{"messages", "POST", Endpoint::messages, AskKind::messages, true},
    Place{"messages/count_tokens", "POST", Endpoint::count_tokens, AskKind::count_tokens, true},
    Place{"responses", "POST", Endpoint::responses, AskKind::responses, true},
    Place{"rerank", "POST", Endpoint::rerank, AskKind::rerank, true},
    Place{"v2/rerank", "POST", Endpoint::rerank_v2, AskKind::rerank, true},
    Place{"api/chat", "POST", Endpoint::ollama, AskKind::ollama, true},
    Place{"models", "GET", Endpoint::models},
    Place{"files", "POST", Endpoint::files},
    Place{"audio/transcriptions", "POST", Endpoint::transcriptions},
    Place{"audio/speech", "POST", Endpoint::speech, AskKind::other, true},
    Place{"images/generations", "POST", Endpoint::images, AskKind::other, true},
    Place{"moderations", "POST", Endpoint::moderations, AskKind::other, true},
};

// Those with something in the middle of their path: what stands before it and after it.
struct Pattern {
  std::string_view name;
  std::string_view method;
  std::string_view before, after;
  Endpoint endpoint;
  AskKind kind = AskKind::other;
};
constexpr std::array k_patterns{
    Pattern{"azure/chat/completions", "POST", "openai/deployments/", "/chat/completions", Endpoint::azure_chat,
            AskKind::chat},
    Pattern{"gemini/generateContent", "POST", "v1beta/models/", ":generateContent", Endpoint::gemini, AskKind::gemini},
    Pattern{"gemini/streamGenerateContent", "POST", "v1beta/models/", ":streamGenerateContent", Endpoint::gemini_stream,
            AskKind::gemini},
    Pattern{"models/{id}", "GET", "models/", "", Endpoint::model},
};

struct Shop {
  std::string_view prefix;
  Wire wire;
};
constexpr std::array k_shops{
    Shop{"messages", Wire::anthropic}, Shop{"responses", Wire::responses}, Shop{"rerank", Wire::jina},
    Shop{"v2/", Wire::cohere},         Shop{"v1beta/", Wire::gemini},      Shop{"api/", Wire::ollama},
};

// What stands in the middle; empty: it does not fit, or nothing does.
std::string_view middle(const Pattern& pattern, std::string_view name) {
  if (!name.starts_with(pattern.before) || !name.ends_with(pattern.after)) return {};
  if (name.size() <= pattern.before.size() + pattern.after.size()) return {};
  name.remove_prefix(pattern.before.size());
  name.remove_suffix(pattern.after.size());
  return name;
}

}  // namespace

Endpoint endpoint_of(std::string_view method, std::string_view path) {
  const std::string_view name = endpoint_name(path);
  if (method == "HEAD") method = "GET";
  for (const Place& place : k_places) {
    if (place.name == name && place.method == method) return place.endpoint;
  }
  for (const Pattern& pattern : k_patterns) {
    if (pattern.method == method && !middle(pattern, name).empty()) return pattern.endpoint;
  }
  return Endpoint::other;
}

std::string_view name(Endpoint endpoint) {
  for (const Place& place : k_places) {
    if (place.endpoint == endpoint) return place.name;
  }
  for (const Pattern& pattern : k_patterns) {
    if (pattern.endpoint == endpoint) return pattern.name;
  }
  return "other";
}

AskKind ask_kind(Endpoint endpoint) {
  for (const Place& place : k_places) {
    if (place.endpoint == endpoint) return place.kind;
  }
  for (const Pattern& pattern : k_patterns) {
    if (pattern.endpoint == endpoint) return pattern.kind;
  }
  return AskKind::other;
}

bool is_json(Endpoint endpoint) {
  for (const Place& place : k_places) {
    if (place.endpoint == endpoint) return place.json;
  }
  return ask_kind(endpoint) != AskKind::other;
}

Wire wire_of(std::string_view path) {
  const std::string_view name = endpoint_name(path);
  for (const Shop& shop : k_shops) {
    if (name.starts_with(shop.prefix)) return shop.wire;
  }
  return Wire::openai;
}

std::string_view model_in_path(Endpoint endpoint, std::string_view path) {
  for (const Pattern& pattern : k_patterns) {
    if (pattern.endpoint == endpoint) return middle(pattern, endpoint_name(path));
  }
  return {};
}

}  // namespace outrigger::sim_provider
