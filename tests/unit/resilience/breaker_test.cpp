#include "resilience/breaker.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::resilience {
namespace {

using State = Breaker::State;

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};

struct Bench {
  Breaker breaker{{.failures = 3, .open = 1s, .max_open = 30s}};
  Rng rng{7};
  MonoTime now = k_start;

  void fail(int times = 1) {
    for (int i = 0; i < times; ++i) breaker.on_failure(now, rng);
  }
  // Opens, waits until a probe may go, and takes it.
  void take_probe() {
    now = breaker.reopens_at();
    REQUIRE(breaker.may_pass(now));
  }
};

TEST_CASE("a new breaker is closed and lets everything pass") {
  Bench b;
  CHECK(b.breaker.state(b.now) == State::closed);
  for (int i = 0; i < 5; ++i) CHECK(b.breaker.may_pass(b.now));
}

TEST_CASE("the breaker opens at the last failure in a row and not one before") {
  Bench b;
  b.fail(2);
  CHECK(b.breaker.state(b.now) == State::closed);
  CHECK(b.breaker.may_pass(b.now));
  b.fail();
  CHECK(b.breaker.state(b.now) == State::open);
  CHECK_FALSE(b.breaker.may_pass(b.now));
}

TEST_CASE("a success between failures starts the count anew") {
  Bench b;
  b.fail(2);
  b.breaker.on_success(b.now);
  CHECK(b.breaker.failures_in_a_row() == 0);
  b.fail(2);
  CHECK(b.breaker.state(b.now) == State::closed);
}

TEST_CASE("zero failures means that the first one opens") {
  Rng rng(1);
  Breaker breaker({.failures = 0, .open = 1s, .max_open = 1s});
  breaker.on_failure(k_start, rng);
  CHECK(breaker.state(k_start) == State::open);
}

TEST_CASE("the probe goes at the end of the open time and not a tick before") {
  Bench b;
  b.fail(3);
  const MonoTime end = b.breaker.reopens_at();
  CHECK(b.breaker.state(end - k_tick) == State::open);
  CHECK_FALSE(b.breaker.may_pass(end - k_tick));
  CHECK(b.breaker.state(end) == State::half_open);
  CHECK(b.breaker.may_pass(end));
}

TEST_CASE("exactly one probe is out at a time") {
  Bench b;
  b.fail(3);
  b.take_probe();
  CHECK_FALSE(b.breaker.may_pass(b.now));
  CHECK_FALSE(b.breaker.may_pass(b.now + 1h));
  CHECK(b.breaker.state(b.now + 1h) == State::half_open);
}

TEST_CASE("a probe that succeeds closes, and the next opening is as short as the first") {
  Bench b;
  b.fail(3);
  b.take_probe();
  b.fail();  // doubled
  b.take_probe();
  b.breaker.on_success(b.now);
  CHECK(b.breaker.state(b.now) == State::closed);
  b.fail(3);
  CHECK(b.breaker.reopens_at() - b.now <= 1200ms);
}

TEST_CASE("the open time doubles with every failed probe, jittered by a fifth, and never passes the maximum") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Bench b;
    b.rng = Rng(seed);
    INFO("seed " << seed);
    b.fail(3);
    for (const int expected : {1, 2, 4, 8, 16, 30, 30, 30}) {
      const double length = seconds(b.breaker.reopens_at() - b.now);
      CHECK(length >= 0.8 * expected - 1e-6);
      CHECK(length <= std::min(1.2 * expected, 30.0) + 1e-6);
      b.take_probe();
      b.fail();
    }
  }
}

TEST_CASE("the open time differs from seed to seed") {
  Bench one;
  Bench two;
  two.rng = Rng(8);
  one.fail(3);
  two.fail(3);
  CHECK(one.breaker.reopens_at() != two.breaker.reopens_at());
}

