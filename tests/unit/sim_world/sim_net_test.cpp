// The simulated net itself: delivery, back-pressure, ends, breaks and faults.
#include "sim/world/sim_net.h"

#include <catch2/catch_test_macros.hpp>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {
namespace {

const io::Address k_address{"api.example", 443, false};

using Connected = std::optional<Result<std::unique_ptr<io::Stream>>>;

// Stores what became of an operation, once.
io::ConnectDone into(Connected& result) {
  return [&result](Result<std::unique_ptr<io::Stream>> done) {
    CHECK_FALSE(result.has_value());
    result = std::move(done);
  };
}

std::optional<ErrorCode> code_of(const Connected& result) {
  if (!result || result->has_value()) return std::nullopt;
  return result->error().code;
}

TEST_CASE("a connection takes one round trip and counts as open until both ends are closed") {
  SimWorld world;
  ScriptedServer server(world, k_address);
  const MonoTime begin = world.loop.now();
  auto near = dial(world, k_address);
  REQUIRE(near != nullptr);
  CHECK(world.loop.now() - begin == 2 * world.net.default_shape.latency);
  CHECK(world.net.open_streams() == 2);
  near->close();
  world.loop.run_until_idle();
  CHECK(server.peer(0).eof());
  CHECK(world.net.open_streams() == 1);
  server.peer(0).close();
  CHECK(world.net.open_streams() == 0);
}

TEST_CASE("an address that nobody listens on refuses") {
  SimWorld world;
  std::optional<Error> error;
  CHECK(dial(world, k_address, 5s, &error) == nullptr);
  REQUIRE(error.has_value());
  CHECK(error->code == ErrorCode::connect_refused);
}

TEST_CASE("bytes travel both ways and each takes one latency") {
  SimWorld world;
  ScriptedServer server(world, k_address);
  auto near = dial(world, k_address);
  const MonoTime sent = world.loop.now();
  near->send("hello");
  REQUIRE(world.loop.run_until([&] { return server.peer(0).received() == "hello"; }));
  CHECK(world.loop.now() - sent == world.net.default_shape.latency);
  server.peer(0).send("welcome");
  REQUIRE(world.loop.run_until([&] { return near->received() == "welcome"; }));
  CHECK(near->stream().peer() == "api.example:443");
  CHECK(server.peer(0).stream().peer() == "10.0.0.1:32768");
}

TEST_CASE("a reader that does not read makes unsent() grow at the writer, and on_drained comes when it reads again") {
  SimWorld world;
  world.net.default_shape.window = 1000;
  ScriptedServer server(world, k_address);
  auto near = dial(world, k_address);
  server.peer(0).pause();
  near->send(std::string(1000, 'a'));
  CHECK(near->unsent() == 0);
  near->send("b");
  CHECK(near->unsent() == 1);
  world.loop.run_for(1min);
  CHECK(near->unsent() == 1);
  CHECK(near->drained() == 0);
  server.peer(0).resume();
  world.loop.run_until_idle();
  CHECK(server.peer(0).received() == std::string(1000, 'a') + "b");
  CHECK(near->unsent() == 0);
  CHECK(near->drained() == 1);
}

TEST_CASE("a connect never completes within its call and ends by its time limit at the latest") {
  struct Row {
    const char* what;
    LinkPlan plan;
    bool dns_fails;
    Duration dns_delay;
    std::optional<ErrorCode> code;
  };
  const Row rows[] = {
      {"accepted", {}, false, {}, std::nullopt},
      {"refused", {.connect = ConnectFate::refused}, false, {}, ErrorCode::connect_refused},
      {"black hole", {.connect = ConnectFate::blackhole}, false, {}, ErrorCode::connect_timeout},
      {"no name", {}, true, 1s, ErrorCode::dns_failed},
      {"name in time", {}, false, 2s, std::nullopt},
      {"name too late", {}, false, 3s, ErrorCode::connect_timeout},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    SimWorld world;
    ScriptedServer server(world, k_address);
    Site& site = world.net.site(k_address);
    site.next_plans.push_back(row.plan);
    site.dns_fails = row.dns_fails;
    site.dns_delay = row.dns_delay;
    Connected result;
    const MonoTime begin = world.loop.now();
    const auto pending = world.net.connect(k_address, 3s, into(result));
    CHECK_FALSE(result.has_value());
    REQUIRE(world.loop.run_until([&] { return result.has_value(); }, 3s));
    CHECK(code_of(result) == row.code);
    if (row.code == ErrorCode::connect_timeout) CHECK(world.loop.now() - begin == 3s);
    result.reset();
    world.loop.run_until_idle();
    CHECK(site.connects_asked == 1);
    CHECK(site.connects_done == (row.code ? 0 : 1));
    CHECK(site.next_plans.empty());
  }
}

TEST_CASE("a clogged address lets nobody in until the clog has gone") {
  SimWorld world;
  ScriptedServer server(world, k_address);
  world.net.clog(k_address, 10s);
  Connected early;
  Connected late;
  const auto a = world.net.connect(k_address, 9s, into(early));
  const auto b = world.net.connect(k_address, 11s, into(late));
  world.loop.run_until_idle();
  CHECK(code_of(early) == ErrorCode::connect_timeout);
  REQUIRE(late.has_value());
  CHECK(late->has_value());
}

TEST_CASE("a connect that is abandoned at any moment leaves nothing behind") {
  for (int millis = 0; millis <= 12; ++millis) {
    INFO("abandoned after " << millis << " ms");
    SimWorld world;
    world.net.default_shape.latency = 5ms;
    ScriptedServer server(world, k_address);
    Connected result;
    auto pending = world.net.connect(k_address, 1s, into(result));
    world.loop.run_for(std::chrono::milliseconds(millis));
    CHECK(result.has_value() == (millis >= 10));
    pending.reset();
    result.reset();
    world.loop.run_until_idle();
    CHECK_FALSE(result.has_value());
    CHECK(server.accepted() == (millis >= 5 ? 1 : 0));
    if (server.accepted() == 1) {
      CHECK(server.peer(0).eof());
      server.peer(0).close();
    }
    CHECK(world.net.open_streams() == 0);
  }
}

TEST_CASE("a connect may be abandoned in its own callback, and by the one who accepts it") {
  SimWorld world;
  ScriptedServer server(world, k_address);
  std::unique_ptr<io::Pending> pending;
  bool called = false;
  SECTION("its own") {
    pending = world.net.connect(k_address, 1s, [&](Result<std::unique_ptr<io::Stream>> done) {
      called = true;
      pending.reset();
      CHECK(done.has_value());
    });
    world.loop.run_until_idle();
    CHECK(called);
  }
  SECTION("who accepts") {
    server.on_peer = [&](Peer&) { pending.reset(); };
    pending = world.net.connect(k_address, 1s, [&](Result<std::unique_ptr<io::Stream>>) { called = true; });
    world.loop.run_until_idle();
    CHECK_FALSE(called);
  }
  SECTION("who accepts closes and stops to listen") {
    server.on_peer = [&](Peer& peer) {
      peer.close();
      server.stop();
    };
    pending = world.net.connect(k_address, 1s, [&](Result<std::unique_ptr<io::Stream>>) { called = true; });
    world.loop.run_until_idle();
    CHECK(called);
  }
  CHECK(server.accepted() == 1);
  server.peer(0).close();
  world.loop.run_until_idle();
  CHECK(world.net.open_streams() == 0);
}

TEST_CASE("listening: chosen ports, every interface, addresses in use, and the end of it") {
  SimWorld world;
  const auto ignore = [](std::unique_ptr<io::Stream>) {};
  const auto first = world.net.listen({"127.0.0.1", 0, false}, std::nullopt, ignore);
  const auto second = world.net.listen({"127.0.0.1", 0, false}, std::nullopt, ignore);
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK((*first)->bound().port != 0);
  CHECK((*first)->bound().port != (*second)->bound().port);
  const auto taken = world.net.listen((*first)->bound(), std::nullopt, ignore);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == ErrorCode::io_failed);
  CHECK(taken.error().detail == "address in use");

