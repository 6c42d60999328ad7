// A Store, or several, with a simulated Redis.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/store.h"
#include "sim/world/sim_redis.h"
#include "unit/cache/entries.h"

namespace outrigger::cache {

inline const std::string k_secret_a(64, 'a');
inline const std::string k_secret_b(64, 'b');

struct Node {
  std::unique_ptr<Store> store;
  std::vector<std::string> news{};
  std::optional<std::string> secret{};
  int ready = 0, changed = 0;

  StoreStats stats() const { return store->stats(); }
};

struct Bench {
  explicit Bench(std::uint64_t seed = 1, sim::SimRedis::Options options = {})
      : world(seed), redis(world, std::move(options)) {
    settings.address = redis.address();
  }

  std::unique_ptr<Node> node(std::string fresh_secret = k_secret_a, std::size_t memory = 16u << 20) {
    auto node = std::make_unique<Node>();
    StoreSettings store;
    store.memory_bytes = memory;
    store.redis = settings;
    store.fresh_secret = std::move(fresh_secret);
    store.log = [n = node.get()](LogLevel, std::string_view words) { n->news.emplace_back(words); };
    node->store = std::make_unique<Store>(world.world(), std::move(store));
    return node;
  }
  static void start(Node& node, std::optional<std::string> preset = std::nullopt, Duration timeout = 1s) {
    node.store->start(
        std::move(preset), timeout,
        [n = &node](std::string secret) {
          ++n->ready;
          n->secret = std::move(secret);
        },
        [n = &node](std::string secret) {
          ++n->changed;
          n->secret = std::move(secret);
        });
  }
  // Started and connected.
  std::unique_ptr<Node> up(std::string fresh_secret = k_secret_a) {
    auto made = node(std::move(fresh_secret));
    start(*made);
    world.loop.run_until([&] { return made->stats().redis_up && made->ready == 1; }, 10s);
    return made;
  }

  struct Answer {
    std::unique_ptr<io::Pending> pending{};
    Store::Found found{};
    int times = 0;
    Duration took{};
  };
  std::unique_ptr<Answer> ask(Node& node, const std::vector<std::uint64_t>& numbers) {
    std::vector<Store::Wanted> wanted;
    for (const std::uint64_t n : numbers) wanted.push_back({a_key(n), an_identity(n)});
    auto answer = std::make_unique<Answer>();
    answer->pending =
        node.store->find_later(std::move(wanted), [this, a = answer.get(), began = world.loop.now()](Store::Found found) {
          ++a->times;
          a->found = std::move(found);
          a->took = world.loop.now() - began;
        });
    return answer;
  }
  // Asks for one and waits.
  EntryPtr find(Node& node, std::uint64_t number) {
    const auto answer = ask(node, {number});
    world.loop.run_until([&] { return answer->times > 0; }, 10s);
    return answer->times == 1 ? answer->found.at(0) : nullptr;
  }
  PurgeReport purge(Node& node, PurgeFilter filter, bool dry_run = false) {
    std::optional<PurgeReport> report;
    node.store->purge(std::move(filter), dry_run, [&](PurgeReport r) { report = r; });
    world.loop.run_until([&] { return report.has_value(); }, 2min);
    return report.value();
  }
  void put(Node& node, std::uint64_t number) { put(node, an_entry(number)); }
  void put(Node& node, EntryPtr entry) {
    node.store->put(std::move(entry));
    world.loop.run_for(5ms);
  }

  sim::SimWorld world;
  sim::SimRedis redis;
  RedisSettings settings;
};

}  // namespace outrigger::cache
