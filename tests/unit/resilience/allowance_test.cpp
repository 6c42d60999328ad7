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
  CHECK(allowance.refuses(limits, k_start + 2min, 301)->until > k_start + 3min);
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

TEST_CASE("what is only reserved is told from what was used") {
  const Allowance::Limits limits{{}, 1000};
  Allowance allowance;
  const auto first = allowance.reserve(k_start, 600);
  REQUIRE(allowance.refuses(limits, k_start, 401));
  CHECK_FALSE(allowance.refuses(limits, k_start, 401)->is_used);
  allowance.settle(k_start + 5s, first, 700);  // 600 count from the start, 100 from here
  const auto refused = allowance.refuses(limits, k_start + 5s, 401);
  REQUIRE(refused);
  CHECK(refused->is_used);
  CHECK(refused->until > k_start + 1min);
  CHECK(refused->until < k_start + 1min + 1s);
  CHECK_FALSE(allowance.refuses(limits, refused->until, 401));
  CHECK(allowance.tokens(refused->until) == 100);
  // Two reserved in one moment: each gives back its own.
  const auto second = allowance.reserve(refused->until, 300), third = allowance.reserve(refused->until, 200);
  allowance.settle(refused->until + 1s, second, 10);
  CHECK(allowance.tokens(refused->until + 1s) == 100 + 10 + 200);
  allowance.settle(refused->until + 1s, third, 0);
  CHECK(allowance.tokens(refused->until + 1s) == 110);
}

TEST_CASE("a guess, and what is larger than the limit, goes on alone as long as anything is left") {
  const Allowance::Limits limits{{}, 1000};
  for (const auto& [tokens, is_guess] : {std::pair(900U, true), std::pair(5000U, true), std::pair(5000U, false)}) {
    CAPTURE(tokens, is_guess);
    Allowance allowance;
    allowance.settle(k_start, allowance.reserve(k_start, 0), 500);
    CHECK_FALSE(allowance.refuses(limits, k_start + 1s, tokens, is_guess));
    // Not beside another one, which will be over soon.
    const auto beside = allowance.reserve(k_start + 1s, 1);
    REQUIRE(allowance.refuses(limits, k_start + 1s, tokens, is_guess));
    CHECK_FALSE(allowance.refuses(limits, k_start + 1s, tokens, is_guess)->is_used);
    allowance.settle(k_start + 2s, beside, 499);
    CHECK_FALSE(allowance.refuses(limits, k_start + 2s, tokens, is_guess));
    allowance.settle(k_start + 3s, allowance.reserve(k_start + 3s, 0), 1);
    const auto refused = allowance.refuses(limits, k_start + 3s, tokens, is_guess);
    REQUIRE(refused);
    CHECK(refused->is_used);
    CHECK_FALSE(allowance.refuses(limits, refused->until, tokens, is_guess));
  }
  // What is known, and fits into a minute, waits until it fits.
  Allowance allowance;
  allowance.settle(k_start, allowance.reserve(k_start, 0), 500);
  CHECK(allowance.refuses(limits, k_start + 1s, 900)->is_used);
}

}  // namespace
}  // namespace outrigger::resilience
