// Several gates for one account, which tell each other what they send.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <vector>

#include "resilience/rate_gate.h"
#include "slow.h"

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};
constexpr Duration k_gone = SlidingCount::k_minute + SlidingCount::k_margin + SlidingCount::k_slot;

int burst(RateGate& gate, MonoTime now, int most, std::uint64_t tokens = 0) {
  int sent = 0;
  for (; sent < most && gate.earliest(now, tokens) <= now; ++sent) gate.reserve(now, tokens);
  return sent;
}

// Others have sent `used` of 600, but not lately: the smoother has nothing against two at once, so the room decides.
RateGate full_gate(std::uint64_t used, std::uint32_t others) {
  RateGate gate;
  gate.note_others(k_start, 0s, used, 0);
  gate.set_others(others);
  gate.configure({.requests_per_minute = 600});
  return gate;
}

TEST_CASE("what others send counts, until it is a minute old") {
  RateGate gate({.requests_per_minute = 60});
  gate.note_others(k_start, 0s, 60, 0);
  CHECK(gate.requests(k_start).used == 60);
  const MonoTime free = gate.earliest(k_start + 20s, 0);
  CHECK(free > k_start + SlidingCount::k_minute);
  CHECK(free <= k_start + k_gone);
  CHECK(gate.requests(k_start + k_gone).used == 0);
}

TEST_CASE("what others have sent over a while leaves over a while") {
  RateGate gate({.requests_per_minute = 600});
  gate.note_others(k_start, 1min, 600, 6000);
  CHECK(gate.requests(k_start).used == 600);
  CHECK(gate.tokens(k_start).used == 6000);
  for (const int after : {10, 30, 50}) {
    const auto left = static_cast<double>(gate.requests(k_start + std::chrono::seconds(after)).used);
    CHECK(left >= 600.0 - 10 * after);
    CHECK(left <= 600.0 - 10 * after + 25);
  }
  CHECK(gate.earliest(k_start, 0) < k_start + 3s);
}

TEST_CASE("each sends as fast as the others leave room for, and never slower than its part") {
  // Requests a second of the others, of ten; what is left for this one.
  for (const auto& [theirs, ours] : {std::pair(0, 10), {2, 8}, {5, 5}, {8, 3}, {20, 3}}) {
    RateGate gate({.requests_per_minute = 600});
    gate.set_others(2);
    MonoTime now = k_start;
    int sent = 0;
    for (int i = 0; i < 400; ++i, now += 50ms) {
      if (i % 20 < theirs) gate.note_others(now, 50ms, 1, 0);
      if (i >= 200) sent += burst(gate, now, 9);
    }
    CAPTURE(theirs, sent);
    CHECK(sent >= 10 * ours);
    CHECK(sent <= 10 * ours + 15);
  }
  RateGate unlimited;
  unlimited.note_others(k_start, 50ms, 12, 12);
  CHECK(unlimited.earliest(k_start, 0) == k_start);
  CHECK(unlimited.requests(k_start).used == 12);
}

TEST_CASE("of many that may go at once each takes its part") {
  for (const auto& [others, together] : {std::pair(0U, 10), {1U, 5}, {2U, 3}, {9U, 1}, {500U, 1}}) {
    RateGate gate({.requests_per_minute = 600});
    gate.set_others(others);
    CHECK(burst(gate, k_start, 100) == together);
  }
}

TEST_CASE("of the last room each takes its part, until the others know") {
  struct Row {
    std::uint64_t used;
    std::uint32_t others;
    int at_once;
  };
  for (const Row& row :
       {Row{599, 0, 1}, Row{600, 0, 0}, Row{599, 1, 0}, Row{598, 1, 1}, Row{598, 2, 0}, Row{597, 2, 1}, Row{594, 2, 2},
        Row{595, 2, 1}, Row{591, 9, 0}, Row{590, 9, 1}, Row{450, 500, 0}, Row{449, 500, 1}}) {
    RateGate gate = full_gate(row.used, row.others);
    CAPTURE(row.used, row.others);
    CHECK(burst(gate, k_start + 1s, 2) == row.at_once);
  }
}

TEST_CASE("a part of the room that was taken is there again when the others have heard of it") {
  RateGate gate = full_gate(596, 2);
  const MonoTime now = k_start + 59s;
  CHECK(burst(gate, now, 9) == 1);  // four are free
  const MonoTime next = gate.earliest(now, 0);
  CHECK(next > now + RecentCount::k_span);
  CHECK(next <= now + RecentCount::k_span + RecentCount::k_slot);
  CHECK(gate.earliest(next - k_tick, 0) > next - k_tick);
  CHECK(burst(gate, next, 9) == 1);  // three are
  CHECK(gate.earliest(next + 300ms, 0) > k_start + 1min);
}

TEST_CASE("large requests and small limits are not kept waiting for ever") {
  RateGate gate({.tokens_per_minute = 1000});
  gate.set_others(9);
  CHECK(gate.earliest(k_start, 1000) == k_start);
  CHECK(gate.earliest(k_start, 5000) == k_start);
  gate.note_others(k_start, 0s, 1, 1);
  CHECK(gate.earliest(k_start + 30s, 1000) > k_start + 1min);
  CHECK(gate.earliest(k_start + 30s, 700) == k_start + 30s);
  RateGate small({.requests_per_minute = 1});
  small.set_others(9);
  CHECK(burst(small, k_start, 5) == 1);
  CHECK(small.earliest(k_start, 0) <= k_start + k_gone);
}

