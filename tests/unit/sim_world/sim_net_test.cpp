// The simulated net itself: delivery, back-pressure, ends, breaks and faults.
#include "sim/world/sim_net.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>

#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {
namespace {

const io::Address k_address{"api.example", 443, false};

// A connected pair over k_address.
struct Pair {
  explicit Pair(std::uint64_t seed = 1, LinkShape shape = {}) : world(seed) {
    world.net.site(k_address).shape = shape;
    server_side.emplace(world, k_address);
    near = dial(world, k_address);
    REQUIRE(near != nullptr);
    REQUIRE(server_side->wait_for(1) != nullptr);
  }
  Peer& far() { return server_side->peer(0); }

  SimWorld world;
  std::optional<ScriptedServer> server_side;
  std::unique_ptr<Peer> near;
};

TEST_CASE("bytes travel both ways and each takes one latency") {
  Pair pair;
  const MonoTime sent = pair.world.loop.now();
  pair.near->send("hello");
  REQUIRE(pair.world.loop.run_until([&] { return pair.far().received() == "hello"; }));
  CHECK(pair.world.loop.now() - sent == pair.world.net.site(k_address).shape.latency);
  pair.far().send("welcome");
  REQUIRE(pair.world.loop.run_until([&] { return pair.near->received() == "welcome"; }));
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

TEST_CASE("a reader that does not read makes unsent() grow at the writer, and on_drained comes when it reads again") {
  LinkShape shape;
  shape.window = 1000;
  Pair pair(1, shape);
  pair.far().pause();
  pair.near->send(std::string(1000, 'a'));
  CHECK(pair.near->unsent() == 0);
  pair.near->send("b");
  CHECK(pair.near->unsent() == 1);
  pair.world.loop.run_for(1min);
  CHECK(pair.near->unsent() == 1);
  CHECK(pair.near->drained() == 0);
  pair.far().resume();
  pair.world.loop.run_until_idle();
  CHECK(pair.far().received() == std::string(1000, 'a') + "b");
  CHECK(pair.near->unsent() == 0);
  CHECK(pair.near->drained() == 1);
}

}  // namespace
}  // namespace outrigger::sim
