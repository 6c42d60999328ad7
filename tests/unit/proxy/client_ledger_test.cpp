// What clients spend at several replicas and over restarts, with Redis and without.
#include "proxy/client_ledger.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

using resilience::Period;
using std::chrono::sys_days;

class Bench {
 public:
  struct Life {
    Life(sim::SimWorld& world, const sim::SimRedis& redis, int more) : clients(world.loop, registry) {
      std::string config = R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
[redis]
url = "redis://redis:6379"
[[client]]
name = "desk: a:2026-11"
key = "k"
budget = { usd_per_day = 100, usd_per_month = 1000 }
)";
      for (int i = 0; i < more; ++i) config += fmt::format("[[client]]\nname = \"more{}\"\nkey = \"more-{}\"\n", i, i);
      clients.configure(snapshot_of(config)->config());
      cache::RedisSettings settings;
      settings.address = redis.address();
      ledger = std::make_unique<ClientLedger>(world.world(), settings, clients);
      ledger->open();
    }
    ClientAccount& account(std::string_view name = "desk: a:2026-11") {
      ClientAccount* found = nullptr;
      clients.each([&](ClientAccount& one) {
        if (one.name() == name) found = &one;
      });
      OR_CHECK(found != nullptr);
      return *found;
    }
    // An answer of so many dollars, if it may be asked for.
    bool pay(double usd, std::string_view name = "desk: a:2026-11") {
      auto permit = account(name).ask({.model = "m", .max_output = {}, .price = obs::TokenPrice{0, 0}});
      if (permit) permit->settle({0, 1}, usd);
      return permit.has_value();
    }
    double spent(Period period = Period::day) { return account().spent_usd(period); }

    obs::Registry registry;
    Clients clients;
    std::unique_ptr<ClientLedger> ledger;
  };

  // Of one client, and so many more.
  explicit Bench(std::size_t count, int more_clients = 0) : redis(world), more(more_clients) {
    world.loop.set_wall(sys_days(std::chrono::year(2026) / 11 / 30) + 12h);
    for (std::size_t i = 0; i < count; ++i) start();
  }
  Life& start() {
    lives.push_back(std::make_unique<Life>(world, redis, more));
    world.loop.run_for(50ms);
    return *lives.back();
  }
  Life& operator[](std::size_t i) { return *lives[i]; }
  void run(Duration length = 2100ms) { world.loop.run_for(length); }

  sim::SimWorld world;
  sim::SimRedis redis;
  int more;
  std::vector<std::unique_ptr<Life>> lives;
};

