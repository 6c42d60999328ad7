// Fills: all answers being fetched, and which of them a new request may join.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "proxy/fill.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class Fills {
 public:
  // Keys whose answer turned out not to be storable are remembered for so long: their requests go upstream side by side
  // instead of waiting behind each other for nothing (Varnish calls it hit-for-miss).
  static constexpr Duration k_remember_unstorable = 60s;
  static constexpr std::size_t k_unstorable_max = 4096;

  Fills(io::World world, cache::Store& store, http::Client& client, Lanes& lanes, Metrics& metrics);
  ~Fills();
  Fills(const Fills&) = delete;
  Fills& operator=(const Fills&) = delete;

  // The Fill for this key that is under way and may be joined; null: none.
  [[nodiscard]] Fill* joinable(const chat::Key& key);
  [[nodiscard]] bool known_unstorable(const chat::Key& key) const;
  // Begins a Fill. `shared`: later requests with the same key may join it (order.storing must be set).
  // The caller attaches itself at once: a Fill without readers is cancelled.
  Fill& start(FillOrder order, bool shared);

  [[nodiscard]] std::size_t size() const { return all_.size(); }
  // Bytes held by all recordings; above the budget nothing more is recorded.
  [[nodiscard]] std::size_t recorded_bytes() const { return calling_.held; }
  [[nodiscard]] bool may_record() const { return calling_.held < k_recording_budget; }
  void forbid_storing();
  // Ends all of them: the process does.
  void abandon_all(ErrorCode code);

 private:
  friend class Fill;
  // 64 MiB: 1,000 live answers of 64 KiB, far above what chat answers need.
  static constexpr std::size_t k_recording_budget = 64u << 20;
  struct KeyHash {
    std::size_t operator()(const chat::Key& key) const;
  };

  void close(Fill& fill);   // no more joining
  void retire(Fill& fill);  // nobody reads it any more
  void remember_unstorable(const chat::Key& key);

  cache::Store& store_;
  CallContext calling_;
  std::unordered_map<Fill*, std::unique_ptr<Fill>> all_;
  std::unordered_map<chat::Key, Fill*, KeyHash> joinable_;
  std::unordered_map<chat::Key, MonoTime, KeyHash> unstorable_;
};

}  // namespace outrigger::proxy