  ScriptedServer everywhere(world, {"0.0.0.0", 8080, false});
  CHECK(dial(world, {"10.1.2.3", 8080, false}) != nullptr);
  CHECK(dial(world, {"10.1.2.3", 8081, false}) == nullptr);
  everywhere.stop();
  CHECK(dial(world, {"10.1.2.3", 8080, false}) == nullptr);
  everywhere.start();
  CHECK(dial(world, {"10.1.2.3", 8080, false}) != nullptr);

  ScriptedServer local(world, {"/run/x.sock", 0, true});
  const auto near = dial(world, {"/run/x.sock", 0, true});
  REQUIRE(near != nullptr);
  CHECK(near->stream().peer() == "unix:/run/x.sock");
}

// A client's stream over k_address, its server side behind TLS or not.
struct Tls {
  explicit Tls(bool secured, LinkPlan plan = {}) {
    world.net.site(k_address).next_plans.push_back(plan);
    server.emplace(world, k_address, secured ? std::optional<io::TlsServer>(std::in_place) : std::nullopt);
    auto near = dial(world, k_address);
    REQUIRE(near != nullptr);
    plain = near->release();
  }
  void begin(Duration timeout = 1s) {
    pending = world.net.start_tls(std::move(plain), {.server_name = "api.example", .ca = "", .verify = true}, timeout,
                                  into(result));
    CHECK_FALSE(result.has_value());
  }

