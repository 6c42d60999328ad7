// [cache], and the `cache = { … }` of models and routes.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace outrigger::config {
namespace {

constexpr std::array<std::string_view, 3> k_modes{"on", "observe", "off"};
constexpr std::array<std::string_view, 5> k_levels{"exact", "safe", "faq", "faq+", "synonyms"};
constexpr std::array<std::string_view, 4> k_scopes{"credential", "app", "user", "global"};
constexpr std::array<std::string_view, 2> k_usages{"original", "zero"};

constexpr Duration k_year = 365 * 24h;
constexpr std::size_t k_min_secret = 16;  // characters; 128 bits when they are random bytes
constexpr std::size_t k_max_tags = 16;
constexpr std::size_t k_max_tag = 64;

bool is_tag(std::string_view tag) {
  return tag.size() <= k_max_tag && std::none_of(tag.begin(), tag.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c == ',';
         });
}

std::vector<std::string> read_tags(TableReader& table) {
  std::vector<std::string> tags;
  for (const Text& tag : table.texts("tags", true)) {
    if (!is_tag(tag.value) || tags.size() == k_max_tags) {
      table.context().error(tag.place,
                            fmt::format("a tag is a word of at most {} bytes without blanks or commas, and there are "
                                        "at most {} of them; write a shorter one or leave it out",
                                        k_max_tag, k_max_tags));
    } else if (std::find(tags.begin(), tags.end(), tag.value) == tags.end()) {
      tags.push_back(tag.value);
    }
  }
  return tags;
}

}  // namespace

std::optional<Level> read_level(TableReader& table) { return table.choice<Level>("normalise", level_named, k_levels); }

namespace {

// A lifetime of nothing would store answers that can never be served.
std::optional<Duration> read_ttl(TableReader& table) {
  const auto ttl = table.duration("ttl", {0s, k_year});
  if (!ttl || *ttl >= 1ms) return ttl;
  table.context().error(table.place_of("ttl"), "`ttl` must be at least 1ms; to switch the cache off write mode = \"off\"");
  return std::nullopt;
}

// What [cache] and a policy have in common. `To` is Cache or CachePolicy.
template <class To>
void read_common(TableReader& table, To& to) {
  set(to.mode, table.choice<CacheMode>("mode", cache_mode_named, k_modes));
  set(to.ttl, read_ttl(table));
  set(to.stale_if_error, table.duration("stale_if_error", {0s, k_year}));
  set(to.stale_while_revalidate, table.duration("stale_while_revalidate", {0s, k_year}));
  set(to.normalise, read_level(table));
  set(to.scope, table.choice<Scope>("scope", scope_named, k_scopes));
  set(to.max_temperature, table.number("max_temperature", {0, 2}));
  set(to.max_entry, table.size("max_entry", {64, 64ull << 20}));
  set(to.usage, table.choice<UsagePolicy>("usage", usage_policy_named, k_usages));
  to.tags = read_tags(table);
}

void read_secret(TableReader& table, Cache& cache) {
  const auto secret = table.text("secret");
  if (!secret) return;
  if (secret->value.size() < k_min_secret) {
    // Short ones can be guessed, but they work: an update must not keep a running cache from starting.
    table.context().warning(secret->place,
                            fmt::format("`secret` is short and could be guessed; {} characters or more are better, and "
                                        "`openssl rand -hex 32` makes a good one",
                                        k_min_secret));
  }
  cache.secret = secret->secret();
}

void read_epoch(TableReader& table, Cache& cache) {
  const Member* epoch = table.find("epoch");
  if (epoch == nullptr) return;
  if (epoch->value.kind == Node::Kind::integer) {
    cache.epoch = std::to_string(epoch->value.integer);
  } else if (epoch->value.kind == Node::Kind::string && epoch->value.text.empty()) {
    cache.epoch.clear();  // the default, spelled out
  } else if (const auto text = table.text("epoch")) {
    cache.epoch = text->value;
  }
}

}  // namespace

void read_cache(TableReader& top, Config& config) {
  const Node* node = top.table("cache");
  if (node == nullptr) return;
  TableReader table(top.context(), *node, "[cache]");
  Cache& cache = config.cache;
  read_common(table, cache);
  set(cache.memory, table.size("memory", {16ull << 10, 1ull << 40}));
  read_secret(table, cache);
  read_epoch(table, cache);
  // The default of `max_entry` gives way to a small `memory`; what was written down does not.
  if (table.find("max_entry") == nullptr) cache.max_entry = std::min(cache.max_entry, cache.memory);
  if (cache.max_entry > cache.memory) {
    table.context().error(table.place_of("max_entry"), "`max_entry` is larger than `memory`; write a smaller one");
  }
  table.finish();
}

CachePolicy read_cache_policy(TableReader& owner) {
  CachePolicy policy;
  const Node* node = owner.table("cache");
  if (node == nullptr) return policy;
  TableReader table(owner.context(), *node, fmt::format("the cache of {}", owner.where()));
  read_common(table, policy);
  for (const std::string_view key : {"memory", "secret", "epoch"}) {
    table.refuse(key, "cannot be set here, because all models and routes share one cache; write it in [cache]");
  }
  table.finish();
  return policy;
}

}  // namespace outrigger::config
