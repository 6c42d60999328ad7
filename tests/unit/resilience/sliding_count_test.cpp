#include "resilience/sliding_count.h"

#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <utility>

#include "core/rng.h"
#include "slow.h"

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};
constexpr Duration k_span = SlidingCount::k_minute + SlidingCount::k_margin;

TEST_CASE("what was counted leaves a minute and the margin later, with its slot") {
  SlidingCount count;
  count.add(k_start, k_start, 2);
  const MonoTime gone = k_start + SlidingCount::k_slot + k_span;
  CHECK(count.total(k_start + k_span) == 2);
  CHECK(count.total(gone - k_tick) == 2);
  CHECK(count.total(gone) == 0);
  CHECK(count.down_to(k_start, 1) == gone);
  CHECK(count.down_to(k_start, 2) == k_start);
  CHECK(count.down_to(gone + 1h, 0) == gone + 1h);
}

TEST_CASE("what is taken back is that of its slot, and no more than that") {
  SlidingCount count;
  count.add(k_start, k_start, 5);
  count.add(k_start + 1s, k_start + 1s, 7);
  count.remove(k_start + 2s, k_start, 3);
  CHECK(count.total(k_start + 2s) == 9);
  count.remove(k_start + 2s, k_start, 3);
  CHECK(count.total(k_start + 2s) == 7);
  count.remove(k_start + 2s, k_start - 30s, 3);  // where nothing was counted
  CHECK(count.total(k_start + 2s) == 7);
  count.remove(k_start + 61s, k_start, 1);  // left already
  CHECK(count.total(k_start + 61s) == 7);
  CHECK(count.between(k_start, k_start + 2s) == 7);
  CHECK(count.between(k_start, k_start + 900ms) == 0);
}

TEST_CASE("what happened before the window or in the future does not spoil it") {
  SlidingCount count;
  count.add(k_start, k_start - 61s, 5);
  CHECK(count.total(k_start) == 0);
  count.add(k_start, k_start + 1h, 5);
  CHECK(count.total(k_start) == 5);
  CHECK(count.total(k_start + 61s) == 0);
}

TEST_CASE("it agrees with a list of everything") {
  Rng rng(11);
  SlidingCount count;
  std::deque<std::pair<MonoTime, std::uint64_t>> all;
  MonoTime now{};
  for (int i = 0; i < (k_is_slow ? 5'000 : 20'000); ++i) {
    now += Duration(static_cast<Duration::rep>(rng.below(rng.chance(0.01) ? 100'000'000'000 : 200'000'000)));
    const MonoTime at = now - Duration(static_cast<Duration::rep>(rng.below(rng.chance(0.3) ? 59'000'000'000 : 1)));
    const std::uint64_t n = rng.below(5);
    count.add(now, at, n);
    all.emplace_back(at, n);
    std::uint64_t least = 0;  // what must be counted, and what may be because of the slots
    std::uint64_t most = 0;
    for (const auto& [when, weight] : all) {
      if (when > now - k_span) least += weight;
      if (when > now - k_span - SlidingCount::k_slot) most += weight;
    }
    INFO("step " << i);
    const std::uint64_t total = count.total(now);
    REQUIRE(total >= least);
    REQUIRE(total <= most);
    const std::uint64_t fewer = rng.below(10);
    const MonoTime then = count.down_to(now, fewer);
    REQUIRE(count.total(then) <= fewer);
    if (then > now) REQUIRE(count.total(then - k_tick) > fewer);
    while (all.size() > 2000) all.pop_front();
  }
}

}  // namespace
}  // namespace outrigger::resilience
