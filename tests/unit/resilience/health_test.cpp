#include "resilience/health.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "unit/resilience/health_bench.h"

namespace outrigger::resilience {
namespace {

using State = Health::State;
using Admission = Health::Admission;
using Bench = HealthBench;

TEST_CASE("health: a new target is closed and takes whoever comes") {
  Bench b;
  CHECK(b.health.state(b.now) == State::closed);
  for (int i = 0; i < 500; ++i) b.begin();
  CHECK(b.health.pending() == 500);
  CHECK_FALSE(b.health.reopens_at());
  CHECK(b.health.failure_rate(b.now) == 0);
}

TEST_CASE("health: the last failure in a row opens, and not one before") {
  for (const int successes_before : {0, 1, 5, 100, 1000}) {
    INFO(successes_before << " successes before");
    Bench b;
    b.succeed(successes_before);
    b.fail(2);
    CHECK(b.health.state(b.now) == State::closed);
    b.fail();
    CHECK(b.health.state(b.now) == State::open);
    CHECK(b.health.look(b.now) == Admission::refused);
    CHECK(b.health.admit(b.now) == Admission::refused);
    CHECK(b.health.failures_in_a_row() == 3);
    CHECK(b.health.pending() == 0);
  }
}

TEST_CASE("health: looking takes nothing") {
  Bench b;
  b.fail(3);
  b.now = *b.health.reopens_at();
  for (int i = 0; i < 3; ++i) CHECK(b.health.look(b.now) == Admission::probe);
  CHECK(b.health.pending() == 0);
  CHECK(b.health.admit(b.now) == Admission::probe);
  CHECK(b.health.pending() == 1);
}

TEST_CASE("health: a success starts the count of failures anew") {
  Bench b;
  b.fail(2);
  b.succeed();
  CHECK(b.health.failures_in_a_row() == 0);
  b.fail(2);
  CHECK(b.health.state(b.now) == State::closed);
}

TEST_CASE("health: where errors are ordinary, a run that is due to chance does not open, but two more failures always do") {
  Bench b;
  for (int i = 0; i < 600; ++i) i % 10 == 9 ? b.fail() : b.succeed();
  b.succeed();
  b.fail(4);
  CHECK(b.health.state(b.now) == State::closed);
  b.fail();
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: successes of calls from before an outage do not hide its quick failures") {
  for (const bool steady : {true, false}) {
    Bench b;
    // Every thirtieth call fails where errors are ordinary.
    for (int i = 0; i < 600; ++i) !steady&& i % 30 == 0 ? b.fail() : b.succeed();
    std::vector<MonoTime> slow;
    for (int i = 0; i < 20; ++i) {
      slow.push_back(b.begin());
      b.now += 10ms;
    }
    int failures = 0;
    for (const MonoTime started : slow) {
      b.fail();
      ++failures;
      if (b.health.state(b.now) == State::open) break;
      b.health.on_success(b.now, started);
      b.now += 10ms;
    }
    INFO("steady " << steady);
    CHECK(failures == (steady ? 3 : 5));
  }
}

TEST_CASE("health: quick errors among calls that are still out are no outage") {
  Bench b;
  b.succeed(600);
  const MonoTime before = b.begin();
  for (int i = 0; i < 2; ++i) b.begin();
  for (int i = 0; i < 3; ++i) {
    b.now += 10ms;
    b.fail();
    b.health.on_success(b.now, before);
    for (int j = 0; j < 2; ++j) b.begin();
  }
  CHECK(b.health.state(b.now) == State::closed);
}

TEST_CASE("health: most calls failing opens, in whatever order") {
  // Never three in a row.
  Bench b;
  int calls = 0;
  for (; calls < 100 && b.health.state(b.now) == State::closed; ++calls) calls % 3 == 2 ? b.succeed() : b.fail();
  INFO(calls << " calls");
  CHECK(b.health.state(b.now) == State::open);
  CHECK(calls <= 15);
}

TEST_CASE("health: fewer failures than asked for in a row never open") {
  Bench b;
  b.health.configure({.failures = 20});
  b.fail(19);
  CHECK(b.health.state(b.now) == State::closed);
  b.fail();
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: zero failures means that the first one opens") {
  Bench b;
  b.health.configure({.failures = 0});
  b.fail();
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: the probe goes at the end of the open time and not a tick before") {
  Bench b;
  b.fail(3);
  const MonoTime end = *b.health.reopens_at();
  CHECK(b.health.state(end - k_tick) == State::open);
  CHECK(b.health.admit(end - k_tick) == Admission::refused);
  CHECK(b.health.state(end) == State::half_open);
  CHECK(b.health.admit(end) == Admission::probe);
  CHECK_FALSE(b.health.reopens_at());
}

TEST_CASE("health: what nobody has asked for minutes is untried, and the next who comes is the probe all the same") {
  Bench b;
  b.fail(3);
  const MonoTime end = *b.health.reopens_at();
  CHECK(b.health.state(end + Health::k_untried - k_tick) == State::half_open);
  b.now = end + Health::k_untried;
  CHECK(b.health.state(b.now) == State::untried);
  const MonoTime probe = b.begin(Admission::probe);
  CHECK(b.health.state(b.now) == State::half_open);
  b.health.on_failure(b.now, b.rng, probe);
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: what an operator shut is never untried") {
  Bench b;
  b.health.force_open(b.now);
  CHECK(b.health.state(b.now + 1h) == State::open);
}

TEST_CASE("health: one probe is out at a time, however long it takes") {
  Bench b;
  b.fail(3);
  b.take_probe();
  CHECK(b.health.admit(b.now) == Admission::refused);
  CHECK(b.health.admit(b.now + 1h) == Admission::refused);
  CHECK(b.health.state(b.now + 1h) == State::half_open);
}

TEST_CASE("health: an abandoned probe leaves its place to the next at once, and the open time is not longer for it") {
  Bench b;
  b.fail(3);
  const MonoTime probe = b.take_probe();
  b.now += 5s;
  b.health.on_abandoned(b.now, probe);
  CHECK(b.health.state(b.now) == State::half_open);
  CHECK(b.health.pending() == 0);
  const MonoTime next = b.begin(Admission::probe);
  b.health.on_failure(b.now, b.rng, next);
  CHECK(b.open_for() <= 2400ms);
}

TEST_CASE("health: abandoning an old attempt does not free the probe's place") {
  Bench b;
  const MonoTime old = b.begin();
  b.fail(3);
  b.take_probe();
  b.health.on_abandoned(b.now, old);
  CHECK(b.health.look(b.now) == Admission::refused);
  CHECK(b.health.pending() == 1);
}

TEST_CASE("health: abandoning is evidence of nothing") {
  Bench b;
  b.fail(2);
  for (int i = 0; i < 10; ++i) b.health.on_abandoned(b.now, b.begin());
  CHECK(b.health.failures_in_a_row() == 2);
  CHECK(b.health.state(b.now) == State::closed);
  b.fail();
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: the open time doubles with every failed probe, jittered by a fifth, and never passes the maximum") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Bench b;
    b.rng = Rng(seed);
    INFO("seed " << seed);
    b.fail(3);
    for (const int expected : {1, 2, 4, 8, 16, 30, 30}) {
      const double length = seconds(b.open_for());
      CHECK(length >= 0.8 * expected - 1e-6);
      CHECK(length <= std::min(1.2 * expected, 30.0) + 1e-6);
      b.health.on_failure(b.now, b.rng, b.take_probe());
    }
  }
}

TEST_CASE("health: a target that was closed for a while is left alone as shortly as the first time") {
  struct Case {
    Duration closed;
    bool steady;
  };
  for (const Case c : {Case{0s, false}, {10s, false}, {30s - k_tick, false}, {30s, true}, {1h, true}}) {
    Bench b;
    b.fail(3);
    b.health.on_failure(b.now, b.rng, b.take_probe());
    b.recover();
    b.now += c.closed;
    INFO("closed for " << seconds(c.closed));
    b.fail();
    if (b.health.state(b.now) == State::closed) b.fail(2);
    REQUIRE(b.health.state(b.now) == State::open);
    CHECK((b.open_for() <= 1200ms) == c.steady);
    CHECK((b.open_for() >= 3200ms) == !c.steady);
  }
}

TEST_CASE("health: slow start: twice as many with every round, all of them after sixty-four") {
  Bench b;
  b.fail(3);
  b.recover();
  for (const std::size_t round : {1, 2, 4, 8, 16, 32}) {
    INFO("round of " << round);
    CHECK(b.health.state(b.now) == State::slow_start);
    std::vector<MonoTime> out;
    for (std::size_t i = 0; i < round; ++i) out.push_back(b.begin());
    CHECK(b.health.look(b.now) == Admission::refused);
    CHECK(b.health.admit(b.now) == Admission::refused);
    CHECK(b.health.pending() == round);
    b.now += 100ms;
    for (const MonoTime started : out) b.health.on_success(b.now, started);
  }
  CHECK(b.health.state(b.now) == State::closed);
  for (int i = 0; i < 500; ++i) b.begin();
}

TEST_CASE("health: slow start ends after five seconds and not a tick before") {
  Bench b;
  b.fail(3);
  b.recover();
  b.begin();
  b.now += 5s - k_tick;
  CHECK(b.health.state(b.now) == State::slow_start);
  CHECK(b.health.admit(b.now) == Admission::refused);
  b.now += k_tick;
  CHECK(b.health.state(b.now) == State::closed);
  for (int i = 0; i < 500; ++i) b.begin();
}

TEST_CASE("health: an abandoned attempt gives its place in slow start back") {
  Bench b;
  b.fail(3);
  b.recover();
  const MonoTime started = b.begin();
  CHECK(b.health.look(b.now) == Admission::refused);
  b.health.on_abandoned(b.now, started);
  b.begin();
}

TEST_CASE("health: calls that hang from before the outage take no place in slow start") {
  Bench b;
  std::vector<MonoTime> hanging;
  for (int i = 0; i < 60; ++i) hanging.push_back(b.begin());
  b.fail(3);
  b.recover();
  CHECK(b.health.pending() == 60);
  b.begin();
  for (const MonoTime started : hanging) b.health.on_failure(b.now, b.rng, started);
  CHECK(b.health.state(b.now) == State::slow_start);
  CHECK(b.health.pending() == 1);
  CHECK(b.health.look(b.now) == Admission::refused);
}

TEST_CASE("health: a failure in slow start opens for twice as long, unless four have succeeded for it") {
  for (int others = 0; others <= 5; ++others) {
    INFO(others << " besides the probe");
    Bench b;
    b.fail(3);
    b.recover();
    for (int i = 0; i < others; ++i) {
      b.now += 1s - k_tick;  // as long as it can take
      b.succeed();
    }
    if (b.health.state(b.now) == State::closed) continue;
    b.fail();
    CHECK((b.health.state(b.now) == State::open) == (others < 3));
    if (others < 3) {
      CHECK(b.open_for() >= 1600ms);
      CHECK(b.open_for() <= 2400ms);
    }
  }
}

TEST_CASE("health: the evidence of an outage is not held against a target that has come back") {
  Bench b;
  for (int i = 0; i < 20; ++i) b.begin();
  b.fail(3);
  for (int i = 0; i < 3; ++i) b.health.on_failure(b.now, b.rng, b.take_probe());
  b.recover();
  CHECK(b.health.failure_rate(b.now) == 0);
  CHECK(b.health.failures_in_a_row() == 0);
  b.now += 6s;
  b.fail(2);
  CHECK(b.health.state(b.now) == State::closed);
}

TEST_CASE("health: outcomes of calls that began before the last judgement are ignored") {
  Bench b;
  const MonoTime before = b.begin();
  b.now += 5s;
  b.fail(3);
  SECTION("while open") {
    const MonoTime end = *b.health.reopens_at();
    b.health.on_success(b.now, before);
    b.health.on_failure(b.now, b.rng, before);
    CHECK(b.health.state(b.now) == State::open);
    CHECK(b.health.reopens_at() == end);
  }
  SECTION("an old success is not the probe's") {
    b.take_probe();
    b.health.on_success(b.now, before);
    CHECK(b.health.state(b.now) == State::half_open);
  }
  SECTION("an old failure is not the probe's") {
    b.take_probe();
    b.health.on_failure(b.now, b.rng, before);
    CHECK(b.health.state(b.now) == State::half_open);
  }
  SECTION("nor is a stream that died") {
    b.recover();
    for (int i = 0; i < 10; ++i) b.health.on_stream_failure(b.now, b.rng, before);
    CHECK(b.health.state(b.now) == State::slow_start);
  }
}

TEST_CASE("health: a probe whose stream dies after the first token opens again, for twice as long") {
  Bench b;
  b.fail(3);
  const MonoTime probe = b.take_probe();
  b.health.on_success(b.now + 1s, probe);
  b.now += 2s;
  CHECK(b.health.state(b.now) == State::slow_start);
  b.health.on_stream_failure(b.now, b.rng, probe);
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.open_for() >= 1600ms);
}

