#include "resilience/budget.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

using std::chrono::sys_days;
using namespace std::chrono;

WallTime at(int year, unsigned month, unsigned day, Duration of_day = 0s) {
  return sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
         duration_cast<milliseconds>(of_day);
}

constexpr NanoUsd k_usd = 1'000'000'000;

TEST_CASE("days and months are those of UTC") {
  struct Row {
    WallTime at;
    std::string_view day, month;
    WallTime next_day, next_month;
  };
  const Row rows[] = {
      {at(2026, 11, 26, 7h), "2026-11-26", "2026-11", at(2026, 11, 27), at(2026, 12, 1)},
      {at(2026, 11, 30, 24h - 1ms), "2026-11-30", "2026-11", at(2026, 12, 1), at(2026, 12, 1)},
      {at(2026, 12, 1), "2026-12-01", "2026-12", at(2026, 12, 2), at(2027, 1, 1)},
      {at(2026, 12, 31, 23h), "2026-12-31", "2026-12", at(2027, 1, 1), at(2027, 1, 1)},
      {at(2028, 2, 29, 1h), "2028-02-29", "2028-02", at(2028, 3, 1), at(2028, 3, 1)},
      {at(1970, 1, 1), "1970-01-01", "1970-01", at(1970, 1, 2), at(1970, 2, 1)},
      {at(1969, 12, 31, 12h), "1969-12-31", "1969-12", at(1970, 1, 1), at(1970, 1, 1)},
  };
  for (const Row& row : rows) {
    INFO(row.day);
    const std::int64_t day = period_at(Period::day, row.at), month = period_at(Period::month, row.at);
    CHECK(period_text(Period::day, day) == row.day);
    CHECK(period_text(Period::month, month) == row.month);
    CHECK(period_end(Period::day, day) == row.next_day);
    CHECK(period_end(Period::month, month) == row.next_month);
  }
}

