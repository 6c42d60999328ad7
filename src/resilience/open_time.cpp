#include "resilience/open_time.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

constexpr double k_jitter = 0.2;

}  // namespace

void OpenTime::configure(Duration first, Duration max) {
  first_ = std::max(first, Duration(1));
  max_ = std::max(max, first_);
  next_ = std::clamp(next_, first_, max_);
}

Duration OpenTime::draw(Rng& rng) {
  const double base = static_cast<double>(next_.count());
  const double longest = std::min(base * (1 + k_jitter), static_cast<double>(max_.count()));
  const double shortest = base * (1 - k_jitter);
  const auto length = static_cast<Duration::rep>(shortest + (longest - shortest) * rng.unit());
  next_ = next_ > max_ / 2 ? max_ : next_ * 2;
  return Duration(std::max<Duration::rep>(length, 1));
}

}  // namespace outrigger::resilience
