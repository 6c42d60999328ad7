// Unstorable: keys whose answer turned out not to be storable. Their requests go upstream side by side for a while instead of
// waiting behind each other for nothing (Varnish calls it hit-for-miss).
#pragma once

#include <cstddef>
#include <cstring>
#include <unordered_map>

#include "chat/key.h"
#include "core/time.h"

namespace outrigger::proxy {

// Keys are HMACs: any eight bytes of one are as good as a hash.
struct KeyHash {
  std::size_t operator()(const chat::Key& key) const {
    std::size_t hash = 0;
    std::memcpy(&hash, key.data(), sizeof hash);
    return hash;
  }
};

class Unstorable {
 public:
  static constexpr Duration k_remember = 60s;
  static constexpr std::size_t k_max = 4096;

  [[nodiscard]] bool has(const chat::Key& key, MonoTime now) const {
    const auto found = until_.find(key);
    return found != until_.end() && now < found->second;
  }
  void note(const chat::Key& key, MonoTime now) {
    if (until_.size() >= k_max) {
      std::erase_if(until_, [now](const auto& known) { return known.second <= now; });
      if (until_.size() >= k_max) until_.clear();
    }
    until_[key] = now + k_remember;
  }

 private:
  std::unordered_map<chat::Key, MonoTime, KeyHash> until_;
};

}  // namespace outrigger::proxy
