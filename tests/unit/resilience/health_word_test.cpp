// What others say about a target: an operator, who is obeyed, and other replicas, who are heard.
#include "resilience/health.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/resilience/health_bench.h"

namespace outrigger::resilience {
namespace {

using State = Health::State;
using Admission = Health::Admission;
using Bench = HealthBench;

TEST_CASE("health: opened by hand, only a hand closes") {
  Bench b;
  const MonoTime out = b.begin();
  b.fail();
  b.health.force_open(b.now);
  CHECK(b.health.forced_open());
  CHECK_FALSE(b.health.reopens_at());
  b.now += 24h;
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.health.admit(b.now) == Admission::refused);
  b.health.on_success(b.now, out);
  b.health.advise_open(b.now, b.now + 1s);
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.health.pending() == 0);

  b.health.force_close(b.now);
  CHECK_FALSE(b.health.forced_open());
  CHECK(b.health.state(b.now) == State::closed);
  CHECK(b.health.failures_in_a_row() == 0);
  b.fail(2);
  CHECK(b.health.state(b.now) == State::closed);
}

TEST_CASE("health: closing by hand forgets a doubled open time, and a probe that is out") {
  Bench b;
  b.fail(3);
  b.health.on_failure(b.now, b.rng, b.take_probe());
  const MonoTime probe = b.take_probe();
  b.now += 1ms;
  b.health.force_close(b.now);
  b.health.on_failure(b.now, b.rng, probe);
  CHECK(b.health.failures_in_a_row() == 0);
  b.fail(3);
  CHECK(b.open_for() <= 1200ms);
}

TEST_CASE("health: another replica's word is believed only with a failure of our own") {
  Bench b;
  const MonoTime until = b.now + 4s;
  SECTION("a failure before it") {
    b.fail();
    b.health.advise_open(b.now, until);
    CHECK(b.health.state(b.now) == State::open);
    CHECK(b.health.reopens_at() == until);
  }
  SECTION("a failure after it") {
    b.health.advise_open(b.now, until);
    CHECK(b.health.state(b.now) == State::closed);
    b.now = until - k_tick;
    b.fail();
    CHECK(b.health.state(b.now) == State::open);
  }
  SECTION("a failure when it has passed") {
    b.health.advise_open(b.now, until);
    b.now = until;
    b.fail();
    CHECK(b.health.state(b.now) == State::closed);
  }
  SECTION("a failure that was followed by a success") {
    b.fail();
    b.succeed();
    b.health.advise_open(b.now, until);
    CHECK(b.health.state(b.now) == State::closed);
  }
  SECTION("a success of a call that began after it") {
    b.health.advise_open(b.now, until);
    b.succeed();
    b.fail();
    CHECK(b.health.state(b.now) == State::closed);
  }
  SECTION("a success of a call that began before it") {
    const MonoTime before = b.begin();
    b.now += 1s;
    b.health.advise_open(b.now, until);
    b.health.on_success(b.now, before);
    b.fail();
    CHECK(b.health.state(b.now) == State::open);
  }
  SECTION("for a time that has passed") {
    b.fail();
    b.health.advise_open(b.now, b.now);
    CHECK(b.health.state(b.now) == State::closed);
  }
  SECTION("for longer than we would leave it alone ourselves") {
    b.fail();
    b.health.advise_open(b.now, b.now + 1h);
    CHECK(b.open_for() == 30s);
  }
  SECTION("while a probe of ours is out") {
    b.fail(3);
    b.take_probe();
    b.health.advise_open(b.now, b.now + 4s);
    CHECK(b.health.state(b.now) == State::half_open);
  }
}

TEST_CASE("health: another replica's probe that succeeded lets ours go at once, not more") {
  Bench b;
  b.health.advise_probe(b.now);
  CHECK(b.health.state(b.now) == State::closed);
  b.fail(3);
  CHECK(b.health.look(b.now) == Admission::refused);
  b.health.advise_probe(b.now);
  CHECK(b.health.reopens_at() == b.now);
  const MonoTime probe = b.begin(Admission::probe);
  CHECK(b.health.probe_is_out());
  b.health.advise_probe(b.now);
  CHECK(b.health.look(b.now) == Admission::refused);
  b.health.on_success(b.now, probe);
  CHECK_FALSE(b.health.probe_is_out());
  b.health.force_open(b.now);
  b.health.advise_probe(b.now);
  CHECK(b.health.state(b.now) == State::open);
}

TEST_CASE("health: what is told to others is what it found itself") {
  Bench b;
  b.fail(2);
  CHECK(b.health.trips() == 0);
  b.fail();
  CHECK(b.health.trips() == 1);
  CHECK_FALSE(b.health.probe_is_out());
  b.health.on_failure(b.now, b.rng, b.take_probe());
  CHECK(b.health.trips() == 2);
  CHECK(b.health.recoveries() == 0);
  b.recover();
  CHECK(b.health.recoveries() == 1);
  b.succeed();
  CHECK(b.health.recoveries() == 1);
  b.health.force_close(b.now);
  b.health.force_open(b.now);
  b.health.force_close(b.now);
  b.fail();
  b.health.advise_open(b.now, b.now + 1s);  // another's
  CHECK(b.health.state(b.now) == State::open);
  CHECK(b.health.trips() == 2);
}

}  // namespace
}  // namespace outrigger::resilience
