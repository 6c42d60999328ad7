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

}  // namespace
}  // namespace outrigger::proxy
