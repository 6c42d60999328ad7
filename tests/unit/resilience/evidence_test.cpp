#include "resilience/evidence.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

namespace outrigger::resilience {
namespace {

constexpr MonoTime k_start{1h};

Evidence outcomes(int successes, int failures) {
  Evidence evidence;
  for (int i = 0; i < successes; ++i) evidence.add(k_start, false);
  for (int i = 0; i < failures; ++i) evidence.add(k_start, true);
  return evidence;
}

TEST_CASE("the beta function at one half agrees with the binomial distribution") {
  // For whole a and b: P(rate < 1/2) = P(Binomial(a + b - 1, 1/2) >= a).
  for (int a = 1; a <= 40; ++a) {
    for (int b = 1; b <= 40; ++b) {
      const int n = a + b - 1;
      double expected = 0;
      for (int k = a; k <= n; ++k) {
        expected += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) - n * std::log(2.0));
      }
      INFO("a " << a << ", b " << b);
      CHECK(beta_below_half(a, b) == Catch::Approx(expected).margin(1e-9));
    }
  }
}

TEST_CASE("the beta function at one half keeps its symmetry where nothing is whole, and at a size no target reaches") {
  for (const double a : {0.5, 1.3, 17.25, 900.5, 50000.0}) {
    CHECK(beta_below_half(a, a) == Catch::Approx(0.5).margin(1e-6));
    for (const double b : {0.7, 3.9, 1000.0}) {
      CHECK(beta_below_half(a, b) + beta_below_half(b, a) == Catch::Approx(1.0).margin(1e-9));
    }
  }
}

TEST_CASE("few outcomes are enough if they agree, and the more there are the smaller a majority is") {
  struct Case {
    int successes;
    int failures;
    bool broken;
  };
  for (const Case c : {Case{0, 0, false},
                       {0, 3, false},
                       {0, 4, true},
                       {1, 5, false},
                       {1, 6, true},
                       {2, 6, false},
                       {2, 7, false},
                       {2, 8, true},
                       {40, 40, false},
                       {40, 55, false},
                       {40, 60, true},
                       {60, 40, false},
                       {1000, 30, false}}) {
    INFO(c.successes << " successes, " << c.failures << " failures");
    CHECK(outcomes(c.successes, c.failures).broken() == c.broken);
  }
}

TEST_CASE("outcomes count half after the half-life") {
  Evidence evidence = outcomes(6, 2);
  CHECK(evidence.attempts(k_start) == Catch::Approx(8));
  CHECK(evidence.attempts(k_start + Evidence::k_half_life) == Catch::Approx(4));
  CHECK(evidence.failures(k_start + 2 * Evidence::k_half_life) == Catch::Approx(0.5));
  evidence.add(k_start + Evidence::k_half_life, true);
  CHECK(evidence.failures(k_start + Evidence::k_half_life) == Catch::Approx(2));
  CHECK(evidence.failure_rate() == Catch::Approx(2.0 / 5));
}

TEST_CASE("time that goes backwards changes nothing that is known") {
  Evidence evidence = outcomes(1, 1);
  evidence.add(k_start - 1h, true);
  CHECK(evidence.attempts(k_start) == Catch::Approx(3));
}

TEST_CASE("without outcomes there is no rate") { CHECK(Evidence().failure_rate() == 0); }

TEST_CASE("a success whose stream died is a failure and a success no more") {
  Evidence evidence = outcomes(3, 0);
  evidence.turn_success_into_failure(k_start);
  CHECK(evidence.attempts(k_start) == Catch::Approx(3));
  CHECK(evidence.failures(k_start) == Catch::Approx(1));
}

TEST_CASE("drift rises by one with a failure, falls by a third with a success, and not below zero") {
  CHECK(outcomes(100, 0).drift() == 0);
  Evidence evidence = outcomes(100, 3);
  CHECK(evidence.drift() == Catch::Approx(3));
  evidence.add(k_start, false);
  CHECK(evidence.drift() == Catch::Approx(3 - std::log(0.9 / 0.5) / std::log(0.5 / 0.1)).margin(1e-3));
}

TEST_CASE("a run is due to chance only where errors are ordinary and calls are many") {
  struct Case {
    int successes;
    int failures;  // before the run
    std::uint32_t run;
    double expected;
  };
  for (const Case c : {Case{0, 0, 3, 0},
                       {48, 1, 3, 0},
                       {49, 1, 3, 50 * std::pow(1.0 / 50, 3)},
                       {1000, 0, 3, 0},
                       {2522, 78, 3, 2600 * std::pow(0.03, 3)},
                       {2522, 78, 5, 2600 * std::pow(0.03, 5)}}) {
    Evidence evidence = outcomes(c.successes, c.failures);
    for (std::uint32_t i = 0; i < c.run; ++i) evidence.add(k_start, true);
    INFO(c.successes << " successes, " << c.failures << " failures, then " << c.run);
    CHECK(evidence.chance_of_run(c.run) == Catch::Approx(c.expected).margin(1e-12));
    // In two calls more there are as many places for the others as there are ways to choose them.
    const double ways = (c.run + 1) * c.run / 2.0;
    const bool is_known = c.successes + c.failures >= 50;
    if (is_known) {
      CHECK(evidence.chance_of_streak(c.run, c.run + 2) == Catch::Approx(c.expected * ways).margin(1e-12));
    } else {
      CHECK(evidence.chance_of_streak(c.run, c.run + 2) >= 1);
    }
  }
}

}  // namespace
}  // namespace outrigger::resilience
