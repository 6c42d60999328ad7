#include "cache/tally.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <numeric>

#include "sim/world/sim_redis.h"

namespace outrigger::cache {
namespace {

struct Bench {
  explicit Bench(std::size_t count) : redis(world) {
    for (std::size_t i = 0; i < count; ++i) add("life" + std::to_string(i));
  }
  void add(std::string self) {
    RedisSettings settings;
    settings.address = redis.address();
    tallies.push_back(std::make_unique<Tally>(world.world(), settings, std::move(self), 100ms));
    tallies.back()->open();
    world.loop.run_for(20ms);
  }
  // What the others have added; -1: Redis has not answered, -2: it is not asked.
  std::int64_t exchange(std::size_t who, std::optional<std::int64_t> own, std::string name = "a") {
    std::optional<std::int64_t> result;
    const bool sent = tallies[who]->exchange({{std::move(name), own, 1h}}, [&](auto others) {
      REQUIRE_FALSE(result);
      result = others ? others->at(0) : -1;
    });
    if (!sent) return -2;
    CHECK_FALSE(result);
    world.loop.run_until([&] { return result.has_value(); }, 1s);
    return result.value_or(-3);
  }

  sim::SimWorld world;
  sim::SimRedis redis;
  std::vector<std::unique_ptr<Tally>> tallies;
};

TEST_CASE("each adds its own sum and reads those of the others, the dead included") {
  Bench b(3);
  CHECK(b.exchange(0, std::nullopt) == 0);
  CHECK(b.exchange(0, 5) == 0);
  CHECK(b.exchange(1, 7) == 5);
  CHECK(b.exchange(0, 6) == 7);  // all that it has added, not more
  CHECK(b.exchange(0, 6) == 7);  // said twice, counted once
  CHECK(b.exchange(2, std::nullopt) == 13);
  CHECK(b.exchange(2, 1, "b") == 0);
  b.tallies[0].reset();
  b.add("life3");
  CHECK(b.exchange(3, std::nullopt) == 13);
  CHECK(b.redis.keys_without_ttl().empty());
  for (const std::string& key : b.redis.data().keys(b.world.loop.now())) CHECK(key.starts_with("outrigger:spent:"));
}

TEST_CASE("a sum goes when its time is over, which every write renews") {
  Bench b(2);
  b.exchange(0, 5);
  b.world.loop.run_for(59min);
  CHECK(b.exchange(1, std::nullopt) == 5);
  b.exchange(0, 5);
  b.world.loop.run_for(59min);
  CHECK(b.exchange(1, std::nullopt) == 5);
  b.world.loop.run_for(2min);
  b.add("life2");  // who has read it remembers it
  CHECK(b.exchange(2, std::nullopt) == 0);
}

TEST_CASE("what Redis has lost is written again by who has read it, and counts once") {
  Bench b(3);
  b.exchange(0, 10);
  CHECK(b.exchange(1, 5) == 10);
  CHECK(b.exchange(2, std::nullopt) == 15);
  b.tallies[0].reset();
  b.redis.forget();
  CHECK(b.exchange(1, 5) == 10);  // still known
  CHECK(b.exchange(2, std::nullopt) == 15);
  for (int round = 0; round < 2; ++round) {
    CHECK(b.exchange(1, 5) == 10);
    CHECK(b.exchange(2, std::nullopt) == 15);
  }
  b.add("life3");
  CHECK(b.exchange(3, std::nullopt) == 15);
  CHECK(b.redis.keys_without_ttl().empty());
  // Not written for ever: only where it is missing.
  b.redis.clear_log();
  b.exchange(2, std::nullopt);
  for (const sim::RedisCommand& command : b.redis.log()) CHECK(command.front() == "HGETALL");
}

TEST_CASE("a life that goes on tells its own sum, whatever another one remembers of it") {
  Bench b(2);
  b.exchange(0, 10);
  CHECK(b.exchange(1, std::nullopt) == 10);
  b.redis.forget();
  CHECK(b.exchange(1, std::nullopt) == 10);
  CHECK(b.exchange(0, 12) == 0);
  CHECK(b.exchange(1, std::nullopt) == 12);
  b.add("life2");
  CHECK(b.exchange(2, std::nullopt) == 12);
}

TEST_CASE("so many lives of a sum are remembered, for as long as somebody wants them") {
  Bench b(1);
  const std::size_t count = Tally::k_lives_max + 10;
  std::string hash;
  for (std::size_t i = 0; i < count; ++i) hash += fmt::format("$7\r\nold{:04}\r\n$1\r\n1\r\n", i);
  const std::string huge(Tally::k_life_max + 1, 'x');
  hash += fmt::format("${}\r\n{}\r\n$1\r\n1\r\n", huge.size(), huge);
  b.redis.data().put("outrigger:spent:a", hash, b.world.loop.now() + 1h);
  CHECK(b.exchange(0, std::nullopt) == static_cast<std::int64_t>(count + 1));  // all are counted
  b.redis.forget();
  for (int round = 0; round < 3; ++round) {
    CHECK(b.exchange(0, std::nullopt) == static_cast<std::int64_t>(Tally::k_lives_max));
  }
  b.add("reader");
  CHECK(b.exchange(1, std::nullopt) == static_cast<std::int64_t>(Tally::k_lives_max));
  b.redis.forget();
  b.tallies[0]->keep_only({{"a", {}, 1h}, {"b", {}, 1h}});
  CHECK(b.exchange(0, std::nullopt) == static_cast<std::int64_t>(Tally::k_lives_max));
  b.redis.forget();
  b.tallies[0]->keep_only({{"b", {}, 1h}});
  CHECK(b.exchange(0, std::nullopt) == 0);
}

TEST_CASE("much that was lost is written again in parts, each round some of it") {
  Bench b(3);
  std::vector<Tally::Line> lines;
  for (std::size_t i = 0; i < Tally::k_lines_max; ++i) lines.push_back({"line" + std::to_string(i), 1, 1h});
  std::int64_t sum = 0;
  const auto round = [&](std::size_t who) {
    sum = -1;
    REQUIRE(b.tallies[who]->exchange(lines, [&](auto others) {
      REQUIRE(others);
      sum = std::accumulate(others->begin(), others->end(), std::int64_t{0});
    }));
    b.world.loop.run_for(50ms);
    CHECK(sum >= 0);
  };
  round(0);
  round(1);
  for (Tally::Line& line : lines) line.own.reset();
  round(2);
  CHECK(sum == 2 * static_cast<std::int64_t>(lines.size()));
  b.tallies[0].reset();
  b.tallies[1].reset();
  b.redis.forget();
  for (int i = 0; i < 3; ++i) round(2);
  b.add("reader");
  round(3);
  CHECK(sum == 2 * static_cast<std::int64_t>(lines.size()));
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("many lines are one round, and its answer comes once") {
  Bench b(2);
  std::vector<Tally::Line> lines;
  for (int i = 0; i < 1200; ++i) lines.push_back({"line" + std::to_string(i), i + 1, 1h});
  std::optional<std::vector<std::int64_t>> others;
  int times = 0;
  const auto done = [&](auto read) {
    others = std::move(read);
    ++times;
  };
  REQUIRE(b.tallies[0]->exchange(lines, done));
  b.world.loop.run_for(50ms);
  REQUIRE(b.tallies[1]->exchange(lines, done));
  b.world.loop.run_for(50ms);
  CHECK(times == 2);
  REQUIRE(others);
  REQUIRE(others->size() == lines.size());
  CHECK(others->at(0) == 1);
  CHECK(others->at(Tally::k_lines_max - 1) == static_cast<std::int64_t>(Tally::k_lines_max));
  CHECK(others->at(Tally::k_lines_max) == 0);
}

TEST_CASE("a Redis in trouble answers nothing, and is asked again when it is back") {
  Bench b(2);
  b.exchange(0, 5);
  b.redis.server().faults.full = true;
  CHECK(b.exchange(0, 6) == -1);
  CHECK(b.exchange(1, std::nullopt) == 5);
  b.redis.server().faults.full = false;
  b.redis.freeze();
  CHECK(b.exchange(0, 7) == -1);
  CHECK(b.exchange(0, 7) == -2);
  b.redis.thaw();
  b.world.loop.run_for(5s);
  CHECK(b.exchange(0, 8) == 0);
  CHECK(b.exchange(1, std::nullopt) == 8);
  b.redis.go_down();
  b.world.loop.run_for(100ms);
  CHECK(b.exchange(0, 9) < 0);
  b.redis.come_up();
  b.world.loop.run_for(10s);
  CHECK(b.exchange(0, 9) == 0);
}

TEST_CASE("damaged sums count for nothing, and rubbish ends the link") {
  Bench b(2);
  b.exchange(0, 5);
  for (const std::string_view damaged : {"$2\r\n-5\r\n", "$3\r\n5 0\r\n", "$0\r\n\r\n", "$20\r\n99999999999999999999\r\n"}) {
    CAPTURE(damaged);
    b.redis.data().put("outrigger:spent:a", "$4\r\nlife\r\n" + std::string(damaged), b.world.loop.now() + 1h);
    CHECK(b.exchange(1, std::nullopt) == 0);
  }
  b.redis.server().faults.rubbish = 1;
  CHECK(b.exchange(1, 3) == -1);
  b.redis.server().faults.rubbish = 0;
  b.redis.server().faults.wrong_type = 1;
  b.world.loop.run_for(5s);
  CHECK(b.exchange(1, 3) < 0);
  b.redis.server().faults.wrong_type = 0;
  b.world.loop.run_for(10s);
  CHECK(b.exchange(0, std::nullopt) >= 0);
}

}  // namespace
}  // namespace outrigger::cache
