#include "sim/world/redis_data.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace outrigger::sim {
namespace {

// A place in the walk. Never zero, which is how a walk begins and ends.
std::uint64_t place_of(std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return (hash >> 16) + 1;
}

// `pattern` begins behind '['; moves it behind ']'.
bool class_matches(std::string_view& pattern, char c) {
  const bool inverted = !pattern.empty() && pattern.front() == '^';
  if (inverted) pattern.remove_prefix(1);
  bool found = false;
  while (!pattern.empty() && pattern.front() != ']') {
    if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
    const char low = pattern.front();
    char high = low;
    pattern.remove_prefix(1);
    if (pattern.size() > 1 && pattern[0] == '-' && pattern[1] != ']') {
      high = pattern[1];
      pattern.remove_prefix(2);
    }
    found = found || (std::min(low, high) <= c && c <= std::max(low, high));
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return found != inverted;
}

// One element of the pattern, not '*', against one character.
bool one_matches(std::string_view& pattern, char c) {
  const char first = pattern.front();
  pattern.remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return class_matches(pattern, c);
  if (first != '\\' || pattern.empty()) return first == c;
  const char literal = pattern.front();
  pattern.remove_prefix(1);
  return literal == c;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  // Where to go on when what follows the last star does not match: the star takes one character more.
  std::optional<std::pair<std::string_view, std::string_view>> star;
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      star = {pattern, text};
      continue;
    }
    if (!pattern.empty() && !text.empty() && one_matches(pattern, text.front())) {
      text.remove_prefix(1);
      continue;
    }
    if (!star || star->second.empty()) return false;
    star->second.remove_prefix(1);
    std::tie(pattern, text) = *star;
  }
  return true;
}

RedisData::Value* RedisData::find(const std::string& key, MonoTime now) {
  const auto found = values_.find(key);
  if (found == values_.end()) return nullptr;
  if (!found->second.expires || *found->second.expires > now) return &found->second;
  values_.erase(found);
  return nullptr;
}

void RedisData::put(const std::string& key, std::string bytes, std::optional<MonoTime> expires) {
  values_[key] = Value{std::move(bytes), expires};
}

bool RedisData::erase(const std::string& key, MonoTime now) {
  if (find(key, now) == nullptr) return false;
  values_.erase(key);
  return true;
}

std::size_t RedisData::size(MonoTime now) {
  drop_expired(now);
  return values_.size();
}

std::vector<std::string> RedisData::keys(MonoTime now) {
  drop_expired(now);
  std::vector<std::string> names;
  for (const auto& [key, value] : values_) names.push_back(key);
  return names;
}

RedisData::Page RedisData::scan(std::uint64_t cursor, std::string_view pattern, std::size_t count, MonoTime now) {
  drop_expired(now);
  std::vector<std::pair<std::uint64_t, const std::string*>> rest;
  for (const auto& [key, value] : values_) {
    if (const std::uint64_t place = place_of(key); place >= cursor) rest.emplace_back(place, &key);
  }
  std::sort(rest.begin(), rest.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : *a.second < *b.second; });
  Page page;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    // Keys in the same place stay together: a cursor cannot point between them.
    if (i >= std::max<std::size_t>(count, 1) && rest[i].first != rest[i - 1].first) {
      page.cursor = rest[i].first;
      break;
    }
    if (glob_matches(pattern, *rest[i].second)) page.keys.push_back(*rest[i].second);
  }
  return page;
}

void RedisData::drop_expired(MonoTime now) {
  std::erase_if(values_, [now](const auto& item) { return item.second.expires && *item.second.expires <= now; });
}

}  // namespace outrigger::sim
