#include "resilience/fair_queue.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};
using enum QueueClass;

Ticket ticket(QueueClass cls, std::uint64_t flow = 1, std::uint64_t cost = 100) {
  return {.flow = flow, .cls = cls, .cost = cost};
}
Ticket until(MonoTime deadline, QueueClass cls = streaming) { return {.cls = cls, .cost = 100, .deadline = deadline}; }

struct Bench {
  FairQueue queue{{.depth = 1000}};
  MonoTime now = k_start;

  std::uint64_t push(const Ticket& what) {
    const auto pushed = queue.push(now, what);
    REQUIRE_FALSE(pushed.refused);
    REQUIRE(pushed.id != 0);
    return pushed.id;
  }
  std::uint64_t pop() {
    const auto popped = queue.pop(now);
    return popped ? popped->id : 0;
  }
  std::string classes(int services) {
    std::string served;
    for (int i = 0; i < services; ++i) {
      const auto popped = queue.pop(now);
      served += popped ? name(popped->cls).substr(0, 2) : "--";
    }
    return served;
  }
  // A target that takes `rate` tokens a second, seen for ten seconds of waiting.
  void learn(std::uint64_t rate) {
    push(ticket(batch, 99));
    for (int i = 0; i < 100; ++i) {
      now += 100ms;
      queue.on_served(now, rate / 10);
    }
    while (queue.pop(now)) {
    }
  }
};

TEST_CASE("an empty queue has nothing to give") {
  Bench b;
  CHECK(b.queue.empty());
  CHECK_FALSE(b.queue.peek(b.now));
  CHECK_FALSE(b.queue.pop(b.now));
  CHECK_FALSE(b.queue.remove(0));
  CHECK_FALSE(b.queue.remove(1));
  CHECK_FALSE(b.queue.next_deadline());
  CHECK(b.queue.expire(b.now).empty());
}

TEST_CASE("one flow is served in the order of arrival whatever its tickets cost") {
  Bench b;
  std::vector<std::uint64_t> pushed;
  for (const std::uint64_t cost : {5000u, 1u, 0u, 70u, 100000u, 3u}) pushed.push_back(b.push(ticket(streaming, 7, cost)));
  for (const std::uint64_t id : pushed) {
    CHECK(b.queue.peek(b.now)->id == id);
    CHECK(b.pop() == id);
  }
  CHECK(b.queue.empty());
  CHECK(b.queue.cost() == 0);
}

TEST_CASE("streams go first, then blocking calls, then batches; every eighth service goes below") {
  Bench b;
  for (int i = 0; i < 20; ++i) b.push(ticket(batch));
  for (int i = 0; i < 20; ++i) b.push(ticket(blocking));
  for (int i = 0; i < 20; ++i) b.push(ticket(streaming));
  CHECK(b.queue.size(streaming) == 20);
  CHECK(b.queue.size(blocking) == 20);
  CHECK(b.queue.size(batch) == 20);
  // The batches came first, so the eighth service is theirs.
  CHECK(b.classes(16) == "stststststststbastststststststba");
  CHECK(b.classes(6) == "stststststst");
  CHECK(b.classes(10) == "blbablblblblblblblba");
}

TEST_CASE("of two lower classes the one whose oldest ticket is older gets the eighth service") {
  Bench b;
  b.push(ticket(blocking));
  b.push(ticket(batch));
  for (int i = 0; i < 20; ++i) b.push(ticket(streaming));
  CHECK(b.classes(16) == "stststststststblstststststststba");
}

TEST_CASE("services count against the eighth only while somebody waits below") {
  Bench b;
  for (int i = 0; i < 30; ++i) b.push(ticket(streaming));
  b.classes(10);
  b.push(ticket(batch));
  CHECK(b.classes(8) == "stststststststba");
}

TEST_CASE("a priority moves a ticket one class, and not beyond the first and the last") {
  CHECK(moved(streaming, Priority::high) == streaming);
  CHECK(moved(streaming, Priority::normal) == streaming);
  CHECK(moved(streaming, Priority::low) == blocking);
  CHECK(moved(blocking, Priority::high) == streaming);
  CHECK(moved(blocking, Priority::normal) == blocking);
  CHECK(moved(blocking, Priority::low) == batch);
  CHECK(moved(batch, Priority::high) == blocking);
  CHECK(moved(batch, Priority::normal) == batch);
  CHECK(moved(batch, Priority::low) == batch);

  Bench b;
  Ticket raised = ticket(blocking);
  b.push(raised);
  raised.priority = Priority::high;
  const auto first = b.push(raised);
  CHECK(b.queue.size(streaming) == 1);
  CHECK(b.pop() == first);
}

