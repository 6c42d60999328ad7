// The two tiers when all is well, and a Store without Redis.
#include "cache/store.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/cache/bench.h"

namespace outrigger::cache {
namespace {

std::string redis_key(std::uint64_t number) { return "outrigger:v1:" + chat::hex(a_key(number)); }

struct Alone {
  sim::SimWorld world;
  Store store{world.world(), [] {
                StoreSettings settings;
                settings.memory_bytes = 1 << 20;
                settings.fresh_secret = k_secret_a;
                return settings;
              }()};
};

TEST_CASE("without Redis the store is its memory tier") {
  Alone a;
  a.world.loop.set_wall(k_noon);
  CHECK_FALSE(a.store.can_find_later());
  const EntryPtr entry = an_entry(1);
  a.store.put(entry);
  CHECK(a.store.find_now(an_identity(1)) == entry);
  CHECK(a.store.find_now("other") == nullptr);
  CHECK(a.store.stats().entries == 1);
  CHECK(a.store.stats().bytes == entry->cost());
  CHECK(a.store.stats().capacity == 1 << 20);
  CHECK_FALSE(a.store.stats().redis_configured);
  entry->wire[Entry::blocking] = a_form(1000);
  a.store.recharge(*entry);
  CHECK(a.store.stats().bytes == entry->cost());
  int seen = 0;
  a.store.visit_memory([&](const Entry&) { return ++seen > 0; });
  CHECK(seen == 1);
}

TEST_CASE("without Redis a late lookup finds nothing, later and once") {
  Alone a;
  int times = 0;
  const auto pending = a.store.find_later({{a_key(1), an_identity(1)}, {a_key(2), an_identity(2)}}, [&](Store::Found found) {
    ++times;
    CHECK(found == Store::Found(2));
  });
  CHECK(times == 0);
  a.world.loop.run_for(1s);
  CHECK(times == 1);
  auto dropped = a.store.find_later({}, [&](Store::Found) { ++times; });
  dropped.reset();
  a.world.loop.run_for(1s);
  CHECK(times == 1);
}

TEST_CASE("without Redis the secret is the preset one, or the fresh one, at once") {
  for (const bool preset : {true, false}) {
    Alone a;
    std::string secret;
    a.store.start(
        preset ? std::optional(k_secret_b) : std::nullopt, 1h, [&](std::string s) { secret = std::move(s); },
        [](std::string) { FAIL("there is nobody to change it"); });
    CHECK(secret.empty());
    a.world.loop.run_for(1ms);
    CHECK(secret == (preset ? k_secret_b : k_secret_a));
  }
}

TEST_CASE("without Redis a purge is complete and answers later") {
  Alone a;
  a.world.loop.set_wall(k_noon);
  for (std::uint64_t i = 0; i < 5; ++i) a.store.put(an_entry(i));
  std::optional<PurgeReport> report;
  a.store.purge({.key = a_key(3)}, true, [&](PurgeReport r) { report = r; });
  CHECK_FALSE(report.has_value());
  a.world.loop.run_for(1ms);
  REQUIRE(report.has_value());
  CHECK(report->memory == 1);
  CHECK(report->redis == 0);
  CHECK(report->redis_complete);
  CHECK(a.store.stats().entries == 5);
  a.store.purge({.all = true}, false, [&](PurgeReport r) { report = r; });
  a.world.loop.run_for(1ms);
  CHECK(report->memory == 5);
  CHECK(a.store.stats().entries == 0);
}

TEST_CASE("what one replica stores another one finds, and then has in memory") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  const auto reader = b.up(k_secret_b);
  b.put(*writer, 1);
  CHECK(writer->stats().redis_writes == 1);
  CHECK(reader->store->find_now(an_identity(1)) == nullptr);
  REQUIRE(reader->store->can_find_later());
  const EntryPtr found = b.find(*reader, 1);
  REQUIRE(found != nullptr);
  CHECK(found->payload().view() == an_entry(1)->payload().view());
  CHECK(found->meta().served_by == "relay:gpt-4o");
  CHECK(reader->store->find_now(an_identity(1)) == found);
  CHECK(reader->stats().redis_hits == 1);
  CHECK(b.find(*reader, 2) == nullptr);
  CHECK(reader->stats().redis_misses == 1);
}

TEST_CASE("every key in Redis has the life of its entry, at least a second") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  EntryBuilder brief{.number = 2, .ttl = 0s, .stale = 6ms};
  b.put(*node, 1);
  b.put(*node, brief.make());
  CHECK(b.redis.keys_without_ttl().empty());
  const MonoTime now = b.world.loop.now();
  const auto* lasting = b.redis.data().find(redis_key(1), now);
  REQUIRE(lasting != nullptr);
  CHECK(*lasting->expires - now <= 10min + 24h);
  CHECK(*lasting->expires - now >= 10min + 24h - 10ms);
  const auto* short_lived = b.redis.data().find(redis_key(2), now);
  REQUIRE(short_lived != nullptr);
  CHECK(*short_lived->expires - now >= 990ms);
  CHECK(*short_lived->expires - now <= 1s);
}

