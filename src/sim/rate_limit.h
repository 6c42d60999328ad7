// RateLimit: so much a minute, with a burst, as providers count it (GCRA: exact in integers, one number of state). Pure.
//
// `full_at_` is when the whole burst is there again; each unit taken moves it one `gap_` later.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/time.h"

namespace outrigger::sim_provider {

class RateLimit {
 public:
  RateLimit(std::uint64_t per_minute, std::uint64_t burst)
      : limit_(per_minute), burst_(burst), gap_(Duration(1min) / static_cast<Duration::rep>(per_minute)) {}

  struct Verdict {
    bool allowed = true;
    std::uint64_t limit = 0;
    std::uint64_t remaining = 0;
    Duration reset{};        // until the whole burst is there again
    Duration retry_after{};  // until this very request would be allowed
  };

  // Takes `units`, or nothing when they are not all there. More than the burst holds is cut to the burst.
  Verdict take(std::uint64_t units, MonoTime now) {
    const MonoTime full_at = std::max(full_at_, now);
    const Duration cost = gap_ * static_cast<Duration::rep>(std::min(units, burst_));
    const Duration most = gap_ * static_cast<Duration::rep>(burst_);
    const Duration over = full_at + cost - now - most;
    Verdict verdict{over <= 0s, limit_, 0, {}, std::max(over, Duration(0))};
    if (verdict.allowed) full_at_ = full_at + cost;
    verdict.reset = std::max(full_at_ - now, Duration(0));
    verdict.remaining = static_cast<std::uint64_t>((most - verdict.reset) / gap_);
    return verdict;
  }

 private:
  std::uint64_t limit_, burst_;
  Duration gap_;
  MonoTime full_at_{};
};

}  // namespace outrigger::sim_provider
