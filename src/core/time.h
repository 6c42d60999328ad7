// Time types. Nothing here can read a clock: the present comes from io::Loop (or a test) as a parameter.
#pragma once

#include <chrono>
#include <cstdint>

namespace outrigger {

using namespace std::chrono_literals;  // NOLINT: durations are written as 20ms everywhere

// A length of time. Signed, nanoseconds; 292 years fit.
using Duration = std::chrono::nanoseconds;

// The monotonic clock of one Loop. It has no now() on purpose: ask io::Loop::now().
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock, duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

// Calendar time, for what outlives the process (stored answers, logs). May jump; never used for time limits.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

constexpr double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
constexpr std::int64_t unix_seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}
constexpr std::int64_t unix_millis(WallTime t) { return t.time_since_epoch().count(); }

}  // namespace outrigger
