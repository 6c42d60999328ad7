// What a Lane tells those who wait or are refused, and what it learns from a probe that loses.
#include <catch2/catch_test_macros.hpp>

#include "proxy/lane.h"
#include "sim/world/sim_world.h"

namespace outrigger::proxy {
namespace {

struct Bench {
  explicit Bench(Lane::Settings settings)
      : lane(std::make_shared<Lane>(world.world(), "main:m", "m", std::move(settings), log)) {}
  std::optional<Permit> acquire() { return lane->acquire(resilience::Ticket{}, false); }
  void fail(int times) {
    for (int i = 0; i < times; ++i) acquire()->failed({providers::SignalKind::health, "server_error", {}});
  }
  Duration rests_for() { return *lane->health().reopens_at() - world.loop.now(); }

  sim::SimWorld world;
  Lane::Log log;
  std::shared_ptr<Lane> lane;
};

struct Patient final : Waiter {
  void on_turn(Turn) override {}
};

TEST_CASE("who would wait too long behind others for a configured rate is refused at once, and told how long it is") {
  Lane::Settings settings;
  settings.rate.requests_per_minute = 60;
  Bench b(settings);
  while (b.acquire()) {
  }
  resilience::Ticket ticket;
  ticket.cls = resilience::QueueClass::batch;
  ticket.deadline = b.world.loop.now() + 20s;
  std::vector<std::unique_ptr<Patient>> waiting;
  std::vector<std::uint64_t> places;
  while (true) {
    waiting.push_back(std::make_unique<Patient>());
    const Lane::Place place = b.lane->wait(*waiting.back(), ticket);
    if (place.refused) {
      CHECK(*place.refused == resilience::ShedReason::deadline);
      break;
    }
    places.push_back(place.id);
  }
  // One a second.
  CHECK(places.size() == 19);
  CHECK(b.lane->retry_after(ticket) == 20s);
  // Who would be served before them hears of less.
  ticket.cls = resilience::QueueClass::streaming;
  CHECK(b.lane->retry_after(ticket) == 1s);
  for (const std::uint64_t place : places) b.lane->leave(place);
}

TEST_CASE("a probe that is outrun is a failed one; any other call that is outrun is evidence of nothing") {
  Bench b(Lane::Settings{});
  b.acquire()->outrun();
  CHECK(b.lane->health().failures_in_a_row() == 0);
  b.fail(3);
  REQUIRE(b.lane->state() == resilience::Health::State::open);
  const Duration first = b.rests_for();
  b.world.loop.run_for(first);
  {
    auto probe = b.acquire();
    REQUIRE(probe->is_probe());
    b.world.loop.run_for(1s);
    probe->outrun();
  }
  CHECK(b.lane->state() == resilience::Health::State::open);
  CHECK(b.rests_for() >= 1600ms);  // twice a second, less a fifth
  CHECK(b.lane->health().pending() == 0);
}

// Comes, waits for its turn however often the lane changes meanwhile, and keeps its permit.
struct Client final : Waiter {
  Client(Bench& bench, Duration patience) : bench_(bench) {
    ticket_.cost = 300;
    ticket_.deadline = bench.world.loop.now() + patience;
  }
  void come() {
    if (!acquire(false)) refused = bench_.lane->wait(*this, ticket_).refused;
  }
  void on_turn(Turn turn) override {
    if (turn == Turn::changed) return come();
    REQUIRE(turn == Turn::go);
    REQUIRE(acquire(true));
  }
  std::optional<resilience::ShedReason> refused;
  std::optional<Permit> permit;

 private:
  bool acquire(bool has_turn) {
    if (auto taken = bench_.lane->acquire(ticket_, has_turn)) permit.emplace(std::move(*taken));
    return permit.has_value();
  }

  Bench& bench_;
  resilience::Ticket ticket_;
};

// Of three who come now the first goes and the others wait for less than a second: how many are refused?
std::size_t refused_of_three(Bench& b) {
  std::vector<std::unique_ptr<Client>> clients;
  std::size_t refused = 0;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(b, 2s));
    clients.back()->come();
    if (clients.back()->refused) ++refused;
  }
  for (const auto& client : clients) {
    b.world.loop.run_until([&] { return client->permit || client->refused; }, 2s);
    if (!client->permit) continue;
    b.world.loop.run_for(50ms);
    client->permit->succeeded(true);
    client->permit.reset();
  }
  return refused;
}

TEST_CASE("those who waited for an outage to end do not make those after it seem to wait for as long") {
  Bench b(Lane::Settings{});
  b.fail(3);
  for (int i = 0; i < 8; ++i) {
    Client probe(b, 1min);
    probe.come();
    REQUIRE_FALSE(probe.refused);
    b.world.loop.run_until([&] { return probe.permit.has_value(); }, 40s);
    REQUIRE(probe.permit);
    REQUIRE(probe.permit->is_probe());
    probe.permit->failed({providers::SignalKind::health, "server_error", {}});
  }
  b.world.loop.run_for(b.rests_for());
  CHECK(refused_of_three(b) == 0);
  REQUIRE(b.lane->state() == resilience::Health::State::slow_start);
  CHECK(refused_of_three(b) == 0);
}

