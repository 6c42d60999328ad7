#include "proxy/fleet.h"

#include <catch2/catch_test_macros.hpp>

#include "chat/digest.h"
#include "unit/proxy/fleet_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string config(std::string_view model) {
  return fmt::format(R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[model]]
name = "*"
{}
)",
                     model);
}

struct Load {
  double attempts = 0, rejected = 0, used = 0;
};

// What the provider sees of a load on all replicas, after the first minute.
Load load(FleetBench& b, const std::vector<double>& per_second, std::uint64_t seed, Duration length = 3min) {
  Rng rng(seed);
  b.connect(150);
  b.offer(1min, per_second, rng);
  const std::size_t before = b.provider.accepted;
  b.offer(length, per_second, rng);
  Load seen;
  seen.attempts = static_cast<double>(b.provider.attempts);
  seen.rejected = static_cast<double>(b.provider.rejected) / seen.attempts;
  seen.used =
      static_cast<double>(b.provider.accepted - before) / (static_cast<double>(b.provider.limit) * seconds(length) / 60);
  return seen;
}

TEST_CASE("three replicas keep one account's limit together, and use it") {
  for (const auto& per_second : {std::vector<double>{8, 8, 8}, {20, 2, 2}}) {
    FleetBench b(3, config("rate = { requests_per_minute = 600 }"), 600);
    const Load seen = load(b, per_second, 7);
    CAPTURE(seen.attempts, seen.rejected, seen.used, b.unasked);
    CHECK(seen.rejected <= 0.005);
    CHECK(seen.used >= 0.95);
    CHECK(b.replicas[0]->fleet->replicas() == 3);
    CHECK(b.redis.keys_without_ttl().empty());
  }
}

TEST_CASE("without Redis each replica keeps the limit alone, so together they don't") {
  FleetBench b(3, config("rate = { requests_per_minute = 600 }"), 600, 1, false);
  const Load seen = load(b, {8, 8, 8}, 7, 1min);
  CHECK(seen.rejected > 0.005);  // what the test above would see if replicas did not tell each other
}

TEST_CASE("who comes later finds what the others have sent, and one that dies is not missed") {
  FleetBench b(2, config("rate = { requests_per_minute = 600 }"), 600);
  Rng rng(3);
  b.connect(150);
  b.offer(90s, {12, 12}, rng);
  b.replicas.push_back(std::make_unique<Replica>(b.world, "late", config("rate = { requests_per_minute = 600 }"), true));
  b.replicas.back()->connect(150);
  b.offer(90s, {8, 8, 8}, rng);
  // What leaves the minute was the others', who hear of it first: parts even out within some minutes.
  const std::size_t first = b.replicas[2]->answers[200];
  CHECK(first >= 75);
  b.offer(90s, {8, 8, 8}, rng);
  CHECK(b.replicas[2]->answers[200] - first >= 200);
  CHECK(b.replicas[0]->fleet->replicas() == 3);
  const std::size_t before = b.provider.accepted;
  b.replicas.pop_back();
  b.offer(2min, {12, 12}, rng);
  CHECK(b.replicas[0]->fleet->replicas() == 2);
  CHECK(static_cast<double>(b.provider.accepted - before) >= 0.95 * 1200);
  CHECK(static_cast<double>(b.provider.rejected) <= 0.005 * static_cast<double>(b.provider.attempts));
}

// Every replica has a lane, and the fleet is awake.
void warm_up(FleetBench& b) {
  b.connect(4);
  for (auto& replica : b.replicas) REQUIRE(replica->ask());
  b.world.loop.run_for(500ms);
  for (auto& replica : b.replicas) REQUIRE(replica->fleet->replicas() == b.replicas.size());
}

TEST_CASE("a gate that a 429 closes is closed everywhere about 100 ms later, and for as long") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    FleetBench b(3, config("retry = { attempts = 1 }\nqueue = { depth = 0 }"), 1'000'000, seed);
    warm_up(b);
    b.provider.limit = 0;
    b.replicas[0]->ask();
    REQUIRE(b.world.loop.run_until([&] { return b.replicas[0]->lane().gate_closed_for() > 0s; }, 1s));
    const MonoTime until = b.world.loop.now() + b.replicas[0]->lane().gate_closed_for();
    for (const std::size_t other : {1U, 2U}) {
      const MonoTime began = b.world.loop.now();
      REQUIRE(b.world.loop.run_until([&] { return b.replicas[other]->lane().gate_closed_for() > 0s; }, 1s));
      CHECK(b.world.loop.now() - began <= 120ms);
      const MonoTime theirs = b.world.loop.now() + b.replicas[other]->lane().gate_closed_for();
      CHECK(theirs >= until - 2ms);
      CHECK(theirs <= until + 120ms);
    }
    // Said again and again, it does not go on for ever.
    b.world.loop.run_for(4s);
    for (auto& replica : b.replicas) CHECK(replica->lane().gate_closed_for() == 0s);
  }
}

