// RedisData: one database of the simulated Redis, strings only. Pure; the caller passes the time.
// A key whose time has come is gone for every reader, whether it was removed already or not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace outrigger::sim {

// Redis' glob: * ? [abc] [^a] [a-z] and \ before a special character.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

class RedisData {
 public:
  struct Value {
    std::string bytes;
    std::optional<MonoTime> expires;  // nothing: lives for ever
  };
  struct Page {
    std::uint64_t cursor = 0;  // zero: that was all
    std::vector<std::string> keys;
  };

  // Null: not there. Valid until the next change.
  [[nodiscard]] Value* find(const std::string& key, MonoTime now);
  void put(const std::string& key, std::string bytes, std::optional<MonoTime> expires);
  bool erase(const std::string& key, MonoTime now);
  void clear() { values_.clear(); }
  [[nodiscard]] std::size_t size(MonoTime now);
  [[nodiscard]] std::vector<std::string> keys(MonoTime now);

  // About `count` keys from `cursor` on, in an order that has nothing to do with their names. A key that is there during a
  // whole walk is seen; one that comes or goes meanwhile may be.
  [[nodiscard]] Page scan(std::uint64_t cursor, std::string_view pattern, std::size_t count, MonoTime now);

 private:
  void drop_expired(MonoTime now);

  std::map<std::string, Value> values_;
};

}  // namespace outrigger::sim
