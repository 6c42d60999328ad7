// How simulated connections end and break, and what faults do to them.
#include "sim/world/link.h"

#include <catch2/catch_test_macros.hpp>
#include <numeric>
#include <string>
#include <utility>

#include "sim/world/peer.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {
namespace {

const io::Address k_address{"api.example", 443, false};

struct Pair {
  explicit Pair(LinkShape shape = {}, std::optional<LinkPlan> plan = std::nullopt, std::uint64_t seed = 1) : world(seed) {
    world.net.site(k_address).shape = shape;
    if (plan) world.net.site(k_address).next_plans.push_back(*plan);
    listening.emplace(world, k_address);
    near = dial(world, k_address);
    REQUIRE(near != nullptr);
    far = listening->wait_for(1);
    REQUIRE(far != nullptr);
  }

  SimWorld world;
  std::optional<ScriptedServer> listening;
  std::unique_ptr<Peer> near;
  Peer* far = nullptr;
};

TEST_CASE("after shutdown the other side reads to the end and can still write") {
  Pair pair;
  pair.near->send("request");
  pair.near->shutdown();
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received() == "request");
  CHECK(pair.far->eof());
  CHECK_FALSE(pair.near->ended());
  pair.far->send("answer");
  pair.world.loop.run_until_idle();
  CHECK(pair.near->received() == "answer");
  pair.far->close();
  pair.world.loop.run_until_idle();
  CHECK(pair.near->eof());
  CHECK_FALSE(pair.near->error().has_value());
}

TEST_CASE("shutdown waits for what is unsent") {
  LinkShape narrow;
  narrow.window = 10;
  Pair pair(narrow);
  pair.near->send(std::string(95, 'x'));
  pair.near->shutdown();
  CHECK(pair.near->unsent() == 85);
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received().size() == 95);
  CHECK(pair.far->eof());
  CHECK(pair.near->unsent() == 0);
}

TEST_CASE("closing delivers what was sent and then the end") {
  Pair pair;
  pair.near->send("last words");
  pair.near->close();
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received() == "last words");
  CHECK(pair.far->eof());
  CHECK_FALSE(pair.far->error().has_value());
}

TEST_CASE("closing with something unsent is a reset") {
  LinkShape narrow;
  narrow.window = 10;
  Pair pair(narrow);
  pair.near->send(std::string(11, 'x'));
  pair.near->close();
  pair.world.loop.run_until_idle();
  CHECK_FALSE(pair.far->eof());
  REQUIRE(pair.far->error().has_value());
  CHECK(pair.far->error()->code == ErrorCode::upstream_reset);
}

TEST_CASE("closing with something unread is a reset") {
  Pair pair;
  pair.near->pause();
  pair.far->send("never read");
  pair.world.loop.run_for(1s);
  pair.near->close();
  pair.world.loop.run_until_idle();
  CHECK(pair.far->error().has_value());
}

TEST_CASE("writing to a side that has closed is answered with a reset, after its end was heard") {
  Pair pair;
  pair.near->close();
  pair.world.loop.run_until_idle();
  REQUIRE(pair.far->eof());
  pair.far->send("anybody?");
  CHECK_FALSE(pair.far->error().has_value());
  pair.world.loop.run_until_idle();
  CHECK(pair.far->error().has_value());
}

TEST_CASE("a broken stream is silent to who neither reads nor writes") {
  Pair pair;
  pair.near->pause();
  pair.world.net.cut(k_address);
  pair.world.loop.run_for(1min);
  CHECK(pair.far->error().has_value());
  CHECK_FALSE(pair.near->error().has_value());
  SECTION("until it reads") { pair.near->resume(); }
  SECTION("until it writes") { pair.near->send("x"); }
  CHECK_FALSE(pair.near->error().has_value());
  pair.world.loop.run_for(1s);
  CHECK(pair.near->error().has_value());
}

TEST_CASE("who waits to be drained hears that the stream broke") {
  LinkShape narrow;
  narrow.window = 10;
  Pair pair(narrow);
  pair.far->pause();
  pair.near->pause();
  pair.near->send(std::string(20, 'x'));
  pair.world.loop.run_for(1s);
  pair.world.net.cut(k_address);
  pair.world.loop.run_for(1s);
  CHECK(pair.near->error().has_value());
  CHECK(pair.near->drained() == 0);
}

TEST_CASE("what had arrived before a break can still be read") {
  Pair pair;
  pair.far->pause();
  pair.near->send("before");
  pair.world.loop.run_for(1s);
  pair.world.net.cut(k_address);
  pair.world.loop.run_for(1s);
  pair.far->resume();
  pair.world.loop.run_for(1s);
  CHECK(pair.far->received() == "before");
  CHECK(pair.far->error().has_value());
}

