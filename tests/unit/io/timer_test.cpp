#include "io/timer.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <vector>

#include "core/rng.h"

namespace outrigger::io {
namespace {

MonoTime at(std::int64_t ns) { return MonoTime(Duration(ns)); }

void run_due(TimerQueue& queue, MonoTime now) {
  while (TimerQueue::Callback callback = queue.take_due(now)) callback();
}

TEST_CASE("a timer is not due a nanosecond early, and due at its time") {
  TimerQueue queue;
  bool ran = false;
  const Timer timer = queue.add(at(100), [&] { ran = true; });
  CHECK(queue.next() == at(100));
  run_due(queue, at(99));
  CHECK_FALSE(ran);
  CHECK(timer.pending());
  run_due(queue, at(100));
  CHECK(ran);
  CHECK_FALSE(timer.pending());
  CHECK_FALSE(queue.next().has_value());
}

TEST_CASE("a handle of a slot that was used again does not touch the new timer") {
  TimerQueue queue;
  bool second_ran = false;
  Timer first = queue.add(at(1), [] {});
  run_due(queue, at(1));
  const Timer second = queue.add(at(2), [&] { second_ran = true; });
  first.cancel();
  CHECK_FALSE(first.pending());
  CHECK(second.pending());
  run_due(queue, at(2));
  CHECK(second_ran);
}

TEST_CASE("assigning over a timer cancels the old one and keeps the new one") {
  TimerQueue queue;
  int ran = 0;
  Timer timer = queue.add(at(1), [&] { ran += 1; });
  timer = queue.add(at(2), [&] { ran += 10; });
  CHECK(queue.size() == 1);
  run_due(queue, at(5));
  CHECK(ran == 10);
}

TEST_CASE("a moved-from timer is empty and its destruction cancels nothing") {
  TimerQueue queue;
  bool ran = false;
  Timer kept;
  {
    Timer given = queue.add(at(1), [&] { ran = true; });
    kept = std::move(given);
  }
  CHECK(kept.pending());
  run_due(queue, at(1));
  CHECK(ran);
}

TEST_CASE("a callback may cancel a timer that is due with it, and set itself anew") {
  TimerQueue queue;
  int ran = 0;
  bool victim_ran = false;
  Timer victim, self;
  self = queue.add(at(1), [&] {
    ++ran;
    victim.cancel();
    self = queue.add(at(1), [&] { ++ran; });
  });
  victim = queue.add(at(1), [&] { victim_ran = true; });
  run_due(queue, at(1));
  CHECK(ran == 2);
  CHECK_FALSE(victim_ran);
}

TEST_CASE("cancelling drops a closure that owns other timers of the queue") {
  TimerQueue queue;
  auto owned = std::make_unique<Timer>(queue.add(at(2), [] {}));
  Timer owner = queue.add(at(1), [inner = std::move(owned)] {});
  CHECK(queue.size() == 2);
  owner.cancel();
  CHECK(queue.size() == 0);
}

TEST_CASE("any mixture of setting and cancelling runs what is left in order of time, then of setting") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    TimerQueue queue;
    struct Set {
      std::int64_t when;
      std::size_t number;
      bool operator<(const Set& other) const { return std::pair(when, number) < std::pair(other.when, other.number); }
      bool operator==(const Set&) const = default;
    };
    std::vector<Timer> timers;
    std::vector<Set> expected, seen;
    for (std::size_t i = 0; i < 100; ++i) {
      const auto when = static_cast<std::int64_t>(rng.below(20));
      timers.push_back(queue.add(at(when), [&seen, when, i] { seen.push_back({when, i}); }));
      expected.push_back({when, i});
      if (rng.chance(0.4)) {
        const std::size_t victim = rng.below(timers.size());
        timers[victim].cancel();
        std::erase_if(expected, [&](const Set& set) { return set.number == victim; });
      }
    }
    std::ranges::sort(expected, std::less<>{});
    CHECK(queue.size() == expected.size());
    for (std::int64_t now = 0; now < 20; ++now) run_due(queue, at(now));
    CHECK(seen == expected);
  }
}

}  // namespace
}  // namespace outrigger::io
