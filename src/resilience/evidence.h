// Evidence: what the calls of the last half minute or so say about a target. Three readings of the same outcomes, because no
// single one is right for a target with one call a minute and for one with sixty a second:
//
//   broken()          more failures than successes, almost surely. Small samples: an estimate that says how sure it is.
//   drift()           the failures of Page's test. Finds 40 % failures in about thirty calls, where the first would never speak.
//   chance_of_run(k)  how many runs of k failures this target's ordinary errors should have produced by chance;
//   chance_of_streak(k, n)  and how many times k failures in n calls of which the first failed.
//
// Outcomes fade with a half-life, so that a quiet hour doesn't make an old outage count.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace outrigger::resilience {

class Evidence {
 public:
  static constexpr Duration k_half_life = 30s;

  void add(MonoTime now, bool failed);
  // A call that counted as a success has failed after all.
  void turn_success_into_failure(MonoTime now);
  void clear() { *this = {}; }

  [[nodiscard]] double failures(MonoTime now) const { return failures_ * fading(now); }
  [[nodiscard]] double attempts(MonoTime now) const { return (failures_ + successes_) * fading(now); }
  // Between 0 and 1; 0 without evidence.
  [[nodiscard]] double failure_rate() const;

  [[nodiscard]] bool broken() const;
  // In failures: one for each, less a good third for each success, never below zero.
  [[nodiscard]] double drift() const { return drift_; }
  // The last `run` outcomes were failures; what came before them is the target's ordinary behaviour.
  [[nodiscard]] double chance_of_run(std::uint32_t run) const { return chance_of_streak(run, run); }
  // Of `calls` that began one after the other so many are known to have failed, the first among them, and of the others nothing is
  // known yet. Not believed (at least one) of a target that little is known of. calls >= failures > 0.
  [[nodiscard]] double chance_of_streak(std::uint32_t failures, std::uint32_t calls) const;

 private:
  [[nodiscard]] double fading(MonoTime now) const;
  void fade(MonoTime now);

  // As of at_.
  double successes_ = 0;
  double failures_ = 0;
  double drift_ = 0;
  MonoTime at_{};
};

// The regularised incomplete beta function at one half: the probability that a rate is below one half when it is distributed
// as Beta(a, b). a, b > 0.
double beta_below_half(double a, double b);

}  // namespace outrigger::resilience
