// Schedule: which fault meets which request. Pure but for its counts; the owner passes the time and the randomness.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "core/time.h"
#include "sim/fault.h"
#include "sim/rate_limit.h"

namespace outrigger::sim_provider {

class Schedule {
 public:
  Schedule(std::vector<Fault> faults, MonoTime start);

  // What of a request decides which entries count it.
  struct Subject {
    std::string_view path, model, key;
  };

  // The fault of this request: the first of the list whose conditions hold; null: none. Every entry that path, model and key
  // select counts the request, also when an earlier one has taken it. Valid as long as the Schedule.
  const Fault* match(const Subject& subject, MonoTime now, Rng& rng);

  // Is nobody listening at `now`? (An entry with `refuse` whose only conditions are times.)
  [[nodiscard]] bool refuses(MonoTime now) const;

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  // Counts and clock from the beginning.
  void restart(MonoTime start);

 private:
  struct Entry {
    Fault fault;
    std::uint64_t seen = 0;
    std::optional<WindowLimit> window;  // for `over`
  };
  [[nodiscard]] bool in_time(const Fault& fault, MonoTime now) const;

  std::vector<Entry> entries_;
  MonoTime start_;
};

}  // namespace outrigger::sim_provider
