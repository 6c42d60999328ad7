// A probe that takes longer than others should wait for it.
#include <catch2/catch_test_macros.hpp>

#include "unit/resilience/health_bench.h"

namespace outrigger::resilience {
namespace {

using State = Health::State;

TEST_CASE("a probe that is overdue lets the next one go soon, and counts when it succeeds all the same") {
  for (const bool is_next_out : {false, true}) {
    CAPTURE(is_next_out);
    HealthBench b;
    b.fail(3);
    const MonoTime probe = b.take_probe();
    CHECK(b.health.probe_since() == probe);
    b.now += 5s;
    b.health.on_probe_overdue(b.now);
    CHECK(b.health.state(b.now) == Health::State::open);
    CHECK(b.open_for() == 1s);  // not doubled: it has not failed
    b.now += 1ms;
    b.health.on_probe_overdue(b.now);  // no probe is out
    CHECK(b.open_for() == 999ms);
    CHECK(b.health.trips() == 1);
    if (is_next_out) b.take_probe();
    b.now += 100ms;
    b.health.on_success(b.now, probe);
    CHECK(b.health.state(b.now) == Health::State::slow_start);
    CHECK(b.health.recoveries() == 1);
    // Its stream may still die.
    b.health.on_stream_failure(b.now, b.rng, probe);
    CHECK(b.health.state(b.now) == Health::State::open);
  }
}

TEST_CASE("an overdue probe that fails at last makes the next one wait longer, unless that is out already") {
  HealthBench b;
  b.fail(3);
  const MonoTime probe = b.take_probe();
  b.now += 5s;
  b.health.on_probe_overdue(b.now);
  b.now += 1ms;
  b.health.on_failure(b.now, b.rng, probe);
  CHECK(b.open_for() >= 1600ms);
  CHECK(b.health.trips() == 2);
  const MonoTime second = b.take_probe();
  b.now += 5s;
  b.health.on_probe_overdue(b.now);
  const MonoTime third = b.take_probe();
  b.health.on_failure(b.now, b.rng, second);
  CHECK(b.health.probe_is_out());
  CHECK(b.health.trips() == 2);
  b.health.on_success(b.now, third);
  CHECK(b.health.state(b.now) == Health::State::slow_start);
}

TEST_CASE("an operator's word stands above an overdue probe") {
  HealthBench b;
  b.fail(3);
  const MonoTime probe = b.take_probe();
  b.now += 5s;
  b.health.on_probe_overdue(b.now);
  b.health.force_open(b.now);
  b.health.on_success(b.now + 1ms, probe);
  CHECK(b.health.forced_open());
  CHECK(b.health.state(b.now + 1ms) == Health::State::open);
}

}  // namespace
}  // namespace outrigger::resilience
