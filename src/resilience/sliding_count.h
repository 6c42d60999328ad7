// SlidingCount: how many in the last minute, in bounded memory, however many. Never too few: what falls into one slot leaves it
// when the youngest of it may leave.
#pragma once

#include <cstdint>
#include <vector>

#include "core/time.h"

namespace outrigger::resilience {

class SlidingCount {
 public:
  static constexpr Duration k_slot = 100ms;
  static constexpr Duration k_minute = 1min;
  // What we count when it is sent, the provider counts when it arrives, and that may differ from one to the next by as much:
  // without this, what we take to be a minute apart is a little less there. With the slots' rounding it costs 0.4 % of a limit.
  static constexpr Duration k_margin = 150ms;

  SlidingCount();

  // `at`: when it happened. What is older than the oldest slot is not counted, what is younger than now counts as now.
  void add(MonoTime now, MonoTime at, std::uint64_t n);
  // Takes back what was added for `at`; no effect when it has left already.
  void remove(MonoTime now, MonoTime at, std::uint64_t n);

  [[nodiscard]] std::uint64_t total(MonoTime now) const;
  // Of the slots from that of `from` to that of `to`, both included.
  [[nodiscard]] std::uint64_t between(MonoTime from, MonoTime to) const;
  // When the total is down to `most` if nothing more is added; `now` if it is already.
  [[nodiscard]] MonoTime down_to(MonoTime now, std::uint64_t most) const;

 private:
  using Tick = std::int64_t;
  static Tick tick(MonoTime at);
  // The oldest slot that counts at `now`.
  static Tick oldest(MonoTime now);
  [[nodiscard]] const std::uint64_t& slot(Tick tick) const;
  [[nodiscard]] std::uint64_t& slot(Tick tick);
  void advance(MonoTime now);

  std::vector<std::uint64_t> slots_;
  Tick first_ = 0;  // slots before it are empty
  Tick last_ = -1;  // slots behind it are empty
  std::uint64_t total_ = 0;
};

}  // namespace outrigger::resilience
