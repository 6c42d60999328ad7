#include "resilience/backoff.h"

#include <algorithm>

namespace outrigger::resilience {

Duration full_jitter(std::uint32_t attempt, Duration base, Duration cap, Rng& rng) {
  Duration most = std::clamp(base, Duration(0), std::max(cap, Duration(0)));
  for (std::uint32_t i = 0; i < attempt && most > Duration(0) && most < cap; ++i) most = most > cap / 2 ? cap : most * 2;
  return Duration(static_cast<Duration::rep>(static_cast<double>(most.count()) * rng.unit()));
}

}  // namespace outrigger::resilience