TEST_CASE("nor do those who waited for a closed gate") {
  Lane::Settings settings;
  settings.concurrency = {.kind = resilience::Concurrency::Kind::fixed, .limit = 1};
  Bench b(settings);
  for (int i = 0; i < 8; ++i) {
    b.lane->advise_gate(0, b.world.loop.now() + 30s);
    Client client(b, 1min);
    client.come();
    REQUIRE_FALSE(client.refused);
    b.world.loop.run_until([&] { return client.permit.has_value(); }, 40s);
    REQUIRE(client.permit);
    client.permit->succeeded(true);
  }
  CHECK(refused_of_three(b) == 0);
}

TEST_CASE("a probe that hangs keeps nobody out for longer than the next probe takes") {
  Bench b(Lane::Settings{});
  b.fail(3);
  b.world.loop.run_for(b.rests_for());
  auto hanging = b.acquire();
  REQUIRE(hanging->is_probe());
  Client client(b, 20s);
  client.come();
  REQUIRE_FALSE(client.refused);
  b.world.loop.run_until([&] { return client.permit.has_value(); }, 10s);
  REQUIRE(client.permit);
  CHECK(client.permit->is_probe());
  client.permit->succeeded(true);
  CHECK(b.lane->state() == resilience::Health::State::slow_start);
  hanging->failed({providers::SignalKind::health, "total_timeout", {}});
  CHECK(b.lane->state() == resilience::Health::State::slow_start);
}

TEST_CASE("who waits while a target starts slowly goes when that is over, though nothing else happens") {
  Bench b(Lane::Settings{});
  b.fail(3);
  b.world.loop.run_for(b.rests_for());
  b.acquire()->succeeded(true);
  auto longer = b.acquire();
  REQUIRE(longer);
  Client client(b, 20s);
  client.come();
  CHECK_FALSE(client.permit);
  b.world.loop.run_for(6s);
  CHECK(client.permit);
}

TEST_CASE("what a key did that a reload has taken away is not its successor's fault") {
  const auto with_keys = [](std::vector<std::string> keys) {
    Lane::Settings settings;
    settings.keys = std::move(keys);
    return settings;
  };
  Bench b(with_keys({"old", "both"}));
  std::optional<Permit> of_old = b.acquire();
  std::optional<Permit> of_both = b.acquire();
  REQUIRE(of_old->key() == 0);
  REQUIRE(of_both->key() == 1);
  b.lane->configure(with_keys({"both", "new"}));
  of_old->failed({providers::SignalKind::credential, "invalid_api_key", {}});
  of_old->settle(5);
  CHECK_FALSE(b.lane->keys()[0].is_set_aside(b.world.loop.now()));
  CHECK_FALSE(b.lane->keys()[1].is_set_aside(b.world.loop.now()));
  of_both->failed({providers::SignalKind::credential, "invalid_api_key", {}});
  CHECK(b.lane->keys()[0].is_set_aside(b.world.loop.now()));
  // A request from before the reload, whose turn comes after it, sends the key that it knows.
  auto late = b.acquire();
  REQUIRE(late->key() == 1);
  late->note_sent_key("old");
  CHECK(b.lane->keys()[1].gate.sent().requests == 0);
  late->failed({providers::SignalKind::rate, "rate_limit_exceeded", 30s});
  CHECK(b.lane->keys()[1].gate.closed_for(b.world.loop.now()) == 0s);
}

TEST_CASE("who closes a breaker by hand opens the gates, too") {
  Bench b(Lane::Settings{});
  b.acquire()->failed({providers::SignalKind::rate, "rate_limit_exceeded", 300s});
  REQUIRE_FALSE(b.acquire());
  b.lane->force_close();
  CHECK(b.acquire());
}

TEST_CASE("a lane is idle when what it was told no longer holds") {
  Bench b(Lane::Settings{});
  {
    auto permit = b.acquire();
    permit->note_limits({.requests_limit = 600, .requests_remaining = 599});
    permit->succeeded(true);
    CHECK_FALSE(b.lane->is_idle());
  }
  CHECK_FALSE(b.lane->is_idle());
  b.world.loop.run_for(resilience::RateGate::k_told_max_age);
  CHECK_FALSE(b.lane->is_idle());
  b.world.loop.run_for(1s);
  CHECK(b.lane->is_idle());
}

TEST_CASE("more room by a reload is not judged by the pace of before") {
  Lane::Settings settings;
  settings.concurrency = {.kind = resilience::Concurrency::Kind::fixed, .limit = 1};
  Bench b(settings);
  for (int i = 0; i < 4; ++i) {
    Client first(b, 1min), second(b, 1min);
    first.come();
    second.come();
    REQUIRE(first.permit);
    b.world.loop.run_for(10s);
    first.permit.reset();
    b.world.loop.run_for(1ms);
    REQUIRE(second.permit);
  }
  REQUIRE(b.lane->queue().tokens_per_second() > 0);
  settings.concurrency.limit = 10;
  b.lane->configure(settings);
  CHECK(b.lane->queue().tokens_per_second() == 0);
}

}  // namespace
}  // namespace outrigger::proxy
