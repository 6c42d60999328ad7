#include "resilience/backoff.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

TEST_CASE("backoff: anything up to the exponential time, and up to the cap") {
  struct Case {
    std::uint32_t attempt;
    Duration base;
    Duration cap;
    Duration most;
  };
  for (const Case c : {Case{0, 100ms, 10s, 100ms},
                       {1, 100ms, 10s, 200ms},
                       {4, 100ms, 10s, 1600ms},
                       {6, 100ms, 10s, 6400ms},
                       {7, 100ms, 10s, 10s},
                       {8, 100ms, 10s, 10s},
                       {4'000'000'000u, 100ms, 10s, 10s},
                       {0, 20s, 10s, 10s},
                       {70, 1s, Duration::max(), Duration::max()},
                       {3, 0s, 10s, 0s},
                       {3, -1s, 10s, 0s},
                       {3, 1s, 0s, 0s},
                       {3, 1s, -1s, 0s}}) {
    INFO("attempt " << c.attempt << ", base " << seconds(c.base) << ", cap " << seconds(c.cap));
    Rng rng(11);
    Duration least = Duration::max();
    Duration most = Duration(0);
    double sum = 0;
    constexpr int k_draws = 2000;
    for (int i = 0; i < k_draws; ++i) {
      const Duration wait = full_jitter(c.attempt, c.base, c.cap, rng);
      least = std::min(least, wait);
      most = std::max(most, wait);
      sum += seconds(wait) / k_draws;
    }
    CHECK(least >= Duration(0));
    CHECK(most <= c.most);
    // Uniform: it reaches both ends, and its mean is in the middle.
    CHECK(seconds(least) <= 0.01 * seconds(c.most));
    CHECK(seconds(most) >= 0.99 * seconds(c.most));
    CHECK(sum >= 0.45 * seconds(c.most));
    CHECK(sum <= 0.55 * seconds(c.most));
  }
}

}  // namespace
}  // namespace outrigger::resilience
