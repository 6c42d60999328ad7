// RecentCount: how many within the last moment, in a few slots. Never too few: what falls into one slot leaves it when all of it
// may leave.
// Flow: about how many a second, over the last few seconds. Both pure.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/time.h"

namespace outrigger::resilience {

class RecentCount {
 public:
  static constexpr Duration k_slot = 50ms;
  // At least so long is everything counted, and at most a slot longer.
  static constexpr Duration k_span = 250ms;

  void add(MonoTime now, std::uint64_t n) {
    const Tick tick = now.time_since_epoch() / k_slot;
    for (Tick gone = std::max(last_ + 1, tick - k_slots + 1); gone <= tick; ++gone) slot(gone) = 0;
    last_ = std::max(last_, tick);
    slot(last_) += n;
  }
  [[nodiscard]] std::uint64_t total(MonoTime now) const {
    std::uint64_t sum = 0;
    for (Tick at = std::max(now.time_since_epoch() / k_slot, last_) - k_slots + 1; at <= last_; ++at) sum += slot(at);
    return sum;
  }
  // When all that is counted now has left.
  [[nodiscard]] MonoTime empty_at() const { return MonoTime(k_slot * (last_ + k_slots)); }

 private:
  using Tick = std::int64_t;
  static constexpr Tick k_slots = k_span / k_slot + 1;
  [[nodiscard]] const std::uint64_t& slot(Tick tick) const {
    return slots_[static_cast<std::size_t>((tick % k_slots + k_slots) % k_slots)];
  }
  [[nodiscard]] std::uint64_t& slot(Tick tick) {
    return slots_[static_cast<std::size_t>((tick % k_slots + k_slots) % k_slots)];
  }

  std::array<std::uint64_t, static_cast<std::size_t>(k_slots)> slots_{};
  Tick last_ = -k_slots;  // the slots behind it are not in use
};

class Flow {
 public:
  // What was this long ago counts for a third.
  static constexpr Duration k_memory = 2s;

  // So many within the last `over`.
  void add(MonoTime now, Duration over, std::uint64_t n) {
    sum_ = faded(now) + static_cast<double>(n) * std::min(1.0, seconds(k_memory) / std::max(seconds(over), 1e-9));
    at_ = now;
  }
  [[nodiscard]] double per_second(MonoTime now) const { return faded(now) / seconds(k_memory); }

 private:
  [[nodiscard]] double faded(MonoTime now) const {
    return sum_ == 0 ? 0 : sum_ * std::exp(-seconds(std::max(now - at_, Duration(0))) / seconds(k_memory));
  }

  double sum_ = 0;
  MonoTime at_{};
};

}  // namespace outrigger::resilience
