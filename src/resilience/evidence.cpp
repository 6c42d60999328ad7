#include "resilience/evidence.h"

#include <algorithm>
#include <cmath>

namespace outrigger::resilience {
namespace {

// Beta(1, 1) as prior, that is, nothing is known: four failures of four (0.97), six of seven or eight of ten are enough;
// three of three (0.94) are not.
constexpr double k_sure = 0.95;

// Page's cumulative sum (Biometrika 1954): each outcome adds the logarithm of how much better a rate of 50 % failures explains
// it than one of 10 %. In units of one failure, log(0.5 / 0.1), a success weighs log(0.5 / 0.9) / log(0.5 / 0.1).
constexpr double k_success_drift = -0.3652;

// Below this many remembered attempts (a call or so a second) a run by chance is rare in time however it looks per attempt.
constexpr double k_busy = 50;

}  // namespace

void Evidence::add(MonoTime now, bool failed) {
  fade(now);
  (failed ? failures_ : successes_) += 1;
  drift_ = std::max(drift_ + (failed ? 1 : k_success_drift), 0.0);
}

void Evidence::turn_success_into_failure(MonoTime now) {
  add(now, true);
  successes_ = std::max(successes_ - 1, 0.0);
  drift_ -= k_success_drift;
}

double Evidence::failure_rate() const {
  const double all = failures_ + successes_;
  return all > 0 ? failures_ / all : 0;
}

bool Evidence::broken() const {
  // Cheap first: with fewer failures than successes the answer is no.
  return failures_ > successes_ && beta_below_half(1 + successes_, 1 + failures_) > k_sure;
}

double Evidence::chance_of_streak(std::uint32_t failures, std::uint32_t calls) const {
  const double before = failures_ + successes_ - failures;
  if (before < k_busy) return calls > failures ? before + 1 : 0;
  const double ordinary = std::max(failures_ - failures, 0.0) / before;
  // The places of the others among the calls behind the first.
  double ways = 1;
  for (std::uint32_t i = 1; i < failures; ++i) ways = ways * (calls - i) / i;
  return before * ways * std::pow(ordinary, failures);
}

double Evidence::fading(MonoTime now) const {
  return now <= at_ ? 1 : std::exp2(-seconds(now - at_) / seconds(k_half_life));
}

void Evidence::fade(MonoTime now) {
  const double factor = fading(now);
  successes_ *= factor;
  failures_ *= factor;
  drift_ *= factor;
  at_ = std::max(at_, now);
}

double beta_below_half(double a, double b) {
  // I_x(a, b) = 1 - I_{1-x}(b, a); the continued fraction converges quickly only where x < (a + 1) / (a + b + 2).
  if (a < b) return 1 - beta_below_half(b, a);
  // Continued fraction of Abramowitz and Stegun 26.5.8, evaluated from the front (Lentz 1976):
  //   I_x(a, b) = x^a (1-x)^b / (a B(a, b)) * 1/(1 + d1/(1 + d2/(1 + ...)))
  //   d(2m) = m (b-m) x / ((a+2m-1)(a+2m)),   d(2m+1) = -(a+m)(a+b+m) x / ((a+2m)(a+2m+1))
  constexpr double x = 0.5;
  constexpr double k_tiny = 1e-300;  // stands for a zero that would be divided by
  constexpr int k_max_terms = 2000;  // some sqrt(max(a, b)) are needed
  const auto unless_zero = [](double value) { return std::abs(value) < k_tiny ? k_tiny : value; };
  double fraction = 1;
  double c = 1;
  double d = 0;
  for (int i = 0; i <= k_max_terms; ++i) {
    const double m = i / 2;
    double term = 1;
    if (i > 0 && i % 2 == 0) term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    if (i % 2 == 1) term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / unless_zero(1 + term * d);
    c = unless_zero(1 + term / c);
    const double step = c * d;
    fraction *= step;
    if (i > 0 && std::abs(step - 1) < 1e-10) break;
  }
  const double log_front = (a + b) * std::log(x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  return std::clamp(std::exp(log_front) / a * (fraction - 1), 0.0, 1.0);
}

}  // namespace outrigger::resilience
