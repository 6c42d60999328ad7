#include "chat/endpoint.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace outrigger::chat {
namespace {

struct Understood {
  std::string_view path;
  Endpoint endpoint;
};
// The paths that a pasted base URL may end with and that clients append. Longest first where one begins like another.
constexpr std::array<Understood, 6> k_understood{{
    {"chat/completions", Endpoint::chat_completions},
    {"completions", Endpoint::completions},
    {"embeddings", Endpoint::embeddings},
    {"responses", Endpoint::responses},
    {"messages", Endpoint::messages},
    {"rerank", Endpoint::rerank},
}};

// First segments of the other paths of this family of APIs: below an upstream without a path they get their /v1.
constexpr std::array<std::string_view, 24> k_roots{
    "models",  "audio",         "images",        "files",  "moderations", "fine_tuning", "fine-tunes",   "batches",
    "uploads", "assistants",    "threads",       "tts",    "videos",      "realtime",    "edits",        "engines",
    "evals",   "vector_stores", "conversations", "skills", "containers",  "chatkit",     "organization", "projects"};

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_slashes(std::string_view path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return path;
}

// Takes `segments` ("chat/completions") off the front of `path`, whole segments only and with any number of slashes between.
bool take(std::string_view& path, std::string_view segments) {
  std::string_view rest = path;
  while (!segments.empty()) {
    const std::string_view segment = segments.substr(0, segments.find('/'));
    segments.remove_prefix(std::min(segment.size() + 1, segments.size()));
    rest = without_slashes(rest);
    if (!rest.starts_with(segment)) return false;
    rest.remove_prefix(segment.size());
    if (!rest.empty() && rest.front() != '/') return false;
  }
  path = rest;
  return true;
}

const Understood* take_endpoint(std::string_view& path) {
  for (const Understood& known : k_understood) {
    if (take(path, known.path)) return &known;
  }
  return nullptr;
}

bool is_known(std::string_view path) {
  if (take_endpoint(path) != nullptr) return true;
  return std::any_of(k_roots.begin(), k_roots.end(), [&](std::string_view root) { return take(path, root); });
}

// "v1", "v4", "v1beta": then a /v1 that a client adds is one too many.
bool has_version(std::string_view base) {
  while (!base.empty()) {
    base = without_slashes(base);
    const std::string_view segment = base.substr(0, base.find('/'));
    base.remove_prefix(segment.size());
    if (segment.size() >= 2 && segment[0] == 'v' && is_ascii_digit(segment[1])) return true;
  }
  return false;
}

// Without slashes at its end and without an endpoint that was pasted with it ("/v1/chat/completions").
std::string_view clean_base(std::string_view base) {
  const auto trim = [&] {
    while (base.ends_with('/')) base.remove_suffix(1);
  };
  trim();
  for (const Understood& known : k_understood) {
    // A rerank server is often nothing else, and its URL is the whole of its address.
    if (known.path == "rerank" || !base.ends_with(known.path)) continue;
    const std::string_view before = base.substr(0, base.size() - known.path.size());
    if (!before.empty() && before.back() != '/') continue;
    base = before;
    trim();
    break;
  }
  return base;
}

struct Mended {
  const Understood* endpoint = nullptr;  // set when the path is one of k_understood and nothing follows
  std::string_view tail;                 // else: what follows the version
  bool versioned = false;                // the client wrote a /v1
};

// The base and any number of /v1, in any order, off the front.
void take_prefixes(std::string_view& path, std::string_view base, bool& versioned) {
  for (;;) {
    if (!base.empty() && take(path, without_slashes(base))) continue;
    if (!take(path, "v1")) return;
    versioned = true;
  }
}

// True when `path` is one that we know, with `mended` filled.
bool mend(std::string_view base, std::string_view path, Mended& mended) {
  take_prefixes(path, base, mended.versioned);
  if (!is_known(path)) return false;
  for (;;) {
    std::string_view rest = path;
    const Understood* endpoint = take_endpoint(rest);
    mended.tail = without_slashes(path);
    if (endpoint == nullptr) return true;
    // After an endpoint: nothing, its own sub-resource ("{id}"), or another whole path that a client has appended.
    std::string_view appended = rest;
    bool again = false;
    take_prefixes(appended, base, again);
    if (without_slashes(appended).empty()) {
      mended.endpoint = endpoint;
      return true;
    }
    const bool own = endpoint->path == "messages" && take(rest, "batches");  // Anthropic's /v1/messages/batches
    if (own || !is_known(appended)) return true;
    mended.versioned = mended.versioned || again;
    path = appended;
  }
}

// Cohere's two endpoints with versions of their own. Without a version `embed` is another server's.
struct Versioned {
  std::string_view segment;
  Endpoint v1;
  Endpoint v2;
};
constexpr std::array<Versioned, 2> k_versioned{{
    {"rerank", Endpoint::rerank, Endpoint::rerank},
    {"embed", Endpoint::embed, Endpoint::embed_v2},
}};

// "/v1" or "/v2" at the end of `base`; else nothing.
std::string_view own_version(std::string_view base) {
  return base.ends_with("/v1") || base.ends_with("/v2") ? base.substr(base.size() - 3) : std::string_view{};
}

// Is all of the upstream its rerank endpoint, and asked for it? (See clean_base.)
bool is_rerank_server(std::string_view base, std::string_view path) {
  if (!base.ends_with("/rerank")) return false;
  return (take(path, without_slashes(base)) || take(path, "v1/rerank") || take(path, "rerank")) &&
         without_slashes(path).empty();
}

// One of k_versioned with a version, the client's or that of `base`; the client's counts.
bool place_versioned(std::string_view base, std::string_view path, Place& result) {
  std::string_view version = own_version(base);
  const std::string_view stem = base.substr(0, base.size() - version.size());
  if (version.empty() && has_version(base)) return false;  // not Cohere's
  const Versioned* found = nullptr;
  for (;;) {
    if (take(path, "v1")) {
      version = "/v1";
    } else if (take(path, "v2")) {
      version = "/v2";
    } else if (!stem.empty() && take(path, without_slashes(stem))) {
      continue;
    } else {
      const auto taken =
          std::ranges::find_if(k_versioned, [&](const Versioned& known) { return take(path, known.segment); });
      if (taken == k_versioned.end()) break;
      found = taken;
    }
  }
  if (found == nullptr || version.empty() || !without_slashes(path).empty()) return false;
  result.endpoint = version == "/v1" ? found->v1 : found->v2;
  result.path.append(stem).append(version).append("/").append(found->segment);
  return true;
}

}  // namespace