TEST_CASE("what was sent is told exactly") {
  RateGate gate;
  const auto first = gate.reserve(k_start, 100);
  const auto second = gate.reserve(k_start, 50);
  gate.note_others(k_start, 0s, 7, 70);
  gate.settle(first, k_start + 1s, 120);
  gate.cancel(second, k_start + 1s);
  CHECK(gate.sent().requests == 1);
  CHECK(gate.sent().tokens == 120);
}

TEST_CASE("each rejection that closes is told") {
  RateGate gate;
  Rng rng(1);
  CHECK(gate.rejections() == 0);
  gate.on_rejected(k_start, 2s, rng, k_start);
  CHECK(gate.rejections() == 1);
  gate.on_rejected(k_start + 1ms, std::nullopt, rng, k_start);  // it says nothing new
  CHECK(gate.rejections() == 1);
  gate.close_until(k_start + 2ms, k_start + 20s);  // another replica's
  CHECK(gate.rejections() == 1);
  CHECK(gate.closed_for(k_start + 2ms) == 20s - 2ms);
}

// Gates that exchange what they have sent every 50 ms or so; the news takes up to `delay`. Each has something to send after random
// times. The provider counts by the sliding minute and rejects nothing, so that what is too much shows.
struct Play {
  std::size_t most_in_a_minute = 0;
  double used = 0;            // of the limit, without the first two minutes
  std::vector<double> parts;  // of it, by replica

  Play(std::uint64_t seed, std::uint64_t limit, std::size_t count, Duration delay, std::vector<double> offered) {
    Rng rng(seed);
    struct Replica {
      RateGate gate;
      MonoTime next_exchange, next_arrival;
      std::size_t waiting = 0;
      std::int64_t told = 0;
      std::vector<std::pair<MonoTime, std::int64_t>> history;  // what it has told in all, and when
      std::vector<std::int64_t> heard;
      double per_second;
    };
    std::vector<Replica> replicas(count);
    for (std::size_t i = 0; i < count; ++i) {
      Replica& r = replicas[i];
      r.gate = RateGate({.requests_per_minute = limit});
      r.gate.set_others(static_cast<std::uint32_t>(count - 1));
      r.next_exchange = k_start + Duration(static_cast<Duration::rep>(rng.below(50'000'000)));
      r.next_arrival = k_start;
      r.heard.resize(count);
      r.per_second = offered[i] * static_cast<double>(limit) / 60;
    }
    parts.resize(count);
    std::deque<MonoTime> minute;
    std::size_t late = 0;
    const MonoTime end = k_start + 6min;
    for (MonoTime now = k_start; now < end; now += 1ms) {
      for (std::size_t i = 0; i < count; ++i) {
        Replica& r = replicas[i];
        while (r.next_arrival <= now) {
          ++r.waiting;
          r.next_arrival +=
              std::chrono::duration_cast<Duration>(std::chrono::duration<double>(2 * rng.unit() / r.per_second));
        }
        if (r.next_exchange <= now) {
          r.next_exchange = now + 45ms + Duration(static_cast<Duration::rep>(rng.below(10'000'000)));
          r.history.emplace_back(now, r.gate.sent().requests);
          for (std::size_t j = 0; j < count; ++j) {
            if (j == i) continue;
            std::int64_t told = r.heard[j];
            for (auto at = replicas[j].history.rbegin(); at != replicas[j].history.rend(); ++at) {
              if (at->first + delay > now) continue;
              told = at->second;
              break;
            }
            r.gate.note_others(now, 50ms, static_cast<std::uint64_t>(told - r.heard[j]), 0);
            r.heard[j] = told;
          }
        }
        for (; r.waiting > 0 && r.gate.earliest(now, 0) <= now; --r.waiting) {
          r.gate.reserve(now, 0);
          minute.push_back(now);
          if (now >= k_start + 2min) {
            ++late;
            parts[i] += 1 / static_cast<double>(4 * limit);
          }
        }
      }
      while (!minute.empty() && minute.front() <= now - 1min) minute.pop_front();
      most_in_a_minute = std::max(most_in_a_minute, minute.size());
    }
    used = static_cast<double>(late) / static_cast<double>(4 * limit);
  }
};

TEST_CASE("gates that tell each other what they send keep the limit together, and use it") {
  struct Row {
    std::uint64_t limit;
    std::size_t count;
    std::vector<double> offered;  // of the limit, by each
  };
  for (const Row& row : {Row{600, 3, {0.8, 0.8, 0.8}}, Row{600, 3, {2.0, 0.2, 0.2}}, Row{60, 3, {0.8, 0.8, 0.8}},
                         Row{3000, 3, {0.8, 0.8, 0.8}}, Row{600, 2, {1.2, 1.2}}, Row{600, 8, std::vector<double>(8, 0.3)}}) {
    for (const std::uint64_t seed : {1, 2}) {
      if (k_is_slow && (seed > 1 || row.count > 3)) continue;
      const Play play(seed, row.limit, row.count, 20ms, row.offered);
      CAPTURE(row.limit, row.count, seed, play.most_in_a_minute, play.used);
      CHECK(play.most_in_a_minute <= row.limit + row.limit / 200);
      CHECK(play.used >= 0.95);
      // Nobody gets less than he asks for, or less than nearly his part.
      for (std::size_t i = 0; i < row.count; ++i) {
        CHECK(play.parts[i] >= 0.75 * std::min(row.offered[i], 1.0 / static_cast<double>(row.count)));
      }
    }
  }
}

}  // namespace
}  // namespace outrigger::resilience