TEST_CASE("a stream may be destroyed in each of its own callbacks") {
  LinkShape narrow;
  narrow.window = 10;
  Pair pair(narrow);
  SECTION("on_data") {
    pair.far->on_receive = [](Peer& peer) { peer.close(); };
    pair.near->send(std::string(30, 'x'));
  }
  SECTION("on_eof") {
    pair.far->on_end = [](Peer& peer) { peer.close(); };
    pair.near->shutdown();
  }
  SECTION("on_error") {
    pair.far->on_end = [](Peer& peer) { peer.close(); };
    pair.world.net.cut(k_address);
  }
  SECTION("both ends in one callback") {
    pair.far->on_receive = [&](Peer& peer) {
      peer.close();
      pair.near->close();
    };
    pair.near->send("x");
  }
  pair.world.loop.run_until_idle();
  CHECK_FALSE(pair.far->open());
  pair.near->close();
  pair.world.loop.run_until_idle();
  CHECK(pair.world.net.open_streams() == 0);
}

TEST_CASE("reading may be switched off in on_data") {
  LinkShape shape;
  shape.window = 4;
  Pair pair(shape);
  pair.far->on_receive = [](Peer& peer) { peer.pause(); };
  pair.near->send("12345678");
  pair.world.loop.run_for(1min);
  CHECK(pair.far->received() == "1234");
  pair.far->resume();
  pair.world.loop.run_for(1min);
  CHECK(pair.far->received() == "12345678");
}

TEST_CASE("without chunking a write arrives as one read") {
  Pair pair;
  const std::string a = "one ";
  const std::string b = "write";
  const Bytes chunks[] = {Bytes::copy(a), Bytes{}, Bytes::copy(b)};
  pair.near->stream().write(chunks);
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received() == "one write");
  CHECK(pair.far->reads().size() == 1);
}

TEST_CASE("with chunking bytes are split and merged but never lost or moved") {
  LinkShape shape;
  shape.chunking = true;
  bool merged = false;
  bool split = false;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    Pair pair(shape, std::nullopt, seed);
    std::string sent;
    for (int i = 0; i < 40; ++i) {
      const std::string part(10, static_cast<char>('a' + i % 26));
      sent += part;
      pair.near->send(part);
      pair.world.loop.run_for(100us);
    }
    pair.world.loop.run_until_idle();
    CHECK(pair.far->received() == sent);
    for (const std::size_t size : pair.far->reads()) {
      merged = merged || size > 10;
      split = split || size < 10;
    }
  }
  CHECK(merged);
  CHECK(split);
}

TEST_CASE("bandwidth spreads bytes over time") {
  LinkShape shape;
  shape.bytes_per_second = 1000;
  Pair pair(shape);
  const MonoTime begin = pair.world.loop.now();
  pair.near->send(std::string(500, 'x'));
  pair.near->send(std::string(500, 'y'));
  REQUIRE(pair.world.loop.run_until([&] { return pair.far->received().size() == 1000; }));
  CHECK(pair.world.loop.now() - begin == 1s + shape.latency);
}

TEST_CASE("jitter delays and keeps the order") {
  LinkShape shape;
  shape.jitter = 10ms;
  Pair pair(shape);
  std::string sent;
  for (char c = 'a'; c <= 'z'; ++c) {
    pair.near->send(std::string(1, c));
    sent += c;
  }
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received() == sent);
}

TEST_CASE("a reset after n bytes lets exactly n bytes through, and both sides hear it") {
  for (const std::uint64_t allowed : {0U, 1U, 999U, 1000U}) {
    INFO("allowed " << allowed);
    LinkPlan plan;
    plan.reset_down_after = allowed;
    Pair pair({}, plan);
    pair.near->send("up is not counted");
    pair.far->send(std::string(1000, 'x'));
    pair.world.loop.run_until_idle();
    CHECK(pair.near->received().size() == allowed);
    const bool broken = allowed < 1000;
    CHECK(pair.near->error().has_value() == broken);
    CHECK(pair.far->error().has_value() == broken);
    if (!broken) pair.far->send("x");
    pair.world.loop.run_until_idle();
    CHECK(pair.near->error().has_value());
    CHECK(pair.near->received().size() == allowed);
  }
}

TEST_CASE("a reset can count the bytes up") {
  LinkPlan plan;
  plan.reset_up_after = 3;
  Pair pair({}, plan);
  pair.far->send("down is not counted");
  pair.near->send("12345");
  pair.world.loop.run_until_idle();
  CHECK(pair.far->received() == "123");
  CHECK(pair.near->error().has_value());
}

