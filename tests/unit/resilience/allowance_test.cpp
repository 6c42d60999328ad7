#include "resilience/allowance.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

constexpr MonoTime k_start{1h};

TEST_CASE("so many requests in any minute, and the time to come again") {
  const Allowance::Limits limits{3, {}};
  Allowance allowance;
  CHECK_FALSE(allowance.enter(limits, k_start));
  CHECK_FALSE(allowance.enter(limits, k_start + 10s));
  CHECK_FALSE(allowance.enter(limits, k_start + 10s));
  for (const Duration later : {10s, 30s, 59s}) {
    const auto until = allowance.enter(limits, k_start + later);
    REQUIRE(until);
    CHECK(*until > k_start + 1min);
    CHECK(*until <= k_start + 1min + 300ms);
  }
  CHECK(allowance.requests(k_start + 59s) == 3);  // what was refused does not count
  CHECK_FALSE(allowance.enter(limits, *allowance.enter(limits, k_start + 59s)));
  // The next place is free when the second one has left.
  const auto until = allowance.enter(limits, k_start + 61s);
  REQUIRE(until);
  CHECK(*until > k_start + 70s);
}

TEST_CASE("without limits all are counted and none is refused, so that a limit of later finds them") {
  Allowance allowance;
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(allowance.enter({}, k_start));
  CHECK_FALSE(allowance.refuses({}, k_start, 1'000'000));
  CHECK(allowance.enter({10, {}}, k_start + 1s));
}

TEST_CASE("tokens count by estimate until they are known") {
  const Allowance::Limits limits{{}, 1000};
  Allowance allowance;
  CHECK_FALSE(allowance.refuses(limits, k_start, 600));
  const auto first = allowance.reserve(k_start, 600);
  CHECK_FALSE(allowance.refuses(limits, k_start, 400));
  CHECK(allowance.refuses(limits, k_start, 401));
  // It took less.
  allowance.settle(k_start + 5s, first, 100);
  CHECK(allowance.tokens(k_start + 5s) == 100);
  CHECK_FALSE(allowance.refuses(limits, k_start + 5s, 900));
  // It took more, and so long that its estimate has left: the rest counts from the end.
  const auto second = allowance.reserve(k_start + 5s, 200);
  allowance.settle(k_start + 2min, second, 900);
  CHECK(allowance.tokens(k_start + 2min) == 700);
  CHECK(allowance.refuses(limits, k_start + 2min, 301));
  CHECK(*allowance.refuses(limits, k_start + 2min, 301) > k_start + 3min);
}

TEST_CASE("a request larger than a whole minute's tokens goes on when nothing else counts") {
  const Allowance::Limits limits{{}, 1000};
  Allowance allowance;
  CHECK_FALSE(allowance.refuses(limits, k_start, 5000));
  const auto reserved = allowance.reserve(k_start, 5000);
  CHECK(allowance.refuses(limits, k_start + 1s, 1));
  allowance.settle(k_start + 2s, reserved, 0);
  CHECK_FALSE(allowance.refuses(limits, k_start + 2s, 1000));
}

}  // namespace
}  // namespace outrigger::resilience
