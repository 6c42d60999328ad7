// RateLimit: so much a minute, with a burst, as providers count it (GCRA: exact in integers, one number of state). Pure.
// WindowLimit: so many requests in any stretch of time, refused ones included, as providers count that are asked again too soon.
//
// `full_at_` is when the whole burst is there again; each unit taken moves it one `gap_` later.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

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

class WindowLimit {
 public:
  WindowLimit(std::uint64_t most, Duration window) : most_(most), window_(window) {}

  // Counts the request, whatever becomes of it. Knocking on without end keeps the door shut.
  RateLimit::Verdict take(MonoTime now) {
    while (!times_.empty() && times_.front() + window_ <= now) times_.pop_front();
    times_.push_back(now);
    // Older ones than the last `most` cannot change a verdict any more.
    if (times_.size() > most_ + 1) times_.pop_front();
    RateLimit::Verdict verdict{times_.size() <= most_, most_, 0, times_.back() + window_ - now, {}};
    if (verdict.allowed) {
      verdict.remaining = most_ - times_.size();
    } else {
      // The next one is served when one fewer than `most_` of these are still counted.
      verdict.retry_after = times_[1] + window_ - now;
    }
    return verdict;
  }

 private:
  std::uint64_t most_;
  Duration window_;
  std::deque<MonoTime> times_;  // of the last most_ + 1 requests, at most
};

}  // namespace outrigger::sim_provider