std::string_view name(Endpoint endpoint) {
  static constexpr std::array<std::string_view, k_endpoints> k_names{
      "chat_completions", "completions", "embeddings", "messages", "responses", "rerank", "embed", "embed_v2", "other"};
  static_assert(k_names.size() == static_cast<std::size_t>(Endpoint::other) + 1);
  return k_names[static_cast<std::size_t>(endpoint)];
}

std::string_view path_of(Endpoint endpoint) {
  const auto found =
      std::find_if(k_understood.begin(), k_understood.end(), [&](const auto& known) { return known.endpoint == endpoint; });
  return found == k_understood.end() ? std::string_view{} : found->path;
}

std::string path_at(std::string_view base_path, Endpoint endpoint) {
  std::string path(clean_base(base_path));
  if (path.empty()) path = "/v1";
  return path.append("/").append(path_of(endpoint));
}

Place place(std::string_view base_path, std::string_view path) {
  const std::string_view base = clean_base(base_path);
  Place result;
  if (place_versioned(base, path, result)) return result;
  if (is_rerank_server(base, path)) return {Endpoint::rerank, std::string(base)};
  Mended mended;
  if (!mend(base, path, mended)) {
    std::string_view rest = path;
    if (base.empty() || !take(rest, without_slashes(base))) result.path = base;
    if (!path.starts_with('/')) result.path += '/';
    result.path += path;
    return result;
  }
  result.path = base;
  if (base.empty() || (mended.versioned && !has_version(base))) result.path += "/v1";
  result.path += '/';
  if (mended.endpoint != nullptr) {
    result.endpoint = mended.endpoint->endpoint;
    result.path += mended.endpoint->path;
  } else {
    result.path += mended.tail;
  }
  return result;
}

}  // namespace outrigger::chat
