// Breaker: decides whether a target that is used by one at a time (a Redis) may be tried. Pure: the owner passes the time, does
// the trying, and reports how it ended. For an upstream's model, with many calls at a time, see health.h.
//
//   closed --`failures` in a row, or trip()--> open --open time passed, may_pass()--> half_open --on_success--> closed
//     ^                                         ^ ^                                      | |
//     |                                         | `----- on_failure: twice as long ------' |
//     `---- reset() from everywhere             `------- on_abandoned: try again at once --'
//
// In half_open exactly one probe is out. Evidence from attempts that began before the last change of state is ignored: it
// tells about a target that has been judged already. A client that hangs up is evidence of nothing; report nothing for it,
// or on_abandoned() if its attempt was the probe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/rng.h"
#include "core/time.h"
#include "resilience/open_time.h"

namespace outrigger::resilience {

class Breaker {
 public:
  struct Settings {
    std::uint32_t failures = 3;  // in a row; 0 counts as 1
    Duration open = 1s;          // the first time; doubles with every failed probe
    Duration max_open = 30s;     // jitter included
    // A target that fails again sooner than this after it closed has not recovered: the open time goes on doubling.
    Duration steady = 0s;
  };
  enum class State : unsigned char { closed, open, half_open };

  explicit Breaker(Settings settings);

  // May an attempt be made now? True while open means that the caller now holds the only probe and must report its end.
  [[nodiscard]] bool may_pass(MonoTime now);

  // `started`: when the attempt was let through; without it the evidence counts as of now.
  void on_success(MonoTime now, std::optional<MonoTime> started = {});
  void on_failure(MonoTime now, Rng& rng, std::optional<MonoTime> started = {});
  // The probe ended without evidence. The next one may go at once. No effect in the other states.
  void on_abandoned(MonoTime now);

  // By hand: opens for the first open time from now, or closes and forgets everything.
  void trip(MonoTime now, Rng& rng);
  void reset(MonoTime now);

  // What may_pass() would find: open becomes half_open by itself when the open time has passed.
  [[nodiscard]] State state(MonoTime now) const;
  // When the next probe may go. Meaningless while closed.
  [[nodiscard]] MonoTime reopens_at() const { return reopens_at_; }
  [[nodiscard]] std::uint32_t failures_in_a_row() const { return failures_; }

 private:
  void close(MonoTime now);
  [[nodiscard]] bool outdated(std::optional<MonoTime> started) const { return started && *started < changed_at_; }
  void open(MonoTime now, Rng& rng);

  Settings settings_;
  State state_ = State::closed;
  std::uint32_t failures_ = 0;
  OpenTime open_time_;
  MonoTime closed_at_ = MonoTime::min();
  MonoTime reopens_at_{};
  MonoTime changed_at_ = MonoTime::min();
};

std::string_view name(Breaker::State state);

}  // namespace outrigger::resilience