TEST_CASE("a stall holds the bytes after the n-th back for its time") {
  LinkPlan plan;
  plan.stall_down_after = 5;
  plan.stall_for = 20s;
  Pair pair({}, plan);
  const MonoTime begin = pair.world.loop.now();
  pair.far->send("12345678");
  pair.world.loop.run_for(20s);
  CHECK(pair.near->received() == "12345");
  pair.world.loop.run_for(1ms);
  CHECK(pair.near->received() == "12345678");
  CHECK(pair.world.loop.now() - begin == 20s + 1ms);
}

TEST_CASE("a drip hands over one byte at a time") {
  LinkPlan plan;
  plan.drip_every = 10ms;
  Pair pair({}, plan);
  pair.far->send("12345");
  pair.world.loop.run_for(35ms);
  CHECK(pair.near->received() == "1234");
  pair.world.loop.run_for(10ms);
  CHECK(pair.near->received() == "12345");
  CHECK(pair.near->reads() == std::vector<std::size_t>{1, 1, 1, 1, 1});
}

TEST_CASE("a clog stops both directions and lets go in order") {
  Pair pair;
  pair.near->send("on its way");
  pair.world.net.clog(k_address, 1min);
  pair.near->send(" and more");
  pair.far->send("back");
  pair.world.loop.run_for(1min - 1ns);
  CHECK(pair.far->received().empty());
  CHECK(pair.near->received().empty());
  pair.world.loop.run_for(1s);
  CHECK(pair.far->received() == "on its way and more");
  CHECK(pair.near->received() == "back");
}

// Two ends that do anything at any time, on a link of any kind with any fault.
struct Torture {
  explicit Torture(std::uint64_t seed) : world(seed), dice(world.rng.fork()) {
    Site& site = world.net.site(k_address);
    site.shape = LinkShape::any(dice);
    site.faults = {.reset_down = 0.1, .reset_up = 0.1, .stall = 0.1, .drip = 0.1};
    listening.emplace(world, k_address);
    near = dial(world, k_address, 1min);
    REQUIRE(near != nullptr);
    REQUIRE(listening->wait_for(1) != nullptr);
  }
  Peer& far() { return listening->peer(0); }

  void act(Peer& peer, std::string& sent, bool& ended) {
    const std::uint64_t what = dice.below(20);
    if (!peer.open() || peer.error()) return;
    if (what < 10 && !ended) {
      std::string text(dice.below(3000), '\0');
      std::iota(text.begin(), text.end(), static_cast<char>(sent.size()));
      sent += text;
      peer.send(text);
    } else if (what < 14) {
      peer.pause();
    } else if (what < 18) {
      peer.resume();
    } else if (what == 18 && dice.chance(0.2)) {
      ended = true;
      peer.shutdown();
    } else if (what == 19 && dice.chance(0.1)) {
      peer.close();
    }
  }

  void run() {
    for (int i = 0; i < 60; ++i) {
      act(*near, near_sent, near_ended);
      act(far(), far_sent, far_ended);
      world.loop.run_for(Duration(static_cast<Duration::rep>(dice.below(5'000'000))));
    }
    near->resume();
    far().resume();
    CHECK(world.loop.run_until_idle(24h));
  }

  void check(Peer& reader, const Peer& writer, const std::string& sent, bool ended) {
    CHECK(sent.starts_with(reader.received()));
    if (!reader.open()) return;
    if (reader.error()) return;
    // Nothing broke: everything that was sent has come, and the end if there was one.
    CHECK(reader.received() == sent);
    CHECK(reader.eof() == (ended || !writer.open()));
    CHECK(writer.unsent() == 0);
  }

  SimWorld world;
  Rng dice;
  std::optional<ScriptedServer> listening;
  std::unique_ptr<Peer> near;
  std::string near_sent, far_sent;
  bool near_ended = false, far_ended = false;
};

TEST_CASE("whatever two ends do, bytes are a prefix of what was sent, all of it if nothing broke, and a seed repeats") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    std::uint64_t digests[2] = {};
    for (std::uint64_t& digest : digests) {
      Torture torture(seed);
      torture.run();
      torture.check(torture.far(), *torture.near, torture.near_sent, torture.near_ended);
      torture.check(*torture.near, torture.far(), torture.far_sent, torture.far_ended);
      digest = torture.world.digest();
      torture.near->close();
      torture.far().close();
      CHECK(torture.world.loop.run_until_idle(24h));
      CHECK(torture.world.net.open_streams() == 0);
    }
    CHECK(digests[0] == digests[1]);
  }
}

}  // namespace
}  // namespace outrigger::sim