TEST_CASE("replicas count together, two seconds later") {
  Bench b(2);
  CHECK(b[0].pay(60));
  CHECK(b[1].pay(30));
  CHECK(b[1].spent() == 30);
  b.run(2100ms);
  CHECK(b[0].spent() == 90);
  CHECK(b[1].spent() == 90);
  CHECK(b[1].spent(Period::month) == 90);
  CHECK(b[1].pay(10));
  b.run(2100ms);
  CHECK_FALSE(b[0].pay(1));
  CHECK_FALSE(b[1].pay(1));
  b.run(10s);
  CHECK(b[0].spent() == 100);
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("at most one write a second and replica, and its keys tell what they are") {
  Bench b(1);
  b.run(5s);
  b.redis.clear_log();
  for (int i = 0; i < 1000; ++i) {
    b[0].pay(0.01);
    b.run(10ms);
  }
  CHECK(b.redis.count("HSET") <= 2 * 12);
  const auto keys = b.redis.data().keys(b.world.loop.now());
  CHECK(keys ==
        std::vector<std::string>{"outrigger:spent:desk: a:2026-11:2026-11", "outrigger:spent:desk: a:2026-11:2026-11-30"});
}

TEST_CASE("a restart forgets nothing that was told, and one that is told to stop tells all") {
  Bench b(1);
  b[0].pay(60);
  b.run();
  b[0].pay(39);
  bool is_saved = false;
  b[0].ledger->save([&] { is_saved = true; });
  CHECK_FALSE(is_saved);
  b.run(50ms);
  CHECK(is_saved);
  b.lives.clear();
  Bench::Life& next = b.start();
  CHECK(next.spent() == 99);
  CHECK(next.pay(1));
  CHECK_FALSE(next.pay(1));
  // Killed at once: what was spent within the last second is forgotten, and no more.
  b.lives.clear();
  CHECK(b.start().spent() == 99);
}

TEST_CASE("without Redis each counts on, and tells when it is back") {
  Bench b(2);
  b[0].pay(10);
  b.run();
  b.redis.go_down();
  b.run(1s);
  b[0].pay(20);
  b[1].pay(30);
  b.run(1min);
  CHECK(b[0].spent() == 30);
  CHECK(b[1].spent() == 40);  // as much as it knows
  bool is_saved = false;
  b[0].ledger->save([&] { is_saved = true; });
  b.run(1s);
  CHECK(is_saved);  // nothing to be had: it ends all the same
  b.redis.come_up();
  b[0].ledger->open();
  b.run(20s);
  CHECK(b[0].spent() == 60);
  CHECK(b[1].spent() == 60);
}

TEST_CASE("a Redis that is slow to reply counts nothing twice") {
  Bench b(2);
  b[0].pay(10);
  b.run();
  b.redis.slow = 300ms;  // beyond what is waited for, so each round fails after it was written
  b[0].pay(10);
  b.run(1min);
  b.redis.slow = {};
  b.run(20s);
  CHECK(b[0].spent() == 20);
  CHECK(b[1].spent() == 20);
}

TEST_CASE("a Redis that has lost all is told again by those who know") {
  Bench b(2);
  b[0].pay(10);
  b[1].pay(20);
  b.run();
  b.redis.forget();
  b.run();
  CHECK(b[0].spent() == 30);
  CHECK(b[1].spent() == 30);
  CHECK(b.start().spent() == 30);
}

TEST_CASE("a Redis that has lost all is told of the dead, too, by who has read of them") {
  Bench b(2);
  b[0].pay(10);
  b.run();
  b.lives.erase(b.lives.begin());
  CHECK(b[0].spent() == 10);
  b.redis.forget();
  b.run();
  CHECK(b.start().spent() == 10);
  CHECK(b[1].spent(Period::month) == 10);
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("a Redis that comes back empty after hours is told of the dead all the same") {
  Bench b(2);
  b[0].pay(10);
  b.run();
  b.lives.erase(b.lives.begin());
  b.redis.go_down();
  b.run(3h);
  b.redis.forget();
  b.redis.come_up();
  b.run(1min);
  CHECK(b.start().spent() == 10);
}

TEST_CASE("what is spent after Redis has lost all is seen beside what was lost") {
  Bench b(3);
  b[0].pay(10);
  b.run();
  b.lives.erase(b.lives.begin());
  b.redis.forget();
  b[1].pay(5);
  b.run();
  CHECK(b[0].spent() == 15);
  CHECK(b[1].spent() == 15);
  b[0].pay(85);
  b.run();
  CHECK_FALSE(b[1].pay(1));
}

TEST_CASE("however many clients there are, what each has spent is told and read") {
  Bench b(2, 600);
  const auto spent = [](Bench::Life& life, std::string_view name) { return life.account(name).spent_usd(Period::month); };
  for (const std::string_view name : {"more0", "more599", "more99"}) {
    CHECK(b[0].pay(3, name));
    b.run(12s);
    CHECK(spent(b[1], name) == 3);
  }
  CHECK(b[0].pay(10));
  CHECK(b[0].pay(4, "more99"));
  bool is_saved = false;
  b[0].ledger->save([&] { is_saved = true; });
  b.run(500ms);
  CHECK(is_saved);
  b.lives.clear();
  b.start();
  b.run(1s);
  CHECK(b[0].spent() == 10);
  CHECK(spent(b[0], "more99") == 7);
  // One that is slow to reply ends a round, and nobody waits for the rest.
  b.redis.slow = 300ms;
  is_saved = false;
  b[0].ledger->save([&] { is_saved = true; });
  b.run(1s);
  CHECK(is_saved);
}

TEST_CASE("what was spent just before midnight is told after it, for the day that it was spent in") {
  Bench b(2);
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 12 / 1) - 100ms);
  b[0].pay(100);
  CHECK_FALSE(b[0].pay(1));
  b.run(200ms);
  CHECK(b[0].pay(1));  // a new day, and a new month
  b.run(3s);
  CHECK(b[1].spent() == 1);
  CHECK(b[1].spent(Period::month) == 1);
  // It is told once: whoever asks for the old day finds it.
  b.redis.clear_log();
  b.run(10s);
  for (const sim::RedisCommand& command : b.redis.log()) {
    if (command.front() == "HSET") CHECK(command[1].find("2026-11-30") == std::string::npos);
  }
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 12 / 1) - 1s);
  CHECK(b.start().spent() == 100);
}

TEST_CASE("keys stay for some days beyond their period and go then") {
  Bench b(1);
  b[0].pay(1);
  b.run();
  b.lives.clear();
  b.run(24h * 2);
  CHECK(b.redis.data().keys(b.world.loop.now()).size() == 2);
  b.run(24h * 2);
  CHECK(b.redis.data().keys(b.world.loop.now()).size() == 1);
  b.run(24h * 60);
  CHECK(b.redis.data().keys(b.world.loop.now()).empty());
}

}  // namespace
}  // namespace outrigger::proxy::test