TEST_CASE("another credential's gate stays open") {
  FleetBench b(2, config("retry = { attempts = 1 }\nqueue = { depth = 0 }"));
  warm_up(b);
  auto peer = sim::dial(b.world, b.replicas[1]->address);
  peer->send(wire({.text = "x", .key = "other"}));
  b.world.loop.run_for(200ms);
  b.provider.limit = 0;
  b.replicas[0]->ask();
  b.world.loop.run_for(300ms);
  std::vector<bool> closed;
  b.replicas[1]->door.lanes().each_known(
      [&](std::string_view, Lane& lane) { closed.push_back(lane.gate_closed_for() > 0s); });
  CHECK(closed.size() == 2);
  CHECK(std::count(closed.begin(), closed.end(), true) == 1);
}

constexpr std::string_view k_breaker =
    "retry = { attempts = 1 }\nqueue = { depth = 0 }\nbreaker = { failures = 3, open = \"4s\" }";

// Opens the breaker of that replica.
void trip(FleetBench& b, std::size_t who) {
  b.provider.failing = true;
  for (int i = 0; i < 3; ++i) {
    b.replicas[who]->ask();
    b.settle();
  }
  REQUIRE(b.replicas[who]->lane().health().trips() == 1);
}

TEST_CASE("a breaker that opens is advice: the others open at their own first failure") {
  FleetBench b(3, config(k_breaker));
  warm_up(b);
  trip(b, 0);
  b.world.loop.run_for(150ms);
  CHECK(b.replicas[1]->lane().state() == resilience::Health::State::closed);
  b.replicas[1]->ask();
  b.settle();
  CHECK(b.replicas[1]->lane().state() == resilience::Health::State::open);
  b.provider.failing = false;
  b.replicas[2]->ask();  // for this one all is well
  b.settle();
  CHECK(b.replicas[2]->lane().state() == resilience::Health::State::closed);
}

TEST_CASE("one probe at a time in the fleet; its failure makes the others rest, its success lets them probe") {
  FleetBench b(3, config(k_breaker));
  warm_up(b);
  for (const std::size_t who : {0U, 1U, 2U}) {
    b.provider.failing = true;
    while (b.replicas[who]->lane().state() != resilience::Health::State::open) {
      b.replicas[who]->ask();
      b.settle();
    }
  }
  b.provider.failing = false;
  b.provider.hold = true;
  b.world.loop.run_for(6s);
  const std::size_t before = b.provider.attempts;
  for (int i = 0; i < 40; ++i) {  // three seconds, longer than the lock lives without being renewed
    for (auto& replica : b.replicas) replica->ask();
    b.world.loop.run_for(75ms);
  }
  REQUIRE(b.provider.attempts == before + 1);

  b.provider.held.front().answer("{}", 500);
  b.provider.held.clear();
  b.settle();
  b.world.loop.run_for(110ms);
  // Its open time has doubled, and holds for all.
  for (int i = 0; i < 20; ++i) {
    for (auto& replica : b.replicas) replica->ask();
    b.world.loop.run_for(100ms);
  }
  CHECK(b.provider.attempts == before + 1);
  b.world.loop.run_for(10s);
  for (int i = 0; i < 5; ++i) {
    for (auto& replica : b.replicas) replica->ask();
    b.world.loop.run_for(50ms);
  }
  REQUIRE(b.provider.attempts == before + 2);

  b.provider.hold = false;
  b.provider.held.front().answer(answer_json("back"));
  b.world.loop.run_for(200ms);
  for (int i = 0; i < 3; ++i) {
    for (auto& replica : b.replicas) replica->ask();
    b.world.loop.run_for(50ms);
  }
  for (auto& replica : b.replicas) {
    const auto state = replica->lane().state();
    CHECK((state == resilience::Health::State::slow_start || state == resilience::Health::State::closed));
  }
}

