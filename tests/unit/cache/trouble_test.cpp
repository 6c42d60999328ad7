// Redis slow, frozen, down, full, locked or talking rubbish: a miss, counted, and paid for once.
#include <catch2/catch_test_macros.hpp>

#include "unit/cache/bench.h"

namespace outrigger::cache {
namespace {

constexpr Duration k_limit = 20ms;
// From the call to the reply, besides Redis' own time: two ways.
constexpr Duration k_way = 400us;

TEST_CASE("a reply at the limit counts and one tick later it does not") {
  for (const bool in_time : {true, false}) {
    Bench b;
    b.world.loop.set_wall(k_noon);
    const auto writer = b.up();
    b.put(*writer, 1);
    const auto node = b.node();
    Bench::start(*node, k_secret_a);
    b.world.loop.run_for(10ms);
    b.redis.slow = k_limit - k_way - (in_time ? 0ns : -1ns);
    const auto answer = b.ask(*node, {1});
    b.world.loop.run_for(30ms);
    REQUIRE(answer->times == 1);
    CHECK((answer->found.at(0) != nullptr) == in_time);
    CHECK(answer->took <= k_limit);
    CHECK(node->stats().redis_timeouts == (in_time ? 0 : 1));
  }
}

TEST_CASE("a frozen Redis costs its limit once: those in flight, and nobody after them") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  b.redis.freeze();
  std::vector<std::unique_ptr<Bench::Answer>> early;
  for (std::uint64_t i = 0; i < 50; ++i) {
    early.push_back(b.ask(*node, {i}));
    b.world.loop.run_for(100us);
  }
  b.world.loop.run_for(k_limit);
  for (const auto& answer : early) {
    REQUIRE(answer->times == 1);
    CHECK(answer->took <= k_limit);
  }
  CHECK(node->stats().redis_timeouts == 1);
  CHECK_FALSE(node->stats().redis_up);
  CHECK(node->stats().redis_last_error == "no answer within 20 ms");
  // For a minute nobody waits, though Redis is probed all the time.
  for (int i = 0; i < 60'000; i += 7) {
    CHECK_FALSE(node->store->can_find_later());
    const auto answer = b.ask(*node, {1});
    b.world.loop.run_for(7ms);
    REQUIRE(answer->times == 1);
    REQUIRE(answer->took == 0ns);
  }
}

TEST_CASE("a Redis that is alive but always too slow stays shut") {
  Bench b;
  const auto node = b.up();
  b.redis.slow = 50ms;
  Duration paid{};
  int asked = 0;
  for (int i = 0; i < 6000; ++i, ++asked) {
    const auto answer = b.ask(*node, {1});
    b.world.loop.run_for(k_limit);
    REQUIRE(answer->times == 1);
    paid += answer->took;
  }
  CHECK(paid == k_limit);
  b.redis.slow = 0ms;
  CHECK(b.world.loop.run_until([&] { return node->store->can_find_later(); }, 7s));
}

TEST_CASE("a Redis that answers PING in time but not lookups is tried less and less often") {
  Bench b;
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  b.world.loop.run_for(10ms);
  Duration paid{};
  for (int i = 0; i < 6000; ++i) {
    b.redis.slow = node->store->can_find_later() ? 50ms : 0ms;
    const auto answer = b.ask(*node, {1});
    b.world.loop.run_for(k_limit);
    REQUIRE(answer->times == 1);
    paid += answer->took;
  }
  // Two minutes: 100, 200, ... 3200 ms, then every five seconds.
  CHECK(paid <= 35 * k_limit);
}

TEST_CASE("after a thaw the breaker closes by itself, and late replies are nobody's") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto writer = b.up();
  b.put(*writer, 1);
  b.put(*writer, 2);
  const auto node = b.up();
  b.redis.freeze();
  const auto lost = b.ask(*node, {1});
  b.world.loop.run_for(2s);
  CHECK(lost->found.at(0) == nullptr);
  b.redis.thaw();
  CHECK(b.world.loop.run_until([&] { return node->store->can_find_later(); }, 7s));
  const EntryPtr found = b.find(*node, 2);
  REQUIRE(found != nullptr);
  CHECK(found->key() == a_key(2));
  CHECK(node->stats().redis_last_error.empty());
  CHECK(node->news == std::vector<std::string>{"redis: no answer within 20 ms",
                                               "redis: Redis accepts connections but does not answer",
                                               "redis: answers again"});
}

TEST_CASE("at process start a lookup waits for the first connection, but not beyond the limit") {
  for (const Duration slow : {5ms, 30ms}) {
    Bench b;
    b.world.net.site(b.redis.address()).shape.latency = slow / 4;
    const auto node = b.node();
    CHECK_FALSE(node->store->can_find_later());
    Bench::start(*node, k_secret_a);
    CHECK(node->store->can_find_later());
    const auto answer = b.ask(*node, {1});
    b.world.loop.run_for(k_limit);
    REQUIRE(answer->times == 1);
    CHECK(answer->took == (slow == 5ms ? 2 * slow : k_limit));
    CHECK(node->stats().redis_timeouts == (slow == 5ms ? 0 : 1));
    // The slow connection was not given up: nobody waits for it, but when it is there it is used.
    CHECK(node->store->can_find_later() == (slow == 5ms));
    b.world.loop.run_for(100ms);
    CHECK(node->store->can_find_later());
    CHECK(b.world.net.site(b.redis.address()).connects_asked == 1);
  }
}