  SimWorld world;
  std::optional<ScriptedServer> server;
  std::unique_ptr<io::Stream> plain;
  std::unique_ptr<io::Pending> pending;
  Connected result;
};

TEST_CASE("a TLS handshake takes a round trip, is noted, and is when a door with TLS accepts") {
  for (const bool secured : {false, true}) {
    INFO("door with TLS: " << secured);
    Tls tls(secured);
    CHECK(tls.server->accepted() == (secured ? 0 : 1));
    const MonoTime begin = tls.world.loop.now();
    tls.begin();
    REQUIRE(tls.world.loop.run_until([&] { return tls.result.has_value(); }));
    CHECK(tls.world.loop.now() - begin == 2 * tls.world.net.default_shape.latency);
    REQUIRE(tls.result->has_value());
    CHECK(tls.server->accepted() == 1);
    CHECK(tls.world.net.tls_names() == std::vector<std::string>{"api.example"});
  }
}

TEST_CASE("a TLS handshake fails when it is planned to, when the link breaks and when the door has gone") {
  Tls tls(true, {.tls_fails = true});
  SECTION("planned") { tls.begin(); }
  SECTION("broken") {
    tls.world.net.cut(k_address);
    tls.begin();
  }
  SECTION("door gone") {
    Tls other(true);
    other.begin();
    other.server->stop();
    other.world.loop.run_until_idle();
    CHECK(code_of(other.result) == ErrorCode::tls_failed);
    CHECK(other.world.net.open_streams() == 0);
    return;
  }
  tls.world.loop.run_until_idle();
  CHECK(code_of(tls.result) == ErrorCode::tls_failed);
  CHECK(tls.server->accepted() == 0);
  CHECK(tls.world.net.open_streams() == 0);
}

TEST_CASE("a TLS handshake ends at its time limit, and may be abandoned") {
  Tls tls(true);
  tls.world.net.clog(k_address, 1min);
  SECTION("time limit") {
    tls.begin(1s);
    tls.world.loop.run_for(1s);
    CHECK(code_of(tls.result) == ErrorCode::connect_timeout);
  }
  SECTION("abandoned") {
    tls.begin(1s);
    tls.pending.reset();
    tls.world.loop.run_until_idle();
    CHECK_FALSE(tls.result.has_value());
  }
  CHECK(tls.world.net.open_streams() == 0);
}

TEST_CASE("each fault happens about as often as it should, and never two to one connection") {
  const LinkFaults faults{
      .refuse = 0.1, .blackhole = 0.1, .tls_fails = 0.1, .reset_down = 0.1, .reset_up = 0.1, .stall = 0.1, .drip = 0.1};
  Rng rng(3);
  int counts[8] = {};
  constexpr int k_draws = 10'000;
  for (int i = 0; i < k_draws; ++i) {
    const LinkPlan plan = faults.draw(rng);
    const bool happened[] = {
        plan.connect == ConnectFate::refused, plan.connect == ConnectFate::blackhole, plan.tls_fails,
        plan.reset_down_after.has_value(),    plan.reset_up_after.has_value(),        plan.stall_down_after.has_value(),
        plan.drip_every > Duration{}};
    int together = 0;
    for (std::size_t k = 0; k < std::size(happened); ++k) {
      counts[k] += happened[k] ? 1 : 0;
      together += happened[k] ? 1 : 0;
    }
    CHECK(together <= 1);
    if (plan.stall_down_after) CHECK(plan.stall_for > Duration{});
  }
  for (std::size_t k = 0; k < 7; ++k) {
    INFO("fault " << k);
    // Ten standard deviations around the mean of 1000.
    CHECK(counts[k] > 700);
    CHECK(counts[k] < 1300);
  }
}

}  // namespace
}  // namespace outrigger::sim
