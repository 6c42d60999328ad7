// DifyFills: the runs under way at the dify door that several requests may share.
#pragma once

#include <memory>
#include <unordered_map>

#include "proxy/dify_fill.h"
#include "proxy/dify_fresh.h"
#include "proxy/metrics.h"
#include "proxy/unstorable.h"

namespace outrigger::proxy {

class DifyFills {
 public:
  // Of so many at once no more are begun. What comes is kept: some KiB a run, 16 MiB at most, of as many at once as [dify]
  // `concurrency` lets run.
  static constexpr std::size_t k_max = 4096;

  // All must outlive it.
  DifyFills(DifyDoor& door, cache::Store& store, const DifyFresh& fresh, Metrics& metrics)
      : door_(door), store_(store), fresh_(fresh), metrics_(metrics) {}
  DifyFills(const DifyFills&) = delete;
  DifyFills& operator=(const DifyFills&) = delete;

  // The one for this key that is under way and may be joined; null: none.
  [[nodiscard]] DifyFill* joinable(const chat::Key& key);
  [[nodiscard]] bool known_unstorable(const chat::Key& key) const;
  [[nodiscard]] bool has_room() const { return all_.size() < k_max; }
  // Makes one, which is then to be begun. `shared`: later requests with the same key may join it.
  DifyFill& start(DifyFillOrder order, bool shared, DifyFillReader& reader, DifyPursuitHandler& handler);

  // That app has changed; empty: any of them may have. What is under way is joined by nobody and stored by nobody.
  void forget(std::string_view app);
  // A client of that app wants a task stopped. True: that is done; false: Dify has to be told.
  [[nodiscard]] bool stop(std::string_view app, std::string_view task);
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  friend class DifyFill;
  void close(DifyFill& fill);   // no more joining
  void retire(DifyFill& fill);  // nobody waits for it any more

  DifyDoor& door_;
  cache::Store& store_;
  const DifyFresh& fresh_;
  Metrics& metrics_;
  std::unordered_map<DifyFill*, std::unique_ptr<DifyFill>> all_;
  std::unordered_map<chat::Key, DifyFill*, KeyHash> joinable_;
  Unstorable unstorable_;
};

}  // namespace outrigger::proxy