TEST_CASE("a replica that dies with the lock does not keep the others from probing for long") {
  FleetBench b(2, config(k_breaker));
  warm_up(b);
  for (const std::size_t who : {0U, 1U}) {
    b.provider.failing = true;
    while (b.replicas[who]->lane().state() != resilience::Health::State::open) {
      b.replicas[who]->ask();
      b.settle();
    }
  }
  b.provider.hold = true;
  b.world.loop.run_for(6s);
  b.replicas[0]->ask();
  b.settle();
  b.replicas[0]->ask();  // the first one asked for the lock
  b.settle();
  const std::size_t before = b.provider.attempts;
  b.replicas[1]->ask();
  b.settle();
  CHECK(b.provider.attempts == before);
  b.replicas.erase(b.replicas.begin());
  b.world.loop.run_for(1100ms);
  for (int i = 0; i < 3; ++i) {
    b.replicas[0]->ask();
    b.world.loop.run_for(50ms);
  }
  CHECK(b.provider.attempts == before + 1);
}

TEST_CASE("whatever Redis does, no request waits for it, and replicas find each other again") {
  FleetBench b(3, config("retry = { attempts = 1 }"));
  warm_up(b);
  Rng rng(11);
  const auto calm = [&](Duration length) {
    for (auto& replica : b.replicas) replica->slowest = {};
    b.offer(length, {5, 5, 5}, rng);
    for (auto& replica : b.replicas) CHECK(replica->slowest <= 15ms);  // what it takes without Redis
  };
  calm(1s);
  SECTION("frozen") {
    b.redis.freeze();
    calm(4s);
    CHECK(b.replicas[0]->fleet->replicas() == 1);
    CHECK_FALSE(b.replicas[0]->fleet->redis_up());
    b.redis.thaw();
  }
  SECTION("down") {
    b.redis.go_down();
    calm(4s);
    CHECK(b.replicas[0]->fleet->replicas() == 1);
    b.redis.come_up();
  }
  SECTION("slow") {
    b.redis.slow = 40ms;
    calm(4s);
    CHECK(b.replicas[0]->fleet->replicas() == 3);
    b.redis.slow = 500ms;
    calm(4s);
    CHECK(b.replicas[0]->fleet->replicas() == 1);
    b.redis.slow = {};
  }
  SECTION("rubbish") {
    b.redis.server().faults.rubbish = 0.3;
    calm(2s);
    b.redis.server().faults = {.wrong_type = 0.3, .corrupt = 0.5};
    calm(4s);
    b.redis.server().faults = {};
  }
  SECTION("it has lost everything") { b.redis.forget(); }
  b.world.loop.run_for(10s);
  calm(1s);
  for (auto& replica : b.replicas) CHECK(replica->fleet->replicas() == 3);
  for (auto& replica : b.replicas) CHECK(replica->answers.size() == 1);  // nothing but 200s
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("a breaker's probe does not wait for a frozen Redis longer than its time limit") {
  FleetBench b(1, config("retry = { attempts = 1 }\nbreaker = { failures = 3, open = \"1s\" }"));
  warm_up(b);
  trip(b, 0);
  b.provider.failing = false;
  b.world.loop.run_until([&] { return b.replicas[0]->lane().state() == resilience::Health::State::half_open; }, 5s);
  b.redis.freeze();
  b.replicas[0]->slowest = {};
  b.replicas[0]->ask();
  b.world.loop.run_for(1s);
  CHECK(b.replicas[0]->lane().health().recoveries() == 1);
  CHECK(b.replicas[0]->slowest <= 20ms + 15ms);
}

TEST_CASE("what is in Redis tells nobody a credential, a target or a text") {
  FleetBench b(2, config("retry = { attempts = 1 }"));
  warm_up(b);
  std::size_t notes = 0;
  for (const std::string& key : b.redis.data().keys(b.world.loop.now())) {
    const std::string& value = b.redis.data().find(key, b.world.loop.now())->bytes;
    if (value.find("\na ") != std::string::npos) ++notes;
    for (const std::string_view secret : {"main", "Bearer", "replica0"}) CHECK(value.find(secret) == std::string::npos);
    CHECK(value.find(chat::sha256_hex("k")) == std::string::npos);
  }
  CHECK(notes == 2);
}

TEST_CASE("replicas with another secret have nothing to say to each other") {
  FleetBench b(2, config("retry = { attempts = 1 }\nqueue = { depth = 0 }"));
  b.replicas[1]->fleet->set_secret("another secret, which is long, too");
  warm_up(b);
  b.provider.limit = 0;
  b.replicas[0]->ask();
  b.world.loop.run_for(500ms);
  CHECK(b.replicas[0]->lane().gate_closed_for() > 0s);
  CHECK(b.replicas[1]->lane().gate_closed_for() == 0s);
}

}  // namespace
}  // namespace outrigger::proxy::test
