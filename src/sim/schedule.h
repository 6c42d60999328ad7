// Schedule: which fault meets which request. Pure but for its counts; the owner passes the time and the randomness.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "core/time.h"
#include "sim/fault.h"

namespace outrigger::sim_provider {

class Schedule {
 public:
  Schedule(std::vector<Fault> faults, MonoTime start);

  // The fault of this request: the first of the list whose conditions hold; null: none. Every entry that `path` and `model`
  // select counts the request, also when an earlier one has taken it. Valid as long as the Schedule.
  const Fault* match(std::string_view path, std::string_view model, MonoTime now, Rng& rng);

  // Is nobody listening at `now`? (An entry with `refuse` whose only conditions are times.)
  [[nodiscard]] bool refuses(MonoTime now) const;

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  // Counts and clock from the beginning.
  void restart(MonoTime start);

 private:
  struct Entry {
    Fault fault;
    std::uint64_t seen = 0;
  };
  [[nodiscard]] bool in_time(const Fault& fault, MonoTime now) const;

  std::vector<Entry> entries_;
  MonoTime start_;
};

}  // namespace outrigger::sim_provider