TEST_CASE("flows of one class take turns, and a flood of one does not hold up the others") {
  Bench b;
  for (int i = 0; i < 50; ++i) b.push(ticket(streaming, 1));
  const auto other = b.push(ticket(streaming, 2));
  const auto third = b.push(ticket(streaming, 3));
  std::vector<std::uint64_t> served{b.pop(), b.pop(), b.pop()};
  CHECK(served[1] == other);
  CHECK(served[2] == third);
}

TEST_CASE("what counts is the cost and not the number of tickets") {
  Bench b;
  for (int i = 0; i < 30; ++i) b.push(ticket(streaming, 1, 1000));
  for (int i = 0; i < 300; ++i) b.push(ticket(streaming, 2, 100));
  std::uint64_t dear = 0;
  std::uint64_t cheap = 0;
  for (int i = 0; i < 110; ++i) {
    const auto popped = b.queue.pop(b.now);
    (popped->flow == 1 ? dear : cheap) += popped->cost;
  }
  CHECK(dear == 10'000);
  CHECK(cheap == 10'000);
}

TEST_CASE("credit saved for a dear ticket goes with it") {
  Bench b;
  const auto dear = b.push(ticket(streaming, 1, 1'000'000));
  for (int i = 0; i < 100; ++i) b.push(ticket(streaming, 1, 100));
  for (int i = 0; i < 400; ++i) b.push(ticket(streaming, 2, 100));
  for (int i = 0; i < 200; ++i) b.pop();  // flow 1 saves up some 20,000 meanwhile
  REQUIRE(b.queue.remove(dear));
  // Equal shares from here on: not all that flow 1 has in a row.
  int longest = 0;
  int in_a_row = 0;
  for (int i = 0; i < 60; ++i) {
    in_a_row = b.queue.pop(b.now)->flow == 1 ? in_a_row + 1 : 0;
    longest = std::max(longest, in_a_row);
  }
  CHECK(longest <= 45);
}

TEST_CASE("the queue takes its depth and not one more") {
  Bench b;
  b.queue.configure({.depth = 2});
  b.push(ticket(streaming));
  const auto second = b.push(ticket(streaming));
  const auto refused = b.queue.push(b.now, ticket(streaming));
  CHECK(refused.refused == ShedReason::queue_full);
  CHECK(refused.id == 0);
  CHECK_FALSE(refused.displaced);
  CHECK(b.queue.size() == 2);
  REQUIRE(b.queue.remove(second));
  b.push(ticket(streaming));  // its place is free at once
}

TEST_CASE("a depth of zero lets nobody wait, and a smaller depth keeps what waits") {
  Bench b;
  for (int i = 0; i < 5; ++i) b.push(ticket(streaming));
  b.queue.configure({.depth = 0});
  CHECK(b.queue.size() == 5);
  CHECK(b.queue.push(b.now, ticket(streaming)).refused == ShedReason::queue_full);
  CHECK(b.classes(6) == "ststststst--");
}

TEST_CASE("a higher class displaces the newest ticket of the lowest class of a full queue") {
  Bench b;
  b.queue.configure({.depth = 4});
  const auto call = b.push(ticket(blocking));
  const auto old = b.push(ticket(batch, 1));
  const auto young = b.push(ticket(batch, 2));
  b.push(ticket(blocking));
  CHECK(b.queue.push(b.now, ticket(batch)).refused == ShedReason::queue_full);

  const auto first = b.queue.push(b.now, ticket(streaming));
  REQUIRE(first.displaced);
  CHECK(first.displaced->id == young);
  CHECK(first.displaced->flow == 2);
  CHECK(b.queue.size() == 4);
  CHECK_FALSE(b.queue.remove(young));
  const auto second = b.queue.push(b.now, ticket(blocking));
  CHECK(second.displaced->id == old);
  CHECK(b.queue.push(b.now, ticket(blocking)).refused == ShedReason::queue_full);  // its own class displaces nobody
  const auto third = b.queue.push(b.now, ticket(streaming));
  CHECK(third.displaced->id == second.id);
  CHECK(b.queue.remove(call));
}

TEST_CASE("a ticket whose deadline is there is refused, and one a tick before waits") {
  Bench b;
  CHECK(b.queue.push(b.now, until(b.now)).refused == ShedReason::deadline);
  CHECK_FALSE(b.queue.push(b.now, until(b.now + k_tick)).refused);
}

TEST_CASE("a ticket leaves at its deadline and not a tick before") {
  Bench b;
  const auto late = b.push(until(b.now + 2s));
  const auto early = b.push(until(b.now + 1s));
  const auto never = b.push(ticket(streaming));
  CHECK(b.queue.next_deadline() == k_start + 1s);
  CHECK(b.queue.expire(k_start + 1s - k_tick).empty());
  CHECK(b.queue.expire(k_start + 1s) == std::vector{early});
  CHECK(b.queue.next_deadline() == k_start + 2s);
  CHECK(b.queue.expire(k_start + 1h) == std::vector{late});
  CHECK_FALSE(b.queue.next_deadline());
  CHECK(b.queue.expire(k_start + 1h).empty());
  b.now = k_start + 1h;
  CHECK(b.pop() == never);
}

TEST_CASE("a ticket past its deadline is never served; it waits to be told, and holds no place") {
  Bench b;
  b.queue.configure({.depth = 2});
  const auto first = b.push(until(b.now + 1s));
  const auto second = b.push(until(b.now + 1s));
  b.now += 1s;
  CHECK_FALSE(b.queue.peek(b.now));
  CHECK_FALSE(b.queue.pop(b.now));
  CHECK(b.queue.empty());
  CHECK(b.queue.next_deadline() <= b.now);
  b.push(ticket(streaming));
  b.push(ticket(streaming));
  CHECK(b.queue.remove(second));  // its client left before it was told
  CHECK(b.queue.expire(b.now) == std::vector{first});
  CHECK_FALSE(b.queue.remove(first));
  CHECK_FALSE(b.queue.next_deadline());
}

TEST_CASE("an id is good for one ticket only, though places are used again") {
  Bench b;
  const auto first = b.push(ticket(streaming));
  REQUIRE(b.queue.remove(first));
  const auto second = b.push(ticket(streaming));
  CHECK(first != second);
  CHECK_FALSE(b.queue.remove(first));
  CHECK(b.queue.size() == 1);
  CHECK(b.queue.remove(second));
  CHECK_FALSE(b.queue.remove(second));
  CHECK_FALSE(b.queue.remove(~std::uint64_t{0}));
}

TEST_CASE("without a learned rate nobody is refused for the wait, but for a gate that opens too late") {
  Bench b;
  for (int i = 0; i < 100; ++i) b.push(ticket(streaming, 1, 1'000'000));
  CHECK(b.queue.tokens_per_second() == 0);
  CHECK(b.queue.predicted_wait(b.now, ticket(streaming)) == 0s);
  CHECK(b.queue.retry_after(b.now, ticket(streaming)) == 1s);
  CHECK_FALSE(b.queue.push(b.now, until(b.now + 1s), {.opens = b.now + 1s - k_tick}).refused);
  CHECK(b.queue.push(b.now, until(b.now + 1s), {.opens = b.now + 1s}).refused == ShedReason::deadline);
  CHECK_FALSE(b.queue.push(b.now, ticket(streaming), {.opens = MonoTime::max()}).refused);
}

TEST_CASE("what cannot be served in time is refused at once") {
  Bench b;
  b.learn(1000);
  CHECK(std::abs(b.queue.tokens_per_second() - 1000) < 1);
  b.push(ticket(streaming, 1, 5000));
  const Duration wait = b.queue.predicted_wait(b.now, ticket(streaming, 1));
  CHECK(wait > 4990ms);
  CHECK(wait < 5010ms);
  CHECK(b.queue.push(b.now, {.flow = 1, .cls = streaming, .deadline = b.now + wait}).refused == ShedReason::deadline);
  CHECK_FALSE(b.queue.push(b.now, {.flow = 1, .cls = streaming, .deadline = b.now + wait + k_tick}).refused);
}

TEST_CASE("the predicted wait is that of the service order") {
  Bench b;
  b.learn(1000);
  const auto wait = [&](const Ticket& t, FairQueue::Supply supply = {}) {
    return seconds(b.queue.predicted_wait(b.now, t, supply));
  };
  CHECK(wait(ticket(streaming)) == 0);
  for (int i = 0; i < 10; ++i) b.push(ticket(blocking, 1, 1000));
  b.push(ticket(blocking, 2, 300));
  const auto near = [](double value, double wanted) { return std::abs(value - wanted) < wanted * 0.01; };
  CHECK(wait(ticket(streaming)) == 0);                             // before all of them
  CHECK(near(wait(ticket(blocking, 1)), 10.3));                    // behind its own flow, and all that the other has
  CHECK(near(wait(ticket(blocking, 3, 200)), 0.4));                // a fair share of each
  CHECK(near(wait(ticket(blocking, 2, 200)), 0.8));                // 300 of its own, 500 of the other
  CHECK(near(wait(ticket(batch, 3)), (7 * 10300.0 / 11) / 1000));  // eighth service
  CHECK(near(wait(ticket(blocking, 3, 200), {.opens = b.now + 2s}), 2.4));
  CHECK(near(wait(ticket(blocking, 3, 200), {.opens = b.now + 2s, .paced = b.now + 2s}), 2.4));
  CHECK(near(wait(ticket(blocking, 3, 200), {.opens = b.now + 2s, .paced = b.now + 9s}), 9));
}

TEST_CASE("what is ahead of a ticket is told in tickets and in cost") {
  Bench b;
  for (int i = 0; i < 10; ++i) b.push(ticket(blocking, 1, 1000));
  b.push(ticket(streaming, 2, 300));
  // Its own flow's, and one of eight services goes below.
  CHECK(b.queue.ahead(ticket(streaming, 2)).count == 1 + 1.0 / 7);
  CHECK(b.queue.ahead(ticket(streaming, 2)).cost == 300 + 1000.0 / 7);
  CHECK(b.queue.ahead(ticket(blocking, 1)).count == 11);
  CHECK(b.queue.ahead(ticket(blocking, 1)).cost == 10300);
}

TEST_CASE("what a rate holds back for longer than its deadline is refused at once, and told for how long") {
  Bench b;
  CHECK_FALSE(b.queue.push(b.now, until(b.now + 1s), {.paced = b.now + 1s - k_tick}).refused);
  CHECK(b.queue.push(b.now, until(b.now + 1s), {.paced = b.now + 1s}).refused == ShedReason::deadline);
  CHECK(b.queue.retry_after(b.now, ticket(streaming), {.paced = b.now + 7s + k_tick}) == 8s);
}

TEST_CASE("before the rate is known nobody is refused for it, but who is refused for a full queue hears of it") {
  Bench b;
  for (int i = 0; i < 100; ++i) b.push(ticket(streaming));
  b.now += 1500ms;
  b.queue.on_served(b.now, 3000);
  CHECK(b.queue.predicted_wait(b.now, ticket(streaming)) == 0s);
  CHECK(b.queue.retry_after(b.now, ticket(streaming)) == 5s);
  CHECK(b.queue.retry_after(b.now, ticket(streaming), {.opens = b.now + 10s}) == 15s);
}

TEST_CASE("retry-after is whole seconds, rounded up, from 1 to 60") {
  Bench b;
  b.learn(1000);
  const auto after = [&] { return b.queue.retry_after(b.now, ticket(streaming)).count(); };
  CHECK(after() == 1);
  b.push(ticket(streaming, 1, 900));
  CHECK(after() == 1);
  b.push(ticket(streaming, 1, 200));
  CHECK(after() == 2);
  b.push(ticket(streaming, 1, 30'000));
  CHECK(after() == 32);
  b.push(ticket(streaming, 1, 1'000'000));
  CHECK(after() == 60);
}

TEST_CASE("all words have names of their own") {
  CHECK(name(streaming) == "streaming");
  CHECK(name(blocking) == "blocking");
  CHECK(name(batch) == "batch");
  CHECK(name(ShedReason::queue_full) == "queue_full");
  CHECK(name(ShedReason::deadline) == "deadline");
  CHECK(name(ShedReason::wait_limit) == "wait_limit");
  CHECK(name(ShedReason::displaced) == "displaced");
}

}  // namespace
}  // namespace outrigger::resilience
