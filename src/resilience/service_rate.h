// ServiceRate: how many tokens a second a target takes while somebody waits for it, learned from what was served. Owned by a
// FairQueue. Time in which nobody waited says nothing and is left out. So is time in which the target was shut: whoever predicts a
// wait knows when it opens, and the tries that probe it are no service. Otherwise an outage that some waited out would make those
// after it seem to wait for as long.
//
// The measure is the time per token over windows of at least a second of waiting: the median of three windows, smoothed, and nothing
// before there are three. So one answer that hung for a minute does not look like a target that has become a hundred times slower,
// while one that really has is known after a few windows. What was measured before a minute without anybody waiting is forgotten:
// whoever is refused for it would not correct it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/time.h"

namespace outrigger::resilience {

class ServiceRate {
 public:
  // Somebody has begun to wait; nobody waits any more.
  void on_busy(MonoTime now);
  void on_idle(MonoTime now);
  // Nothing is served from now on, whoever waits; it is served again. Twice is once.
  void on_shut(MonoTime now);
  void on_open(MonoTime now);
  // Counts when somebody waits, or did until this very moment, and it is open.
  void on_served(MonoTime now, std::uint64_t cost);

  // What was learned is about another target: its limits have changed.
  void forget();
  // Nothing until three windows are full.
  [[nodiscard]] std::optional<Duration> time_for(double cost) const;
  // The same, but until then the mean of all that was seen: good enough to tell somebody when to come again, not to refuse him.
  [[nodiscard]] std::optional<Duration> roughly_time_for(double cost) const;
  // 0: not known.
  [[nodiscard]] double tokens_per_second() const;

 private:
  struct Window {
    Duration time{0};
    double cost = 0;
    [[nodiscard]] double seconds_per_token() const { return seconds(time) / cost; }
  };
  void note_time(MonoTime now);

  std::optional<MonoTime> busy_since_;  // or since the last thing served, or since it opened
  bool is_shut_ = false;
  MonoTime idle_since_ = MonoTime::min();
  Window window_;  // not full yet
  double seconds_per_token_ = 0;
  std::array<Window, 3> windows_{};  // the last ones, as a ring
  std::size_t seen_ = 0;             // windows since it began or was forgotten
};

}  // namespace outrigger::resilience
