#include "resilience/concurrency.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

using Kind = Concurrency::Kind;

constexpr std::uint32_t k_window = 10;  // samples

int acquire_all(Concurrency& concurrency, int most = 1000) {
  int count = 0;
  while (count < most && concurrency.try_acquire()) ++count;
  return count;
}

// A window of samples while so many are in flight.
void window(Concurrency& concurrency, std::uint32_t in_flight, Duration took) {
  while (concurrency.in_flight() > in_flight) concurrency.release();
  while (concurrency.in_flight() < in_flight && concurrency.try_acquire()) continue;
  for (std::uint32_t i = 0; i < k_window; ++i) concurrency.on_first_token(took);
}

// As many as may go, at a target that serves `room` at once and lets the others wait.
void saturate(Concurrency& concurrency, std::uint32_t room, Duration took, int windows) {
  for (int i = 0; i < windows; ++i) {
    const std::uint32_t limit = *concurrency.limit();
    window(concurrency, limit, limit <= room ? took : took * limit / room);
  }
}

TEST_CASE("concurrency: without a limit everybody goes") {
  Concurrency concurrency({});
  CHECK_FALSE(concurrency.limit());
  CHECK(acquire_all(concurrency) == 1000);
  CHECK(concurrency.has_room());
  CHECK(concurrency.in_flight() == 1000);
}

TEST_CASE("concurrency: a fixed limit holds exactly, and what is released can be taken again") {
  for (const std::uint32_t limit : {0u, 1u, 5u, 200u}) {
    INFO("limit " << limit);
    Concurrency concurrency({.kind = Kind::fixed, .limit = limit});
    const std::uint32_t expected = std::max(limit, 1u);
    CHECK(concurrency.limit() == expected);
    CHECK(acquire_all(concurrency) == static_cast<int>(expected));
    CHECK_FALSE(concurrency.has_room());
    concurrency.release();
    CHECK(concurrency.has_room());
    CHECK(concurrency.try_acquire());
    CHECK_FALSE(concurrency.try_acquire());
    for (int i = 0; i < 100; ++i) concurrency.on_first_token(1h);
    CHECK(concurrency.limit() == expected);
  }
}

TEST_CASE("concurrency: releasing what was not taken makes no room") {
  Concurrency concurrency({.kind = Kind::fixed, .limit = 2});
  concurrency.release();
  CHECK(acquire_all(concurrency) == 2);
}

TEST_CASE("concurrency: new settings keep what is in flight") {
  Concurrency concurrency({.kind = Kind::fixed, .limit = 5});
  CHECK(acquire_all(concurrency) == 5);
  concurrency.configure({.kind = Kind::fixed, .limit = 2});
  CHECK(concurrency.in_flight() == 5);
  for (int left = 4; left >= 2; --left) {
    concurrency.release();
    CHECK_FALSE(concurrency.try_acquire());
  }
  concurrency.release();
  CHECK(concurrency.try_acquire());
  concurrency.configure({.kind = Kind::none});
  CHECK(acquire_all(concurrency) == 1000);
  concurrency.configure({.kind = Kind::adaptive, .limit = 30});
  CHECK(concurrency.limit() == 30u);
  CHECK(concurrency.in_flight() == 1002);
}

TEST_CASE("concurrency: a learned limit outlives new settings, within their bounds") {
  Concurrency concurrency({.kind = Kind::adaptive, .limit = 20});
  saturate(concurrency, 1000, 300ms, 40);
  const auto learned = concurrency.limit();
  REQUIRE(*learned > 40);
  concurrency.configure({.kind = Kind::adaptive, .limit = 10, .ceiling = 300});
  CHECK(concurrency.limit() == learned);
  concurrency.configure({.kind = Kind::adaptive, .limit = 10, .ceiling = 40});
  CHECK(concurrency.limit() == 40u);
  concurrency.configure({.kind = Kind::adaptive, .floor = 50, .ceiling = 60});
  CHECK(concurrency.limit() == 50u);
  concurrency.configure({.kind = Kind::adaptive, .floor = 70, .ceiling = 60});
  CHECK(concurrency.limit() == 70u);
}

