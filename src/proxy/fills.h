// Fills: all answers being fetched, and which of them a new request may join.
#pragma once

#include <memory>
#include <unordered_map>

#include "proxy/fill.h"
#include "proxy/metrics.h"
#include "proxy/unstorable.h"

namespace outrigger::proxy {

class Fills {
 public:
  Fills(io::World world, cache::Store& store, http::Client& client, Lanes& lanes, Metrics& metrics);
  ~Fills();
  Fills(const Fills&) = delete;
  Fills& operator=(const Fills&) = delete;

  // The Fill for this key that is under way and may be joined; null: none.
  [[nodiscard]] Fill* joinable(const chat::Key& key);
  [[nodiscard]] bool known_unstorable(const chat::Key& key) const { return unstorable_.has(key, calling_.world.loop.now()); }
  // Begins a Fill. `shared`: later requests with the same key may join it (order.storing must be set).
  // The caller attaches itself at once: a Fill without readers is cancelled.
  Fill& start(FillOrder order, bool shared);

  [[nodiscard]] std::size_t size() const { return all_.size(); }
  // Bytes held by all recordings; above the budget nothing more is recorded.
  [[nodiscard]] std::size_t recorded_bytes() const { return calling_.held; }
  [[nodiscard]] bool may_record() const { return calling_.held < k_recording_budget; }
  // A purge: what it means and is under way is joined by nobody any more, see Fill::forget(). A batch is meant by any purge, for it
  // is stored as many entries.
  void forget(const cache::PurgeFilter& filter);
  // Ends all of them: the process does.
  void abandon_all(ErrorCode code);

 private:
  friend class Fill;
  // 64 MiB: 1,000 live answers of 64 KiB, far above what chat answers need.
  static constexpr std::size_t k_recording_budget = 64u << 20;

  void close(Fill& fill);   // no more joining
  void retire(Fill& fill);  // nobody reads it any more
  void remember_unstorable(const chat::Key& key) { unstorable_.note(key, calling_.world.loop.now()); }

  cache::Store& store_;
  CallContext calling_;
  std::unordered_map<Fill*, std::unique_ptr<Fill>> all_;
  std::unordered_map<chat::Key, Fill*, KeyHash> joinable_;
  Unstorable unstorable_;
};

}  // namespace outrigger::proxy
