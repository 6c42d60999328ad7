// Smoother: spreads what a limit allows over its time, with some slack (GCRA: one number of state).
// Pace: a rate learned from rejections, when nobody tells the limit or tells it for another length of time than is enforced.
// Cut below what was accepted lately, it grows again in a straight line to where it was rejected and then faster and faster,
// until it is rejected again or forgotten. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/time.h"

namespace outrigger::resilience {

class Smoother {
 public:
  // When there is less than `slack` to wait off. `before`: the cost of what goes first.
  [[nodiscard]] MonoTime earliest(MonoTime now, Duration slack, Duration before = {}) const {
    return std::max(now, std::max(paid_at_, now) + before - slack);
  }
  void take(MonoTime now, Duration cost) { paid_at_ = std::max(paid_at_, now) + cost; }
  void give_back(MonoTime now, Duration cost) {
    if (paid_at_ > now) paid_at_ = std::max(now, paid_at_ - cost);
  }

 private:
  MonoTime paid_at_ = MonoTime::min();  // when all that was taken has been waited off
};

class Pace {
 public:
  // `accepted`: requests a second that were accepted lately, `in_a_second`: how many had been sent within the last second when
  // one was rejected. Grows from `from` on.
  void reduce(MonoTime now, MonoTime from, double accepted, std::uint64_t in_a_second);
  // It turned out that fewer a second had been accepted in all.
  void lower(MonoTime now, double accepted);
  [[nodiscard]] bool known() const { return reduced_.has_value(); }

  // Requests a second; nothing: as many as come.
  [[nodiscard]] std::optional<double> rate(MonoTime now) const;

  [[nodiscard]] MonoTime earliest(MonoTime now) const;
  // `n`: as how many it counts.
  void take(MonoTime now, double n = 1);
  void give_back(MonoTime now, double n = 1);

 private:
  void set(MonoTime from, double ceiling, double burst);

  struct Reduced {
    MonoTime from;
    double ceiling;
    double climb;  // seconds until the ceiling
    double burst;  // requests that may follow each other at once
  };
  std::optional<Reduced> reduced_;
  Smoother smoother_;
};

}  // namespace outrigger::resilience
