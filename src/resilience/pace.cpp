#include "resilience/pace.h"

namespace outrigger::resilience {
namespace {

constexpr double k_decrease = 0.9;
// How far one rejection may lower a ceiling that was known: a provider that counts by the minute rejects for a while after what
// was too much, and that must not look like a limit near zero.
constexpr double k_drop = 0.7;
constexpr double k_drop_in_all = 0.5;  // when a whole minute tells
// Each time the ceiling is found, what is under way then is rejected: one or two requests, and some 100 ms of the rate. A longer
// climb means fewer rejections where the ceiling is real, and a longer time of too few requests where it was not: a provider
// may have rejected for reasons of its own. So that is forgotten after three minutes at the most.
constexpr double k_climb_seconds = 20;
constexpr double k_climb_requests = 200;
constexpr double k_climb_max_seconds = 60;
// How fast the rate grows beyond the ceiling: by half in about one climb.
constexpr double k_haste = 4;
constexpr double k_forgotten_climbs = 3;
constexpr double k_forgotten_seconds = 60;
// A rate of zero would never learn that it is wrong.
constexpr double k_rate_min = 1.0 / 30;
// A few may follow each other at once until that turns out to be what is rejected: 60 a minute may mean one a second.
constexpr double k_burst = 3;
constexpr double k_second = 0.9;  // what the caller counts is not quite a second

Duration as_duration(double seconds) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)); }

}  // namespace

void Pace::reduce(MonoTime now, MonoTime from, double accepted, std::uint64_t in_a_second) {
  double burst = k_burst;
  if (const std::optional<double> known = rate(now)) {
    burst = reduced_->burst;
    accepted = std::clamp(accepted, *known * k_drop, *known);
    if (burst > 1 && static_cast<double>(in_a_second) > *known * k_second + 1) {
      burst = 1;
      accepted = *known / k_decrease;  // the rate itself was not tried
    }
  }
  set(from, accepted, burst);
}

void Pace::lower(MonoTime now, double accepted) {
  const std::optional<double> known = rate(now);
  if (known && accepted < *known) set(now, std::max(accepted, *known * k_drop_in_all), reduced_->burst);
}

void Pace::set(MonoTime from, double ceiling, double burst) {
  ceiling = std::max(ceiling, k_rate_min);
  reduced_ = Reduced{from, ceiling, std::min(k_climb_seconds + k_climb_requests / ceiling, k_climb_max_seconds), burst};
}

std::optional<double> Pace::rate(MonoTime now) const {
  if (!reduced_) return std::nullopt;
  const double passed = std::max(seconds(now - reduced_->from), 0.0);
  if (passed >= std::max(k_forgotten_climbs * reduced_->climb, k_forgotten_seconds)) return std::nullopt;
  const double climbed = passed / reduced_->climb;
  if (climbed <= 1) return reduced_->ceiling * (k_decrease + (1 - k_decrease) * climbed);
  const double beyond = climbed - 1;
  return reduced_->ceiling * (1 + (1 - k_decrease) * beyond * (1 + k_haste * beyond));
}

MonoTime Pace::earliest(MonoTime now) const {
  const std::optional<double> rate_now = rate(now);
  return rate_now ? smoother_.earliest(now, as_duration((reduced_->burst - 1) / *rate_now)) : now;
}

void Pace::take(MonoTime now, double n) {
  if (const std::optional<double> rate_now = rate(now)) smoother_.take(now, as_duration(n / *rate_now));
}

void Pace::give_back(MonoTime now, double n) {
  if (const std::optional<double> rate_now = rate(now)) smoother_.give_back(now, as_duration(n / *rate_now));
}

}  // namespace outrigger::resilience
