#include "resilience/recent_count.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};

TEST_CASE("what was counted stays for the span at least, and for a slot more at most") {
  for (const Duration offset : {Duration(0), Duration(1), Duration(20ms), RecentCount::k_slot - k_tick}) {
    RecentCount count;
    const MonoTime at = MonoTime(1h) + offset;
    count.add(at, 3);
    CHECK(count.total(at) == 3);
    CHECK(count.total(at + RecentCount::k_span) == 3);
    CHECK(count.empty_at() > at + RecentCount::k_span);
    CHECK(count.empty_at() <= at + RecentCount::k_span + RecentCount::k_slot);
    CHECK(count.total(count.empty_at() - k_tick) == 3);
    CHECK(count.total(count.empty_at()) == 0);
    CHECK(count.total(at + 1h) == 0);
  }
}

TEST_CASE("slots are used again without what was in them") {
  RecentCount count;
  for (int i = 0; i < 1000; ++i) count.add(MonoTime(i * 10ms), 1);
  CHECK(count.total(MonoTime(9990ms)) == 30);  // the slot that it is in, and the five before it
  count.add(MonoTime(1h), 7);
  CHECK(count.total(MonoTime(1h)) == 7);
  CHECK(RecentCount().total(MonoTime(1h)) == 0);
}

}  // namespace
}  // namespace outrigger::resilience
