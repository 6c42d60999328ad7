// A Health in virtual time, and the attempts on it that end in the tick in which they begin.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "resilience/health.h"

namespace outrigger::resilience {

inline constexpr Duration k_tick{1};
inline constexpr MonoTime k_start{1h};

struct HealthBench {
  Health health{{.failures = 3, .open = 1s, .max_open = 30s}};
  Rng rng{7};
  MonoTime now = k_start;

  MonoTime begin(Health::Admission expected = Health::Admission::normal) {
    REQUIRE(health.look(now) == expected);
    REQUIRE(health.admit(now) == expected);
    return now;
  }
  void succeed(int times = 1) {
    for (int i = 0; i < times; ++i) health.on_success(now, begin());
  }
  void fail(int times = 1) {
    for (int i = 0; i < times; ++i) health.on_failure(now, rng, begin());
  }
  Duration open_for() const { return *health.reopens_at() - now; }
  // Waits until a probe may go, and takes it.
  MonoTime take_probe() {
    now = *health.reopens_at();
    return begin(Health::Admission::probe);
  }
  void recover() { health.on_success(now, take_probe()); }
};

}  // namespace outrigger::resilience