TEST_CASE("a Redis that is down is tried again, less and less often, and found when it comes up") {
  Bench b;
  b.redis.go_down();
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  b.world.loop.run_for(10ms);
  CHECK_FALSE(node->store->can_find_later());
  CHECK(node->stats().redis_errors == 1);
  CHECK(node->stats().redis_last_error.starts_with("connect_refused"));
  const auto& asked = b.world.net.site(b.redis.address()).connects_asked;
  b.world.loop.run_for(1s);
  CHECK(asked >= 4);  // 0, 100, 300, 700 ms
  CHECK(asked <= 5);
  b.world.loop.run_for(1min);
  const std::uint64_t before = asked;
  b.world.loop.run_for(1min);
  CHECK(asked - before >= 12);
  CHECK(asked - before <= 15);
  b.redis.come_up();
  CHECK(b.world.loop.run_until([&] { return node->stats().redis_up; }, 5s));
  CHECK(node->store->can_find_later());
  CHECK(node->news.size() == 2);
}

TEST_CASE("a Redis that does not even answer SYNs is given up and tried again") {
  Bench b;
  sim::Site& site = b.world.net.site(b.redis.address());
  site.faults.blackhole = 1;
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  const auto answer = b.ask(*node, {1});
  b.world.loop.run_for(30s);
  CHECK(answer->took == k_limit);
  CHECK(site.connects_asked > 3);
  CHECK_FALSE(node->store->can_find_later());
  site.faults.blackhole = 0;
  CHECK(b.world.loop.run_until([&] { return node->stats().redis_up; }, 10s));
}

TEST_CASE("a Redis that goes down under way loses what is in flight at once") {
  Bench b;
  const auto node = b.up();
  b.redis.slow = 10ms;
  const auto answer = b.ask(*node, {1});
  node->store->put(an_entry(2));
  b.world.loop.run_for(1ms);
  b.redis.go_down();
  b.world.loop.run_for(1ms);
  REQUIRE(answer->times == 1);
  CHECK(answer->found.at(0) == nullptr);
  CHECK(node->stats().redis_dropped == 1);
  CHECK_FALSE(node->store->can_find_later());
}

TEST_CASE("what is stored while Redis is away is written when it is back, the newest five hundred of it") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  b.redis.go_down();
  b.world.loop.run_for(1s);
  for (std::uint64_t i = 0; i < 503; ++i) node->store->put(an_entry(i));
  EntryBuilder brief{.number = 5000, .ttl = 1s, .stale = 0s};
  node->store->put(brief.make());
  CHECK(node->stats().redis_dropped == 4);
  CHECK(b.purge(*node, {.key = a_key(400)}).memory == 1);
  b.world.loop.jump_wall(2s);
  b.redis.come_up();
  b.world.loop.run_for(10s);
  CHECK(node->stats().redis_dropped == 4);
  CHECK(node->stats().redis_writes == 498);
  const auto reader = b.up();
  CHECK(b.find(*reader, 3) == nullptr);
  CHECK(b.find(*reader, 4) != nullptr);
  CHECK(b.find(*reader, 400) == nullptr);
  CHECK(b.find(*reader, 502) != nullptr);
  CHECK(b.find(*reader, 5000) == nullptr);
}

TEST_CASE("what is held while Redis is away is bounded by bytes") {
  Bench b;
  const auto node = b.node();
  for (std::uint64_t i = 0; i < 5; ++i) node->store->put(an_entry(i, 2u << 20));
  CHECK(node->stats().redis_dropped == 2);
  // What a purge has taken out makes room.
  CHECK(b.purge(*node, {.all = true}).memory > 0);
  for (std::uint64_t i = 0; i < 3; ++i) node->store->put(an_entry(i, 2u << 20));
  CHECK(node->stats().redis_dropped == 2);
}

TEST_CASE("an idle connection that Redis closes is made anew without anybody noticing") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  b.put(*node, 1);
  b.world.loop.run_for(10min);
  b.world.net.cut(b.redis.address());
  b.world.loop.run_for(1us);
  CHECK(node->store->can_find_later());
  const auto reader_answer = b.ask(*node, {1});
  b.world.loop.run_for(5ms);
  REQUIRE(reader_answer->times == 1);
  CHECK(reader_answer->found.at(0) != nullptr);
  CHECK(node->stats().redis_errors == 0);
  CHECK(node->news.empty());
}

TEST_CASE("a Redis that closes every connection at once is not hammered") {
  Bench b;
  const auto node = b.up();
  for (int i = 0; i < 1000; ++i) {
    b.world.net.cut(b.redis.address());
    b.world.loop.run_for(10ms);
  }
  CHECK(b.world.net.site(b.redis.address()).connects_asked < 120);
  CHECK(node->stats().redis_errors > 0);
}

