#include "resilience/retry_budget.h"

#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"

namespace outrigger::resilience {
namespace {

constexpr MonoTime k_start{1h};
constexpr Duration k_tick{1};

int withdraw_all(RetryBudget& budget, MonoTime now) {
  int count = 0;
  while (count < 100000 && budget.withdraw(now)) ++count;
  return count;
}

TEST_CASE("retry budget: a share of the requests, and a reserve that nobody has to earn") {
  struct Case {
    double ratio;
    std::uint32_t burst;
    int requests;
    int retries;
  };
  for (const Case c : {Case{0.1, 10, 0, 10},
                       {0.1, 10, 9, 10},
                       {0.1, 10, 10, 11},
                       {0.1, 10, 1000, 110},
                       {0.1, 0, 9, 0},
                       {0.1, 0, 10, 1},
                       {0.1, 0, 30, 3},
                       {0.2, 5, 100, 25},
                       {0.29, 0, 100, 29},
                       {1, 0, 7, 7},
                       {2, 0, 7, 14},
                       {0, 10, 1000, 0},
                       {-1, 10, 1000, 0}}) {
    RetryBudget budget({.ratio = c.ratio, .burst = c.burst});
    for (int i = 0; i < c.requests; ++i) budget.deposit(k_start);
    INFO("ratio " << c.ratio << ", burst " << c.burst << ", " << c.requests << " requests");
    CHECK(budget.balance(k_start) == c.retries);
    CHECK(withdraw_all(budget, k_start) == c.retries);
    CHECK_FALSE(budget.withdraw(k_start));
  }
}

TEST_CASE("retry budget: the reserve comes back ten seconds later and not a tick before") {
  RetryBudget budget({});
  CHECK(withdraw_all(budget, k_start) == 10);
  CHECK_FALSE(budget.withdraw(k_start + 10s - k_tick));
  CHECK(withdraw_all(budget, k_start + 10s) == 10);
}

TEST_CASE("retry budget: what requests have earned is gone with them") {
  RetryBudget budget({.ratio = 0.1, .burst = 0});
  for (int i = 0; i < 100; ++i) budget.deposit(k_start);
  CHECK(budget.balance(k_start + 10s - k_tick) == 10);
  CHECK(budget.balance(k_start + 10s) == 0);
  CHECK(budget.balance(k_start + 20s) == 0);
  CHECK(budget.balance(k_start + 24h) == 0);
}

TEST_CASE("retry budget: retries that outlive the requests that earned them are owed") {
  RetryBudget budget({.ratio = 0.1, .burst = 0});
  for (int i = 0; i < 100; ++i) budget.deposit(k_start);
  CHECK(withdraw_all(budget, k_start + 5s) == 10);
  CHECK(budget.balance(k_start + 10s) == -10);
  for (int i = 0; i < 100; ++i) budget.deposit(k_start + 10s);
  CHECK_FALSE(budget.withdraw(k_start + 10s));
  CHECK(budget.balance(k_start + 15s) == 10);
}

TEST_CASE("retry budget: in the long run a tenth, however much is asked for") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    RetryBudget budget({});
    MonoTime now = k_start;
    int requests = 0;
    int retries = 0;
    for (; now < k_start + 10min; now += Duration(1 + rng.below(40'000'000))) {
      budget.deposit(now);
      ++requests;
      while (budget.withdraw(now)) ++retries;
    }
    // The reserve is one in a second.
    CHECK(retries <= requests / 10 + 600 + 10);
    CHECK(retries >= requests / 10 + 500);
  }
}

TEST_CASE("retry budget: a quiet service may retry every request") {
  RetryBudget budget({});
  for (int i = 0; i < 100; ++i) {
    budget.deposit(k_start + i * 1s);
    CHECK(budget.withdraw(k_start + i * 1s));
  }
}

TEST_CASE("retry budget: new settings weigh what was counted before") {
  RetryBudget budget({.ratio = 0.1, .burst = 0});
  for (int i = 0; i < 100; ++i) budget.deposit(k_start);
  CHECK(withdraw_all(budget, k_start) == 10);
  budget.configure({.ratio = 0.3, .burst = 5});
  CHECK(budget.balance(k_start) == 25);
  budget.configure({.ratio = 0, .burst = 5});
  CHECK_FALSE(budget.withdraw(k_start));
}

}  // namespace
}  // namespace outrigger::resilience
