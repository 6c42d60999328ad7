#include "resilience/rate_gate.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <utility>

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};
// What is counted leaves after a minute, the margin and its slot.
constexpr Duration k_gone = SlidingCount::k_minute + SlidingCount::k_margin + SlidingCount::k_slot;

struct Bench {
  RateGate gate;
  Rng rng{7};
  MonoTime now = k_start;

  Bench() = default;
  explicit Bench(RateGate::Settings settings) : gate(settings) {}
  bool may_go(std::uint64_t tokens = 0) { return gate.earliest(now, tokens) <= now; }
  // How many go at once.
  int burst(int most, std::uint64_t tokens = 0) {
    int sent = 0;
    for (; sent < most && may_go(tokens); ++sent) gate.reserve(now, tokens);
    return sent;
  }
  // How many go within `length`, each as soon as it may.
  int flood(Duration length, std::uint64_t tokens = 0) {
    int sent = 0;
    for (const MonoTime end = now + length; now < end;) {
      const MonoTime when = gate.earliest(now, tokens);
      if (when > now) {
        now = std::min(when, end);
        continue;
      }
      gate.reserve(now, tokens);
      ++sent;
    }
    return sent;
  }
  void reject(std::optional<Duration> retry_after = {}) { gate.on_rejected(now, retry_after, rng); }
};

TEST_CASE("a gate that knows nothing lets everything pass") {
  Bench b;
  CHECK(b.burst(1000, 1'000'000) == 1000);
  CHECK_FALSE(b.gate.limited());
  CHECK(b.gate.closed_for(b.now) == 0s);
  CHECK(b.gate.requests(b.now).source == RateGate::Source::none);
  CHECK(b.gate.requests(b.now).used == 1000);
}

TEST_CASE("an idle gate lets a few pass at once, then one after the other, and no more than the limit in a minute") {
  Bench b({.requests_per_minute = 60});
  CHECK(b.burst(100) == 10);
  CHECK(b.gate.earliest(b.now, 0) == b.now + 1s);
  CHECK(b.flood(60s) == 50);
  CHECK(b.gate.earliest(b.now, 0) >= k_start + 1min);
  CHECK(b.gate.requests(b.now).used == 60);
  CHECK(b.gate.requests(b.now).limit == 60);
  CHECK(b.gate.requests(b.now).source == RateGate::Source::configured);
}

TEST_CASE("when a request may go behind others is when it does") {
  for (const bool closed : {false, true}) {
    for (const std::uint64_t limit : {20, 60, 600}) {
      Bench b({.requests_per_minute = limit, .tokens_per_minute = limit * 100});
      if (closed) b.gate.close_until(b.now, b.now + 5s);
      b.gate.reserve(b.now, 100);  // or it would not know how large a request is
      const RateGate before = b.gate;
      const MonoTime asked = b.now;
      for (std::uint64_t ahead = 0; ahead + 1 < limit; ++ahead) {
        const MonoTime when = b.gate.earliest(b.now, 100);
        const MonoTime told = before.earliest(asked, 100, {.requests = ahead, .tokens = ahead * 100});
        INFO(limit << " a minute, closed " << closed << ", behind " << ahead);
        // One that goes ahead when the gate has been closed is accepted at once here.
        CHECK(std::abs(seconds(told - when)) <= 0.5);
        b.now = when;
        b.gate.reserve(b.now, 100);
        b.gate.on_accepted(b.now, b.now);
      }
    }
  }
}

