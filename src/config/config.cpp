#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::config {
namespace {

template <class T>
void override_with(T& value, const std::optional<T>& other) {
  if (other) value = *other;
}

void apply(Cache& cache, const CachePolicy& policy) {
  override_with(cache.mode, policy.mode);
  override_with(cache.ttl, policy.ttl);
  override_with(cache.stale_if_error, policy.stale_if_error);
  override_with(cache.stale_while_revalidate, policy.stale_while_revalidate);
  override_with(cache.normalise, policy.normalise);
  override_with(cache.scope, policy.scope);
  override_with(cache.max_temperature, policy.max_temperature);
  override_with(cache.max_entry, policy.max_entry);
  override_with(cache.usage, policy.usage);
  for (const std::string& tag : policy.tags) {
    if (std::find(cache.tags.begin(), cache.tags.end(), tag) == cache.tags.end()) cache.tags.push_back(tag);
  }
}

}  // namespace

Cache effective(const Cache& base, const CachePolicy* model, const CachePolicy* route) {
  Cache cache = base;
  if (model != nullptr) apply(cache, *model);
  if (route != nullptr) apply(cache, *route);
  return cache;
}

const Upstream* Config::upstream_named(std::string_view name) const {
  if (name.empty()) return nullptr;  // of an upstream whose name could not be read
  for (const Upstream& upstream : upstreams) {
    if (upstream.name == name) return &upstream;
  }
  return nullptr;
}

const Model* Config::model_for(std::string_view model) const {
  for (const Model& candidate : models) {
    if (glob_matches(candidate.name, model)) return &candidate;
  }
  return nullptr;
}

const TargetTraits* Config::traits_for(std::string_view upstream, std::string_view model) const {
  for (const TargetTraits& traits : target_traits) {
    const std::string_view name = traits.name;
    const std::size_t colon = name.find(':');
    if (name.substr(0, colon) != upstream) continue;
    if (colon == std::string_view::npos || glob_matches(name.substr(colon + 1), model)) return &traits;
  }
  return nullptr;
}

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.line != 0) text += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
  text += diagnostic.error ? ": " : ": warning: ";
  text += diagnostic.message;
  // Keys and names of the file are quoted in messages: none of them may break the line or steer the terminal.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

// Linear in the product of the lengths at worst: on a mismatch only the last `*` takes one more character, because whatever an
// earlier one could take instead the last one can, too.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace outrigger::config