TEST_CASE("a target that fails again before it was steady is left alone for twice as long, and at the limit anew") {
  for (const bool steady : {false, true}) {
    Rng rng(3);
    Breaker breaker({.failures = 1, .open = 1s, .max_open = 30s, .steady = 10s});
    MonoTime now = k_start;
    breaker.on_failure(now, rng);
    for (int i = 0; i < 2; ++i) {
      now = breaker.reopens_at();
      REQUIRE(breaker.may_pass(now));
      breaker.on_success(now);
      now += steady ? 10s : 10s - k_tick;
      breaker.on_failure(now, rng);
    }
    const double length = seconds(breaker.reopens_at() - now);
    INFO("steady " << steady << ", open for " << length);
    CHECK((length >= 3.2) == !steady);
    CHECK((length <= 1.2) == steady);
  }
}

TEST_CASE("a straggling success while open is ignored") {
  Bench b;
  b.fail(3);
  b.breaker.on_success(b.now + 1ms);
  CHECK(b.breaker.state(b.now + 1ms) == State::open);
}

TEST_CASE("a straggling failure while open does not prolong it") {
  Bench b;
  b.fail(3);
  const MonoTime end = b.breaker.reopens_at();
  b.breaker.on_failure(b.now + 10ms, b.rng);
  CHECK(b.breaker.reopens_at() == end);
  b.take_probe();
  b.fail();
  CHECK(seconds(b.breaker.reopens_at() - b.now) <= 2.4);
}

TEST_CASE("evidence from before the last change of state is ignored") {
  Bench b;
  const MonoTime before = b.now - 5s;
  b.fail(3);
  b.take_probe();
  SECTION("an old success is not the probe's") {
    b.breaker.on_success(b.now, before);
    CHECK(b.breaker.state(b.now) == State::half_open);
  }
  SECTION("an old failure is not the probe's") {
    b.breaker.on_failure(b.now, b.rng, before);
    CHECK(b.breaker.state(b.now) == State::half_open);
  }
  SECTION("old failures do not open what a probe has closed") {
    b.breaker.on_success(b.now, b.now);
    for (int i = 0; i < 10; ++i) b.breaker.on_failure(b.now + 1s, b.rng, b.now - k_tick);
    CHECK(b.breaker.state(b.now + 1s) == State::closed);
    for (int i = 0; i < 3; ++i) b.breaker.on_failure(b.now + 1s, b.rng, b.now);
    CHECK(b.breaker.state(b.now + 1s) == State::open);
  }
}

TEST_CASE("an abandoned probe gives its turn to the next caller at once") {
  Bench b;
  b.fail(3);
  b.take_probe();
  b.breaker.on_abandoned(b.now);
  CHECK(b.breaker.state(b.now) == State::half_open);
  CHECK(b.breaker.may_pass(b.now));
  CHECK_FALSE(b.breaker.may_pass(b.now));
}

TEST_CASE("abandoning says nothing while closed or open") {
  Bench b;
  b.breaker.on_abandoned(b.now);
  CHECK(b.breaker.state(b.now) == State::closed);
  b.fail(3);
  b.breaker.on_abandoned(b.now);
  CHECK_FALSE(b.breaker.may_pass(b.now));
}

TEST_CASE("by hand the breaker opens at once and closes at once") {
  Bench b;
  b.breaker.trip(b.now, b.rng);
  CHECK(b.breaker.state(b.now) == State::open);
  b.breaker.reset(b.now);
  CHECK(b.breaker.state(b.now) == State::closed);
  CHECK(b.breaker.may_pass(b.now));
}

TEST_CASE("a maximum below the first open time is raised to it") {
  Rng rng(1);
  Breaker breaker({.failures = 1, .open = 2s, .max_open = 1s});
  breaker.on_failure(k_start, rng);
  CHECK(breaker.reopens_at() - k_start <= 2s);
  CHECK(breaker.reopens_at() - k_start >= 1600ms);
}

TEST_CASE("states have names") {
  CHECK(name(State::closed) == "closed");
  CHECK(name(State::open) == "open");
  CHECK(name(State::half_open) == "half_open");
}

}  // namespace
}  // namespace outrigger::resilience