TEST_CASE("health: a target whose streams all die is found out, though each began well") {
  Bench b;
  int died = 0;
  while (b.health.state(b.now) == State::closed && died < 20) {
    const MonoTime started = b.begin();
    b.health.on_success(b.now, started);
    b.now += 1s;
    b.health.on_stream_failure(b.now, b.rng, started);
    ++died;
  }
  CHECK(died <= 5);
  CHECK(b.health.pending() == 0);
}

TEST_CASE("health: streams that die frees no place twice") {
  Bench b;
  const MonoTime ended = b.begin();
  b.begin();
  b.health.on_success(b.now, ended);
  b.health.on_stream_failure(b.now, b.rng, ended);
  CHECK(b.health.pending() == 1);
}

TEST_CASE("health: new settings keep the state") {
  Bench b;
  b.begin();
  b.fail(2);
  b.health.configure({.failures = 5, .open = 10s, .max_open = 20s});
  b.fail(2);
  CHECK(b.health.state(b.now) == State::closed);
  CHECK(b.health.pending() == 1);
  b.fail();
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.open_for() >= 8s);
  const MonoTime end = *b.health.reopens_at();
  b.health.configure({.failures = 1, .open = 1s, .max_open = 2s});
  CHECK(b.health.reopens_at() == end);
  b.health.on_failure(b.now, b.rng, b.take_probe());
  CHECK(b.open_for() <= 2s);
}

TEST_CASE("health: a report without an admission frees nothing and does no harm") {
  Bench b;
  b.health.on_abandoned(b.now, b.now);
  b.health.on_success(b.now, b.now);
  CHECK(b.health.pending() == 0);
  b.begin();
  CHECK(b.health.pending() == 1);
}

TEST_CASE("health: the failure rate fades, and stands while open") {
  Bench b;
  b.succeed(3);
  b.fail();
  CHECK(b.health.failure_rate(b.now) == 0.25);
  CHECK(b.health.failure_rate(b.now + 10min) == 0);
  b.fail(2);
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.health.failure_rate(b.now) == 0.5);
}

TEST_CASE("health: states and admissions have names") {
  CHECK(name(State::closed) == "closed");
  CHECK(name(State::open) == "open");
  CHECK(name(State::half_open) == "half_open");
  CHECK(name(State::slow_start) == "slow_start");
  CHECK(name(State::untried) == "untried");
  CHECK(name(Admission::normal) == "normal");
  CHECK(name(Admission::probe) == "probe");
  CHECK(name(Admission::refused) == "refused");
}

}  // namespace
}  // namespace outrigger::resilience