TEST_CASE("concurrency: one window of Gradient2, by the formula") {
  struct Case {
    std::uint32_t limit;
    Duration usual;
    Duration recent;
    double expected;
  };
  // usual = 2/601 of the way to the recent one.
  const auto after = [](double usual, double recent) { return usual + 2.0 / 601 * (recent - usual); };
  for (const Case& c : {
           Case{40, 1s, 1s, 40 * 0.8 + 0.2 * (40 + 4)},
           Case{40, 1s, 1400ms, 40 * 0.8 + 0.2 * (40 + 4)},  // within the tolerance
           Case{40, 1s, 2s, 40 * 0.8 + 0.2 * (40 * 1.5 * after(1, 2) / 2 + 4)},
           Case{40, 1s, 100s, 40 * 0.8 + 0.2 * (40 * 0.5 + 4)},  // an outlier halves at most
           Case{8, 1s, 1s, 8 * 0.8 + 0.2 * (8 + 2)},             // less room to rise where the limit is small
       }) {
    Concurrency concurrency({.kind = Kind::adaptive, .limit = c.limit});
    // Learned while hardly anybody comes, so that the limit stays.
    for (int i = 0; i < 10; ++i) window(concurrency, 1, c.usual);
    REQUIRE(concurrency.limit() == c.limit);
    window(concurrency, c.limit, c.recent);
    INFO("limit " << c.limit << ", recent " << seconds(c.recent));
    CHECK(concurrency.limit() == static_cast<std::uint32_t>(c.expected));
  }
}

TEST_CASE("concurrency: no growth if less than half of the limit was in use") {
  for (const std::uint32_t in_flight : {1u, 9u, 10u, 20u}) {
    INFO(in_flight << " in flight");
    Concurrency concurrency({.kind = Kind::adaptive, .limit = 20});
    window(concurrency, in_flight, 300ms);
    CHECK(concurrency.limit() == 20u);
    window(concurrency, 20, 300ms);
    // By 0.8 with every window that counts.
    CHECK(concurrency.limit() == (in_flight >= 10 ? 21u : 20u));
  }
}

TEST_CASE("concurrency: the most that was in flight in a window counts, not what is left at its end") {
  Concurrency concurrency({.kind = Kind::adaptive, .limit = 20});
  window(concurrency, 0, 300ms);
  CHECK(acquire_all(concurrency, 20) == 20);
  while (concurrency.in_flight() > 0) concurrency.release();
  for (std::uint32_t i = 0; i < 2 * k_window; ++i) concurrency.on_first_token(300ms);
  CHECK(concurrency.limit() == 20u);  // 20 + 0.8: one window grew, the next did not
  window(concurrency, 20, 300ms);
  CHECK(concurrency.limit() == 21u);
}

TEST_CASE("concurrency: the limit settles at two and a half times what the target serves at once, at most") {
  struct Case {
    std::uint32_t room;
    std::uint32_t least;
    std::uint32_t most;
  };
  for (const Case c : {Case{3, 3, 8}, {8, 8, 20}, {40, 40, 60}, {1000, 59, 60}}) {
    INFO("room for " << c.room);
    Concurrency concurrency({.kind = Kind::adaptive, .limit = std::min(c.room, 20u), .floor = 2, .ceiling = 200});
    saturate(concurrency, c.room, 300ms, 50);
    CHECK(*concurrency.limit() >= c.least);
    CHECK(*concurrency.limit() <= c.most);
  }
}

TEST_CASE("concurrency: a brown-out shrinks the limit, never below the floor, and it grows again") {
  Concurrency concurrency({.kind = Kind::adaptive, .limit = 20, .floor = 2, .ceiling = 100});
  saturate(concurrency, 1000, 300ms, 150);
  REQUIRE(concurrency.limit() == 100u);
  saturate(concurrency, 1000, 15s, 5);
  CHECK(*concurrency.limit() < 70);
  saturate(concurrency, 1000, 15s, 10);
  CHECK(*concurrency.limit() < 40);
  CHECK(*concurrency.limit() >= 2);
  saturate(concurrency, 1000, 300ms, 150);
  CHECK(concurrency.limit() == 100u);
}

TEST_CASE("concurrency: what was usual in a time of trouble is let go of quickly") {
  Concurrency concurrency({.kind = Kind::adaptive, .limit = 20});
  for (int i = 0; i < 10; ++i) window(concurrency, 1, 10s);
  for (int i = 0; i < 20; ++i) window(concurrency, 1, 1s);
  window(concurrency, 20, 4s);
  CHECK(*concurrency.limit() < 20);
}

TEST_CASE("concurrency: times that can't be harm nothing") {
  Concurrency concurrency({.kind = Kind::adaptive, .limit = 20});
  window(concurrency, 20, 0s);
  window(concurrency, 20, -5s);
  window(concurrency, 20, Duration::max());
  CHECK(*concurrency.limit() >= 2);
  CHECK(*concurrency.limit() <= 200);
}

TEST_CASE("concurrency: kinds have names") {
  CHECK(name(Kind::none) == "none");
  CHECK(name(Kind::fixed) == "fixed");
  CHECK(name(Kind::adaptive) == "adaptive");
}

}  // namespace
}  // namespace outrigger::resilience