TEST_CASE("small limits are not spent in one go") {
  for (const auto& [limit, at_once] : {std::pair{1, 1}, {3, 1}, {8, 2}, {20, 5}, {40, 10}, {60'000, 10}}) {
    Bench b({.requests_per_minute = static_cast<std::uint64_t>(limit)});
    INFO(limit);
    CHECK(b.burst(100) == at_once);
  }
}

TEST_CASE("a limit of zero counts as one") {
  Bench b({.requests_per_minute = 0, .tokens_per_minute = 0});
  CHECK(b.burst(5) == 1);
  CHECK(b.gate.earliest(b.now, 0) - b.now <= 61s);
}

TEST_CASE("tokens are counted when a request starts, and given back when it took fewer") {
  Bench b({.tokens_per_minute = 1000});
  const auto first = b.gate.reserve(b.now, 600);
  b.now += 40s;
  CHECK_FALSE(b.may_go(500));
  CHECK(b.may_go(400));
  b.gate.settle(first, b.now, 100);
  CHECK(b.gate.tokens(b.now).used == 100);
  CHECK(b.may_go(900));
  CHECK_FALSE(b.may_go(901));
}

TEST_CASE("a request that took more than it was counted as takes it from the others") {
  Bench b({.tokens_per_minute = 1000});
  const auto first = b.gate.reserve(b.now, 100);
  b.now += 30s;
  b.gate.settle(first, b.now, 950);
  CHECK(b.gate.tokens(b.now).used == 950);
  b.now += 29s;
  CHECK_FALSE(b.may_go(60));
}

TEST_CASE("what is settled after its minute gives nothing back") {
  Bench b({.tokens_per_minute = 1000});
  const auto first = b.gate.reserve(b.now, 600);
  b.now += 2min;
  b.gate.reserve(b.now, 700);
  b.gate.settle(first, b.now, 0);
  CHECK(b.gate.tokens(b.now).used == 700);
}

TEST_CASE("a request larger than the whole limit goes when nothing else is counted, and is waited off") {
  Bench b({.tokens_per_minute = 1000});
  CHECK(b.may_go(5000));
  b.gate.reserve(b.now, 1);
  const MonoTime free = k_start + k_gone;
  CHECK(b.gate.earliest(b.now, 5000) == free);
  b.now = free;
  b.gate.reserve(b.now, std::uint64_t{1} << 63);
  CHECK(b.gate.earliest(b.now, 1) > free + 1min);
  CHECK(b.gate.earliest(b.now, 1) <= free + k_gone);
}

TEST_CASE("what was never sent is as if it had not been") {
  Bench b({.requests_per_minute = 1, .tokens_per_minute = 100});
  const auto sent = b.gate.reserve(b.now, 100);
  b.now += 1s;
  CHECK_FALSE(b.may_go());
  b.gate.cancel(sent, b.now);
  CHECK(b.may_go(100));
  CHECK(b.gate.requests(b.now).used == 0);
  CHECK(b.gate.tokens(b.now).used == 0);
}

TEST_CASE("a rejection closes the gate until its time, and not a tick less") {
  Bench b;
  b.gate.reserve(b.now, 0);
  b.reject(20s);
  const MonoTime opens = b.gate.earliest(b.now, 0);
  CHECK(opens >= b.now + 20s);
  CHECK(opens <= b.now + 21s);
  CHECK(b.gate.closed_for(b.now) == opens - b.now);
  CHECK(b.gate.closed_for(opens - k_tick) == k_tick);
  CHECK(b.gate.closed_for(opens) == 0s);
  CHECK(b.gate.limited());
}

TEST_CASE("absurd times are cut, useless ones replaced by our own") {
  struct Case {
    Duration told, least, most;
  };
  for (const auto& [told, least, most] : {Case{24h, 10min, 10min},
                                          {Duration::max(), 10min, 10min},
                                          {0s, 0s, 10s},
                                          {-5s, 0s, 10s},
                                          {Duration::min(), 0s, 10s}}) {
    Bench b;
    b.gate.reserve(b.now, 0);
    b.reject(told);
    CHECK(b.gate.closed_for(b.now) >= std::max<Duration>(least, 800ms));
    CHECK(b.gate.closed_for(b.now) <= most);
  }
}

TEST_CASE("after a rejection one goes ahead, the others when it is accepted or a moment has passed") {
  for (const bool accepted : {true, false}) {
    Bench b;
    b.burst(1000);
    b.now += 50ms;
    b.reject(1s);
    b.now = b.gate.earliest(b.now, 0);
    CHECK(b.burst(10) == 1);
    CHECK(b.gate.earliest(b.now, 0) == b.now + 250ms);
    if (accepted) {
      b.now += 100ms;
      b.gate.on_accepted(b.now);
      CHECK(b.may_go());
    } else {
      b.now += 250ms - k_tick;
      CHECK_FALSE(b.may_go());
      b.now += k_tick;
      CHECK(b.may_go());
    }
  }
}

TEST_CASE("while the one that goes ahead is rejected, the gate stays closed for longer and longer") {
  Bench b;
  b.burst(1000);
  b.reject(1s);
  Duration last = 0s;
  for (int i = 0; i < 5; ++i) {
    b.now = b.gate.earliest(b.now, 0);
    CHECK(b.burst(10) == 1);
    b.now += 50ms;
    b.reject(1s);
    CHECK(b.gate.closed_for(b.now) > last);
    last = b.gate.closed_for(b.now);
  }
  CHECK(last > 20s);
  CHECK(last < 40s);
  // Then all at once it is as it was.
  b.now = b.gate.earliest(b.now, 0);
  CHECK(b.burst(10) == 1);
  b.gate.on_accepted(b.now + 50ms, b.now);
  b.now += 1s;
  CHECK(b.may_go());
}

TEST_CASE("what was sent before the gate closed does not reduce the pace again") {
  Bench b;
  b.burst(1000);
  const MonoTime sent = b.now;
  b.now += 50ms;
  b.gate.on_rejected(b.now, 1s, b.rng, sent);
  const auto pace = b.gate.pace(b.now);
  REQUIRE(pace.has_value());
  for (int i = 0; i < 20; ++i) b.gate.on_rejected(b.now += 1ms, 1s, b.rng, sent);
  CHECK(b.gate.pace(b.now) == pace);
  CHECK(b.gate.closed_for(b.now) >= 1s);
  // Late ones, after it has opened, neither open nor close it for longer than they say.
  b.now = b.gate.earliest(b.now, 0);
  b.gate.reserve(b.now, 0);
  b.gate.on_accepted(b.now + 10ms, sent);
  CHECK_FALSE(b.gate.earliest(b.now + 10ms, 0) == b.now + 10ms);
}

TEST_CASE("the pace begins below what was accepted, climbs back, and is forgotten") {
  Bench b;
  for (int i = 0; i < 200; ++i) {  // 20 a second for 10 s
    b.gate.reserve(b.now, 0);
    b.now += 50ms;
  }
  b.reject(1s);
  const MonoTime opens = b.gate.earliest(b.now, 0);
  const double begins = b.gate.pace(opens).value_or(0);
  CHECK(begins > 1200 * 0.85);
  CHECK(begins < 1200 * 0.95);
  CHECK(b.gate.pace(opens + 20s) > begins);
  CHECK(b.gate.pace(opens + 59s) > 1200);
  CHECK_FALSE(b.gate.pace(opens + 3min).has_value());
}

TEST_CASE("told limits hold like configured ones, and the smaller one counts") {
  Bench b;
  b.gate.learn(b.now, {.requests_limit = 60, .requests_remaining = 59, .requests_reset = 1s});
  CHECK(b.gate.requests(b.now).source == RateGate::Source::told);
  CHECK(b.gate.requests(b.now).limit == 60);
  CHECK(b.gate.limited());
  b.gate.configure({.requests_per_minute = 30});
  CHECK(b.gate.requests(b.now).source == RateGate::Source::configured);
  CHECK(b.gate.requests(b.now).limit == 30);
  b.gate.configure({.requests_per_minute = 600});
  CHECK(b.gate.requests(b.now).limit == 60);
  CHECK(b.gate.requests(b.now + RateGate::k_told_max_age - k_tick).limit == 60);
  CHECK(b.gate.requests(b.now + RateGate::k_told_max_age).limit == 600);
  CHECK(name(b.gate.requests(b.now).source) == "told");
}

TEST_CASE("what others took from the account counts until the time told") {
  Bench b;
  b.gate.learn(b.now, {.requests_limit = 60, .requests_remaining = 0, .requests_reset = 20s});
  CHECK(b.gate.requests(b.now).used == 60);
  const MonoTime when = b.gate.earliest(b.now, 0);
  CHECK(when >= b.now + 20s);
  CHECK(when <= b.now + 21s);
  // Told again and again it is still the same.
  b.gate.learn(b.now + 1s, {.requests_limit = 60, .requests_remaining = 0, .requests_reset = 19s});
  CHECK(b.gate.earliest(b.now + 1s, 0) == when);
}

TEST_CASE("limits of the day are not taken for limits of the minute, nor is a limit of zero") {
  Bench b;
  b.gate.learn(b.now, {.requests_limit = 200, .requests_remaining = 10, .requests_reset = 8h});
  CHECK(b.gate.requests(b.now).source == RateGate::Source::none);
  b.gate.learn(b.now, {.tokens_limit = 0, .tokens_remaining = 0});
  CHECK(b.gate.tokens(b.now).source == RateGate::Source::none);
  CHECK(b.may_go(1000));
}

TEST_CASE("another replica closes the gate, for no longer than may be") {
  Bench b;
  b.gate.close_until(b.now, b.now + 5s);
  CHECK(b.gate.closed_for(b.now) == 5s);
  b.gate.close_until(b.now, b.now + 2s);
  CHECK(b.gate.closed_for(b.now) == 5s);
  b.gate.close_until(b.now, MonoTime::max());
  CHECK(b.gate.closed_for(b.now) == RateGate::k_closed_max);
  CHECK_FALSE(b.gate.pace(b.now).has_value());
}

TEST_CASE("a limit that is lifted holds nobody back any more, and what was counted counts for the next") {
  Bench b({.requests_per_minute = 4});
  b.flood(31s);
  CHECK_FALSE(b.may_go());
  b.gate.configure({});
  CHECK(b.may_go());
  b.gate.configure({.requests_per_minute = 2});
  CHECK_FALSE(b.may_go());
}

}  // namespace
}  // namespace outrigger::resilience
