#include "resilience/service_rate.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};

bool near(double value, double wanted) { return value > wanted * 0.99 && value < wanted * 1.01; }

struct Bench {
  ServiceRate rate;
  MonoTime now = k_start;
  Bench() { rate.on_busy(now); }
  void serve(int times, Duration apart, std::uint64_t cost) {
    for (int i = 0; i < times; ++i) rate.on_served(now += apart, cost);
  }
};

TEST_CASE("a rate is known when three windows of a second of waiting were seen and not a tick before") {
  Bench b;
  CHECK_FALSE(b.rate.time_for(1));
  b.serve(5, 500ms, 500);
  b.serve(1, 500ms - k_tick, 500);
  CHECK_FALSE(b.rate.time_for(1));
  CHECK(b.rate.tokens_per_second() == 0);
  b.serve(1, k_tick, 0);
  CHECK(near(b.rate.tokens_per_second(), 1000));
  CHECK(b.rate.time_for(0) == Duration(0));
  CHECK(near(seconds(*b.rate.time_for(2500)), 2.5));
  CHECK(*b.rate.time_for(1e300) == 24h);
  b.rate.forget();
  CHECK_FALSE(b.rate.time_for(1));
}

TEST_CASE("a rough rate is known from the first thing served, until the rate itself is") {
  Bench b;
  CHECK_FALSE(b.rate.roughly_time_for(1000));
  b.rate.on_served(b.now, 500);  // no time has passed
  CHECK_FALSE(b.rate.roughly_time_for(1000));
  b.serve(1, 100ms, 500);
  CHECK(near(seconds(*b.rate.roughly_time_for(2000)), 0.2));
  b.serve(10, 200ms, 400);  // a window and most of the next
  CHECK_FALSE(b.rate.time_for(1));
  CHECK(near(seconds(*b.rate.roughly_time_for(5000)), 2.1));
  CHECK(*b.rate.roughly_time_for(1e300) == 24h);
  b.serve(30, 200ms, 400);
  CHECK(b.rate.roughly_time_for(5000) == b.rate.time_for(5000));
  b.rate.forget();
  CHECK_FALSE(b.rate.roughly_time_for(1));
}

TEST_CASE("what hung for once is not the pace, even where it came first") {
  Bench b;
  b.serve(1, 15s, 300);
  CHECK_FALSE(b.rate.time_for(300));
  b.serve(12, 500ms, 300);
  CHECK(near(b.rate.tokens_per_second(), 600));
}

TEST_CASE("services of one moment count together") {
  Bench b;
  for (int round = 0; round < 5; ++round) {
    b.serve(1, 1s, 100);
    b.serve(9, Duration(0), 100);
  }
  // Each window ends within its first moment, so nine of ten belong to the next.
  CHECK(near(b.rate.tokens_per_second(), 1000));
  for (int round = 0; round < 15; ++round) {
    b.serve(1, 1s, 100);
    b.serve(9, Duration(0), 100);
  }
  CHECK(b.rate.tokens_per_second() > 900);
  CHECK(b.rate.tokens_per_second() < 1100);
}

TEST_CASE("time in which nobody waits is left out, and so is what is served then") {
  Bench b;
  for (int round = 0; round < 4; ++round) {
    b.serve(9, 100ms, 100);
    b.rate.on_idle(b.now);
    b.rate.on_served(b.now, 0);  // the last one popped counts
    b.now += 30s;
    b.rate.on_served(b.now, 1'000'000);
    b.rate.on_busy(b.now);
  }
  CHECK(near(b.rate.tokens_per_second(), 1000));
  b.rate.on_idle(b.now);
  b.rate.on_idle(b.now + 5s);
  b.rate.on_busy(b.now + 10s);
  b.rate.on_busy(b.now + 15s);  // it is since the first that somebody waits
  for (int seconds = 20; seconds <= 40; seconds += 10) b.rate.on_served(b.now + 1s * seconds, 10'000);
  CHECK(near(b.rate.tokens_per_second(), 1000));
}

TEST_CASE("time in which nothing is served at all is left out, and so is what probes it") {
  Bench b;
  for (int round = 0; round < 4; ++round) {
    b.serve(9, 100ms, 100);
    b.now += 100ms;  // this long the target was slow
    b.rate.on_shut(b.now);
    b.rate.on_shut(b.now + 10s);
    b.now += 60s;
    b.rate.on_served(b.now, 100'000);
    b.rate.on_open(b.now);
    b.rate.on_open(b.now);
    b.serve(1, Duration(0), 100);
  }
  CHECK(near(b.rate.tokens_per_second(), 1000));
  // Those who come while it is shut wait for that, and who leaves then leaves nothing behind.
  b.rate.on_idle(b.now);
  b.rate.on_shut(b.now);
  b.rate.on_busy(b.now + 1s);
  b.rate.on_idle(b.now + 20s);
  b.rate.on_busy(b.now + 21s);
  b.rate.on_open(b.now += 30s);
  b.serve(40, 100ms, 100);
  CHECK(near(b.rate.tokens_per_second(), 1000));
}

TEST_CASE("a target that is slow for once does not spoil the rate, and a slower one is known soon") {
  Bench b;
  b.serve(50, 100ms, 100);
  b.serve(1, 60s, 100);
  CHECK(b.rate.tokens_per_second() > 500);
  b.serve(100, 100ms, 100);
  CHECK(b.rate.tokens_per_second() > 950);
  b.serve(8, 1s, 100);  // ten times slower from now on
  CHECK(b.rate.tokens_per_second() < 150);
  b.serve(200, 10ms, 100);  // a hundred times faster
  CHECK(b.rate.tokens_per_second() > 180);
}

TEST_CASE("a rate from before a minute in which nobody waited is forgotten, and not a tick earlier") {
  Bench b;
  b.serve(40, 100ms, 100);
  b.rate.on_idle(b.now);
  b.rate.on_busy(b.now += 1min - k_tick);
  CHECK(near(b.rate.tokens_per_second(), 1000));
  b.serve(1, 900ms, 100);
  b.rate.on_idle(b.now);
  b.rate.on_busy(b.now += 1min);
  CHECK_FALSE(b.rate.time_for(1));
  b.serve(2, 1s, 100);
  b.serve(1, 900ms, 100);  // and the window that was not full with it
  CHECK_FALSE(b.rate.time_for(1));
}

}  // namespace
}  // namespace outrigger::resilience
