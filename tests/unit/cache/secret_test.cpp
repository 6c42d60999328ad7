// How replicas agree on the deployment's secret.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "unit/cache/bench.h"

namespace outrigger::cache {
namespace {

const std::string k_at = "outrigger:secret";

std::optional<std::string> in_redis(Bench& b) {
  const auto* value = b.redis.data().find(k_at, b.world.loop.now());
  return value == nullptr ? std::nullopt : std::optional(value->bytes);
}

TEST_CASE("the first replica's secret is kept in Redis, and the second one takes it") {
  Bench b;
  const auto first = b.up(k_secret_a);
  CHECK(first->secret == k_secret_a);
  CHECK(in_redis(b) == k_secret_a);
  CHECK(b.redis.keys_without_ttl().empty());
  const auto second = b.up(k_secret_b);
  CHECK(second->secret == k_secret_a);
  CHECK(first->ready == 1);
  CHECK(second->ready == 1);
  CHECK(first->changed + second->changed == 0);
}

TEST_CASE("replicas that begin at the same time end with the same secret") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    Bench b(seed);
    b.world.net.site(b.redis.address()).shape.jitter = 3ms;
    b.redis.slow_jitter = 1ms;
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 5; ++i) {
      nodes.push_back(b.node(std::string(64, static_cast<char>('a' + i))));
      Bench::start(*nodes.back());
    }
    b.world.loop.run_for(1s);
    for (const auto& node : nodes) {
      CHECK(node->ready == 1);
      CHECK(node->changed == 0);
      CHECK(node->secret == in_redis(b));
    }
  }
}

TEST_CASE("a preset secret is used at once and not put into Redis") {
  Bench b;
  const auto node = b.node();
  Bench::start(*node, "preset");
  CHECK(node->ready == 0);
  b.world.loop.run_for(0ns);
  CHECK(node->secret == "preset");
  b.world.loop.run_for(48h);
  CHECK(node->stats().redis_up);
  CHECK_FALSE(in_redis(b).has_value());
  CHECK(node->changed == 0);
}

TEST_CASE(
    "without an answer the replica's own secret is used at the end of the wait, and changed when Redis knows another") {
  Bench b;
  const auto first = b.up(k_secret_a);
  b.redis.freeze();
  const auto node = b.node(k_secret_b);
  Bench::start(*node, std::nullopt, 3s);
  b.world.loop.run_for(3s - 1ns);
  CHECK(node->ready == 0);
  b.world.loop.run_for(1ns);
  CHECK(node->secret == k_secret_b);
  b.redis.thaw();
  b.world.loop.run_for(10s);
  CHECK(node->ready == 1);
  CHECK(node->changed == 1);
  CHECK(node->secret == k_secret_a);
  CHECK(first->changed == 0);
}

TEST_CASE("a Redis that forgets gets the secret back") {
  Bench b;
  const auto node = b.up(k_secret_a);
  b.redis.go_down();
  b.redis.forget();
  b.world.loop.run_for(1s);
  b.redis.come_up();
  b.world.loop.run_for(10s);
  CHECK(in_redis(b) == k_secret_a);
  const auto late = b.up(k_secret_b);
  CHECK(late->secret == k_secret_a);
  CHECK(node->changed == 0);
}

TEST_CASE("the secret lives as long as somebody uses it, and then goes") {
  Bench b;
  auto node = b.up(k_secret_a);
  for (int day = 0; day < 40; ++day) {
    b.world.loop.run_for(24h);
    REQUIRE(in_redis(b) == k_secret_a);
  }
  CHECK(node->changed == 0);
  node.reset();
  b.world.loop.run_for(24h * 31);
  CHECK_FALSE(in_redis(b).has_value());
}

TEST_CASE("the secret is read every minute, so that a full Redis with allkeys-lru lets colder keys go before it") {
  Bench b;
  const auto node = b.up(k_secret_a);
  for (int minute = 0; minute < 120; ++minute) {
    b.redis.clear_log();
    b.world.loop.run_for(60s + 100ms);
    REQUIRE(std::ranges::count(b.redis.log(), sim::RedisCommand{"GET", k_at}) >= 1);
  }
  CHECK(b.redis.count("GET") < 130);
}

TEST_CASE("a secret that was deleted while nobody looked comes back within a minute") {
  Bench b;
  const auto node = b.up(k_secret_a);
  b.redis.forget();
  b.world.loop.run_for(61s);
  CHECK(in_redis(b) == k_secret_a);
}

TEST_CASE("a replica that comes while the secret is gone has the others with it within a minute") {
  Bench b;
  const auto first = b.up(k_secret_a);
  b.redis.forget();
  const auto second = b.up(k_secret_b);
  REQUIRE(second->secret == k_secret_b);
  b.world.loop.run_for(61s);
  CHECK(first->secret == k_secret_b);
  CHECK(first->changed == 1);
  CHECK(second->changed == 0);
}

TEST_CASE("a full Redis cannot keep the secret: each replica has its own until it can") {
  Bench b;
  b.redis.server().faults.full = true;
  const auto one = b.up(k_secret_a);
  const auto two = b.up(k_secret_b);
  CHECK(one->secret == k_secret_a);
  CHECK(two->secret == k_secret_b);
  b.redis.server().faults.full = false;
  b.world.loop.run_for(2min);
  CHECK(one->secret == in_redis(b));
  CHECK(two->secret == in_redis(b));
  CHECK(one->changed + two->changed == 1);
}

TEST_CASE("a secret in Redis that is too short or absurdly long is not used") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{15}, std::size_t{16}, std::size_t{4096}, std::size_t{4097}}) {
    INFO("size " << size);
    Bench b;
    const std::string text(size, 'x');
    b.redis.data().put(k_at, text, b.world.loop.now() + 24h);
    const auto node = b.up(k_secret_a);
    const bool good = size == 16 || size == 4096;
    CHECK(node->secret == (good ? text : k_secret_a));
    CHECK(in_redis(b) == text);
  }
}

TEST_CASE("an odd reply to the question for the secret is no secret") {
  Bench b;
  b.redis.server().faults.wrong_type = 1;
  const auto node = b.node(k_secret_a);
  Bench::start(*node);
  b.world.loop.run_for(10s);
  CHECK(node->secret == k_secret_a);
  CHECK(node->changed == 0);
}

}  // namespace
}  // namespace outrigger::cache
