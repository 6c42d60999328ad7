// Several replicas of the door in virtual time, with one Redis, one provider that counts by the sliding minute and rejects what is
// too much, and clients that keep their connections.
#pragma once

#include <algorithm>
#include <deque>

#include "proxy/fleet.h"
#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {

inline constexpr std::string_view k_fleet_secret = "a secret for tests that is long";

struct StrictProvider {
  StrictProvider(sim::SimWorld& in, std::size_t per_minute)
      : world(in), limit(per_minute), server(in, {"provider", 9000, false}) {
    server.on_peer = [this](sim::Peer& peer) { peer.on_receive = [this](sim::Peer& from) { on_data(from); }; };
  }

  void on_data(sim::Peer& peer) {
    std::string& got = pending[&peer];
    got += peer.take();
    const std::size_t end = got.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::string length = field_of(got, "Content-Length");
    if (got.size() < end + 4 + (length.empty() ? 0 : std::stoul(length))) return;
    got.clear();
    const Asked asked{.peer = &peer, .head = {}, .body = {}};
    const MonoTime now = world.loop.now();
    while (!minute.empty() && minute.front() <= now - 1min) minute.pop_front();
    ++attempts;
    last_at = now;
    if (hold) return held.push_back(asked);
    if (failing) return asked.answer("{}", 500);
    if (minute.size() >= limit) {
      ++rejected;
      return asked.answer(R"({"error":{"message":"slow down","code":"rate_limit_exceeded"}})", 429,
                          "Content-Type: application/json\r\nRetry-After: 3\r\n");
    }
    ++accepted;
    minute.push_back(now);
    asked.answer(answer_json("fine"));
  }

  sim::SimWorld& world;
  std::size_t limit;
  sim::ScriptedServer server;
  std::map<sim::Peer*, std::string> pending;
  std::deque<MonoTime> minute;  // the accepted ones
  std::deque<Asked> held;
  bool failing = false, hold = false;
  std::size_t attempts = 0, accepted = 0, rejected = 0;
  MonoTime last_at{};
};

class Replica {
 public:
  Replica(sim::SimWorld& in, std::string_view name, std::string_view toml, bool with_redis)
      : world(in),
        address{std::string(name), 8080, false},
        store(in.world(), {.memory_bytes = 1u << 20, .redis = std::nullopt, .fresh_secret = {}, .log = {}}),
        client(in.world(), {}),
        metrics(registry),
        door(in.world(), snapshot_of(toml), store, client, metrics, nullptr),
        server(in.world(), http::ServerLimits{}, door) {
    auto listening =
        world.net.listen(address, std::nullopt, [this](std::unique_ptr<io::Stream> s) { server.accept(std::move(s)); });
    listener = std::move(*listening);
    door.set_secret(k_fleet_secret);
    if (!with_redis) return;
    cache::RedisSettings redis;
    redis.address = {"redis", 6379, false};
    fleet = std::make_unique<Fleet>(in.world(), redis, door.lanes());
    fleet->set_secret(k_fleet_secret);
  }

  // So many clients may wait at once.
  void connect(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto peer = sim::dial(world, address);
      peer->on_receive = [this](sim::Peer& from) { on_answer(from); };
      idle.push_back(peer.get());
      peers.push_back(std::move(peer));
    }
  }
  // False: every client is waiting.
  bool ask() {
    if (idle.empty()) return false;
    sim::Peer* peer = idle.back();
    idle.pop_back();
    since[peer] = world.loop.now();
    peer->send(wire({.text = std::string(address.host) + std::to_string(++asked)}));
    return true;
  }
  Lane& lane() {
    Lane* found = nullptr;
    door.lanes().each_known([&](std::string_view, Lane& known) { found = &known; });
    OR_CHECK(found != nullptr);
    return *found;
  }

  sim::SimWorld& world;
  io::Address address;
  cache::Store store;
  http::Client client;
  obs::Registry registry;
  Metrics metrics;
  LlmDoor door;
  std::unique_ptr<Fleet> fleet;
  http::Server server;
  std::unique_ptr<io::Listener> listener;
  std::vector<std::unique_ptr<sim::Peer>> peers;
  std::vector<sim::Peer*> idle;
  std::map<sim::Peer*, std::string> received;
  std::map<sim::Peer*, MonoTime> since;
  std::map<int, std::size_t> answers;  // by status
  Duration slowest{};                  // of the 200s
  std::uint64_t asked = 0;

 private:
  void on_answer(sim::Peer& from) {
    std::string& got = received[&from];
    got += from.take();
    if (!is_whole(got)) return;
    const int status = std::stoi(got.substr(9, 3));
    ++answers[status];
    if (status == 200) slowest = std::max(slowest, world.loop.now() - since[&from]);
    got.clear();
    idle.push_back(&from);
  }
};

struct FleetBench {
  FleetBench(std::size_t count, std::string_view toml, std::size_t limit = 1'000'000, std::uint64_t seed = 1,
             bool with_redis = true)
      : world(seed), redis(world), provider(world, limit) {
    for (std::size_t i = 0; i < count; ++i) {
      replicas.push_back(std::make_unique<Replica>(world, "replica" + std::to_string(i), toml, with_redis));
    }
    world.loop.run_for(1s);
  }
  void connect(std::size_t each) {
    for (auto& replica : replicas) replica->connect(each);
  }
  // Requests at random times: so many a second at each.
  void offer(Duration length, const std::vector<double>& per_second, Rng& rng) {
    std::vector<MonoTime> next(replicas.size(), world.loop.now());
    const MonoTime end = world.loop.now() + length;
    for (;;) {
      const auto first = std::min_element(next.begin(), next.end());
      if (*first >= end) break;
      world.loop.run_for(std::max(*first - world.loop.now(), Duration(0)));
      const auto who = static_cast<std::size_t>(first - next.begin());
      if (!replicas[who]->ask()) ++unasked;
      *first += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(2 * rng.unit() / per_second[who]));
    }
    world.loop.run_for(std::max(end - world.loop.now(), Duration(0)));
  }
  void settle() { world.loop.run_for(15ms); }

  sim::SimWorld world;
  sim::SimRedis redis;
  StrictProvider provider;
  std::vector<std::unique_ptr<Replica>> replicas;
  std::size_t unasked = 0;
};

}  // namespace outrigger::proxy::test