TEST_CASE("a full Redis still answers lookups; its refusals are counted and named") {
  Bench b;
  b.world.loop.set_wall(k_noon);
  const auto node = b.up();
  b.put(*node, 1);
  b.redis.server().faults.full = true;
  b.put(*node, 2);
  CHECK(node->stats().redis_errors == 1);
  CHECK(node->stats().redis_last_error == "OOM: Redis is full (maxmemory) and takes no writes");
  CHECK(node->store->can_find_later());
  const auto reader = b.up(k_secret_b);
  CHECK(b.find(*reader, 1) != nullptr);
  CHECK(node->stats().redis_last_error.starts_with("OOM"));
  b.redis.server().faults.full = false;
  b.put(*node, 3);
  CHECK(node->stats().redis_last_error.empty());
  CHECK(node->stats().redis_writes == 2);
  CHECK(node->news.size() == 1);
}

TEST_CASE("a replica that takes no writes still answers lookups") {
  Bench b;
  const auto node = b.up();
  b.redis.server().faults.read_only = true;
  b.put(*node, 1);
  CHECK(node->stats().redis_last_error == "READONLY: this Redis is a replica and takes no writes");
  CHECK(node->store->can_find_later());
}

TEST_CASE("a Redis that is loading is left alone until it has loaded") {
  Bench b;
  const auto node = b.up();
  b.redis.server().faults.loading = true;
  const auto answer = b.ask(*node, {1});
  b.world.loop.run_for(5ms);
  CHECK(answer->times == 1);
  CHECK_FALSE(node->store->can_find_later());
  CHECK(node->stats().redis_last_error == "LOADING: Redis is still loading its data");
  b.world.loop.run_for(10s);
  CHECK_FALSE(node->store->can_find_later());
  b.redis.server().faults.loading = false;
  CHECK(b.world.loop.run_until([&] { return node->stats().redis_up; }, 5s));
}

TEST_CASE("a wrong password is told to the operator and never quoted") {
  Bench b(1, {.address = {"redis", 6379, false}, .access = {.user = "default", .password = "s3cret"}});
  struct Case {
    std::string user, password, error;
  };
  const std::vector<Case> cases{
      {"", "s3cret", ""},
      {"default", "s3cret", ""},
      {"", "wrong-one", "WRONGPASS: Redis refuses this user name or password"},
      {"somebody", "s3cret", "WRONGPASS: Redis refuses this user name or password"},
      {"", "", "NOAUTH: Redis wants a password"},
  };
  for (const Case& c : cases) {
    INFO(c.user << " / " << c.password);
    b.settings.user = c.user;
    b.settings.password = c.password;
    const auto node = b.node();
    Bench::start(*node, k_secret_a);
    b.world.loop.run_for(3s);
    CHECK(node->stats().redis_up == c.error.empty());
    CHECK(node->stats().redis_last_error == c.error);
    CHECK(node->store->can_find_later() == c.error.empty());
    CHECK(node->news.size() == (c.error.empty() ? 0 : 1));
  }
}

TEST_CASE("a password for a Redis that wants none does no harm") {
  Bench b;
  b.settings.password = "difyai123456";
  const auto node = b.up();
  CHECK(node->stats().redis_up);
}

TEST_CASE("a password that is changed under way closes the link until it is right again") {
  Bench b;
  const auto node = b.up();
  b.redis.server().faults.no_auth = true;
  b.put(*node, 1);
  CHECK_FALSE(node->store->can_find_later());
  CHECK(node->stats().redis_last_error == "NOAUTH: Redis wants a password");
  b.redis.server().faults.no_auth = false;
  CHECK(b.world.loop.run_until([&] { return node->stats().redis_up; }, 7s));
}

TEST_CASE("a database that does not exist is told to the operator") {
  Bench b;
  b.settings.database = 99;
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  b.world.loop.run_for(1s);
  CHECK(node->stats().redis_last_error == "Redis refuses the database number");
}

TEST_CASE("TLS goes before everything else, and its failure is a failed connection") {
  sim::SimRedis::Options options;
  options.tls = true;
  Bench b(1, options);
  b.settings.tls = io::TlsClient{.server_name = "redis.example", .ca = {}, .verify = true};
  b.world.net.site(b.redis.address()).next_plans.push_back({.tls_fails = true});
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  b.world.loop.run_for(50ms);
  CHECK(node->stats().redis_last_error.starts_with("tls_failed"));
  CHECK(b.world.loop.run_until([&] { return node->stats().redis_up; }, 1s));
  CHECK(b.world.net.tls_names() == std::vector<std::string>{"redis.example", "redis.example"});
}

TEST_CASE("a DNS failure is a failed connection") {
  Bench b;
  b.world.net.site(b.redis.address()).dns_fails = true;
  const auto node = b.node();
  Bench::start(*node, k_secret_a);
  b.world.loop.run_for(50ms);
  CHECK(node->stats().redis_last_error.starts_with("dns_failed"));
}

}  // namespace
}  // namespace outrigger::cache