TEST_CASE("prefix and database are the ones configured") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  b.settings.prefix = "team*[a]:";
  b.settings.database = 5;
  const auto node = b.up();
  b.put(*node, 1);
  CHECK(b.redis.data(0).size(b.world.loop.now()) == 0);
  CHECK(b.redis.data(5).keys(b.world.loop.now()) ==
        std::vector<std::string>{"team*[a]:secret", "team*[a]:v1:" + chat::hex(a_key(1))});
  CHECK(b.redis.client_names() == std::vector<std::string>{"outrigger"});
}

TEST_CASE("many keys are asked for in one round trip and answered in order") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < 600; ++i) {
    numbers.push_back(i);
    if (i % 3 == 0) b.put(*writer, i);
  }
  const auto reader = b.up();
  const auto answer = b.ask(*reader, numbers);
  b.world.loop.run_until([&] { return answer->times > 0; });
  REQUIRE(answer->found.size() == 600);
  for (std::uint64_t i = 0; i < 600; ++i) {
    REQUIRE((answer->found[i] != nullptr) == (i % 3 == 0));
    if (i % 3 == 0) REQUIRE(answer->found[i]->key() == a_key(i));
  }
  CHECK(answer->took < 1ms);
  CHECK(b.redis.count("MGET") == 3);
}

TEST_CASE("the identity inside must be the wanted one") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  b.put(*writer, 1);
  const auto reader = b.up();
  std::optional<Store::Found> found;
  const auto pending =
      reader->store->find_later({{a_key(1), "somebody else"}}, [&](Store::Found f) { found = std::move(f); });
  b.world.loop.run_for(10ms);
  REQUIRE(found.has_value());
  CHECK(found->at(0) == nullptr);
  CHECK(reader->stats().entries == 0);
  CHECK(reader->stats().redis_misses == 1);
  CHECK(reader->stats().redis_rubbish == 0);
}

TEST_CASE("an entry that is no longer usable is not found, whatever Redis still has") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  b.put(*writer, 1);
  b.world.loop.jump_wall(10min + 24h);
  const auto reader = b.up();
  CHECK(b.find(*reader, 1) == nullptr);
  CHECK(reader->stats().entries == 0);
}

TEST_CASE("what is newer in memory wins over what Redis has") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  const auto reader = b.up();
  b.put(*writer, 1);
  const auto answer = b.ask(*reader, {1});
  b.world.loop.run_for(300us);
  EntryBuilder newer{.number = 1, .stored_at = k_noon + 1ms};
  const EntryPtr mine = newer.make();
  reader->store->put(mine);
  b.world.loop.run_for(10ms);
  REQUIRE(answer->times == 1);
  CHECK(answer->found.at(0) == mine);
}

TEST_CASE("a lookup that nobody waits for any more is not answered") {
  Bench b;
  const auto node = b.up();
  auto answer = b.ask(*node, {1});
  answer->pending.reset();
  b.world.loop.run_for(1s);
  CHECK(answer->times == 0);
  CHECK(node->stats().redis_up);
  // Its reply was not taken for the next one's.
  b.world.loop.set_wall(k_noon);
  b.put(*node, 2);
  const auto reader = b.up();
  auto dropped = b.ask(*reader, {3});
  const auto kept = b.ask(*reader, {2});
  dropped.reset();
  b.world.loop.run_for(1s);
  REQUIRE(kept->times == 1);
  CHECK(kept->found.at(0) != nullptr);
}

TEST_CASE("handles may outlive the store") {
  Bench b;
  auto node = b.up();
  const auto waiting = b.ask(*node, {1});
  const auto reaching_nobody = b.ask(*b.node(), {1});
  node.reset();
  b.world.loop.run_for(1s);
  CHECK(waiting->times == 0);
  CHECK(reaching_nobody->times == 1);
}

TEST_CASE("a large entry is compressed in the pool and found again") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  writer->store->put(an_entry(1, 1 << 20));
  CHECK(b.redis.count("SET") == 1);  // the secret's
  b.world.loop.run_for(100ms);
  CHECK(writer->stats().redis_writes == 1);
  const auto reader = b.up();
  const EntryPtr found = b.find(*reader, 1);
  REQUIRE(found != nullptr);
  CHECK(found->payload().view() == an_entry(1, 1 << 20)->payload().view());
}

TEST_CASE("the store may go while entries are being compressed") {
  Bench b;
  auto node = b.up();
  for (std::uint64_t i = 0; i < 40; ++i) node->store->put(an_entry(i, 200'000));
  CHECK(node->stats().redis_dropped == 8);  // more than the pool may hold
  node.reset();
  b.world.loop.run_for(1s);
  CHECK(b.redis.count("SET") == 1);
}

TEST_CASE("what is too large for Redis stays in memory only") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  b.put(*node, an_entry(1, 9u << 20));
  CHECK(node->stats().redis_dropped == 1);
  CHECK(node->store->find_now(an_identity(1)) != nullptr);
}

TEST_CASE("writes beyond the limit of one turn are dropped and counted") {
  Bench b;
  const auto node = b.up();
  const std::uint64_t before = node->stats().redis_writes;
  for (std::uint64_t i = 0; i < 1003; ++i) node->store->put(an_entry(i));
  CHECK(node->stats().redis_dropped == 3);
  CHECK(node->store->can_find_later());
  CHECK(b.find(*node, 5000) == nullptr);
  CHECK(node->stats().redis_writes == before + 1000);
}

}  // namespace
}  // namespace outrigger::cache
