// OpenTime: how long a target that has failed is left alone: the first time, doubled with every opening until somebody says that
// the target has recovered, never longer than the maximum. Jittered by a fifth, because replicas that lost the same target must
// not come back in step.
#pragma once

#include "core/rng.h"
#include "core/time.h"

namespace outrigger::resilience {

class OpenTime {
 public:
  // A maximum below the first time is raised to it; what is not positive becomes the smallest time there is.
  OpenTime(Duration first, Duration max) : next_(first) { configure(first, max); }

  // Keeps how far the doubling has come, within the new limits.
  void configure(Duration first, Duration max);

  // The length of this opening; the next one is twice as long.
  [[nodiscard]] Duration draw(Rng& rng);
  void reset() { next_ = first_; }

 private:
  Duration first_{};
  Duration max_{};  // jitter included
  Duration next_;   // before jitter
};

}  // namespace outrigger::resilience