TEST_CASE("money is counted in billionths of a dollar, and nothing makes it negative or endless") {
  CHECK(nano_usd(1.5) == 1'500'000'000);
  CHECK(nano_usd(0.02e-6) == 20);
  CHECK(nano_usd(0) == 0);
  CHECK(nano_usd(-3) == 0);
  CHECK(nano_usd(std::numeric_limits<double>::quiet_NaN()) == 0);
  CHECK(nano_usd(std::numeric_limits<double>::infinity()) == k_nano_usd_max);
  CHECK(nano_usd(1e30) == k_nano_usd_max);
  Budget budget;
  for (int i = 0; i < 20; ++i) budget.book(at(2026, 1, 1), k_nano_usd_max);
  CHECK(budget.spent(Period::day, at(2026, 1, 1)) == k_nano_usd_max);
}

TEST_CASE("who may go on") {
  struct Row {
    std::string_view name;
    std::optional<NanoUsd> day, month;
    NanoUsd spent, reserved, estimate;
    std::optional<Period> refused;
    bool is_spent;
  };
  const Row rows[] = {
      {"no budget", {}, {}, 1000 * k_usd, 1000 * k_usd, 1000 * k_usd, {}, false},
      {"nothing spent", 1 * k_usd, {}, 0, 0, k_usd / 2, {}, false},
      {"alone, though it may cost more than is left", 1 * k_usd, {}, k_usd - 1, 0, 5 * k_usd, {}, false},
      {"spent to the last", 1 * k_usd, {}, k_usd, 0, 0, Period::day, true},
      {"overspent", 1 * k_usd, {}, 3 * k_usd, 0, 0, Period::day, true},
      {"beside others, fits", 1 * k_usd, {}, 0, k_usd / 2, k_usd / 2, {}, false},
      {"beside others, does not fit", 1 * k_usd, {}, 0, k_usd / 2, k_usd / 2 + 1, Period::day, false},
      {"the month is spent, the day is not", 9 * k_usd, 1 * k_usd, k_usd, 0, 0, Period::month, true},
      {"both are spent: the longer one", 1 * k_usd, 1 * k_usd, k_usd, 0, 0, Period::month, true},
      {"the day is tight, the month is spent", 2 * k_usd, 1 * k_usd, k_usd, k_usd, k_usd, Period::month, true},
      {"the day is spent, the month is tight", 1 * k_usd, 2 * k_usd, k_usd, k_usd, k_usd, Period::day, true},
      {"costs nothing, beside others, to the last", 1 * k_usd, {}, k_usd / 2, k_usd / 2, 0, {}, false},
  };
  const WallTime now = at(2026, 11, 26, 7h);
  for (const Row& row : rows) {
    INFO(row.name);
    Budget budget;
    budget.book(now, row.spent);
    budget.reserve(row.reserved);
    const auto refusal = budget.refuses({row.day, row.month}, now, row.estimate);
    REQUIRE(refusal.has_value() == row.refused.has_value());
    if (!refusal) continue;
    CHECK(refusal->period == *row.refused);
    CHECK(refusal->is_spent == row.is_spent);
    CHECK(refusal->until == (*row.refused == Period::day ? at(2026, 11, 27) : at(2026, 12, 1)));
    CHECK(refusal->limit == (*row.refused == Period::day ? *row.day : *row.month));
  }
}

TEST_CASE("a budget begins anew at midnight, and the month's at the first") {
  const Budget::Limits limits{1 * k_usd, 2 * k_usd};
  Budget budget;
  budget.book(at(2026, 11, 29, 24h - 1ms), k_usd);
  CHECK(budget.refuses(limits, at(2026, 11, 29, 24h - 1ms), 0));
  CHECK_FALSE(budget.refuses(limits, at(2026, 11, 30), 0));
  budget.book(at(2026, 11, 30, 1h), k_usd);
  CHECK(budget.refuses(limits, at(2026, 11, 30, 2h), 0)->until == at(2026, 12, 1));
  CHECK_FALSE(budget.refuses(limits, at(2026, 12, 1), 0));
  CHECK(budget.spent(Period::day, at(2026, 12, 1)) == 0);
  CHECK(budget.spent(Period::month, at(2026, 12, 1)) == 0);
}

TEST_CASE("a clock that jumps hands out no budget twice") {
  const Budget::Limits limits{1 * k_usd, {}};
  Budget budget;
  budget.book(at(2026, 11, 26), k_usd);
  // Forth by a day, and back.
  CHECK_FALSE(budget.refuses(limits, at(2026, 11, 27), 0));
  budget.book(at(2026, 11, 27), k_usd);
  CHECK(budget.refuses(limits, at(2026, 11, 26, 1h), 0));
  // And when that day comes, it has been used already.
  CHECK(budget.refuses(limits, at(2026, 11, 27, 1h), 0));
  // A clock that was years ahead once does not spoil what comes.
  budget.book(at(2040, 1, 1), k_usd);
  CHECK(budget.refuses(limits, at(2026, 11, 26, 2h), 0));
  CHECK_FALSE(budget.refuses(limits, at(2026, 11, 28), 0));
}

TEST_CASE("so many days are remembered, those near the present longest") {
  Budget budget;
  for (unsigned day = 1; day <= 28; ++day) budget.book(at(2026, 1, day), k_usd);
  CHECK(budget.sums(Period::day).size() == Budget::k_sums_max);
  CHECK(budget.sums(Period::day).rbegin()->first == period_at(Period::day, at(2026, 1, 28)));
  CHECK(budget.spent(Period::month, at(2026, 1, 28)) == 28 * k_usd);
  budget.learn(Period::day, period_at(Period::day, at(2050, 1, 1)), k_usd, at(2026, 1, 28));
  budget.book(at(2026, 1, 29), k_usd);
  CHECK(budget.spent(Period::day, at(2050, 1, 1)) == 0);
  CHECK(budget.spent(Period::day, at(2026, 1, 28)) == k_usd);
}

TEST_CASE("what others spent counts, and what is given back does not") {
  const WallTime now = at(2026, 11, 26);
  const Budget::Limits limits{2 * k_usd, {}};
  Budget budget;
  budget.book(now, k_usd);
  budget.learn(Period::day, period_at(Period::day, now), k_usd, now);
  CHECK(budget.refuses(limits, now, 0)->is_spent);
  budget.learn(Period::day, period_at(Period::day, now), -5, now);  // damage
  CHECK(budget.spent(Period::day, now) == k_usd);
  budget.reserve(k_usd);
  CHECK_FALSE(budget.refuses(limits, now, 1)->is_spent);
  budget.release(k_usd);
  CHECK_FALSE(budget.refuses(limits, now, 1));
  CHECK(budget.reserved() == 0);
}

}  // namespace
}  // namespace outrigger::resilience
