#include "cache/board.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "sim/world/sim_redis.h"

namespace outrigger::cache {
namespace {

struct Bench {
  explicit Bench(std::size_t count, std::uint64_t seed = 1) : world(seed), redis(world) {
    for (std::size_t i = 0; i < count; ++i) {
      RedisSettings settings;
      settings.address = redis.address();
      boards.push_back(std::make_unique<Board>(world.world(), settings, "replica" + std::to_string(i), 100ms));
      boards.back()->open();
    }
    world.loop.run_for(20ms);
  }
  // Names and texts of what this one reads; "nothing" when Redis does not answer, "refused" when it is not asked.
  std::vector<std::string> exchange(std::size_t who, std::string_view text) {
    std::vector<std::string> read{"pending"};
    const bool sent = boards[who]->exchange(text, [&read](std::optional<std::vector<Board::Note>> notes) {
      read = {};
      if (!notes) read.emplace_back("nothing");
      for (const Board::Note& note : notes.value_or(std::vector<Board::Note>{})) read.push_back(note.who + "=" + note.text);
    });
    if (!sent) return {"refused"};
    world.loop.run_until([&] { return read != std::vector<std::string>{"pending"}; }, 1s);
    world.loop.run_for(5ms);
    std::sort(read.begin(), read.end());
    return read;
  }
  void settle(int rounds = 4) {
    for (int i = 0; i < rounds; ++i) {
      for (std::size_t who = 0; who < boards.size(); ++who) exchange(who, "hello");
    }
  }
  Board::Lock lock(std::size_t who, std::string_view name, Duration life = 1s) {
    std::optional<Board::Lock> result;
    if (!boards[who]->lock(name, life, [&](Board::Lock lock) { result = lock; })) return Board::Lock::unknown;
    world.loop.run_until([&] { return result.has_value(); }, 1s);
    return result.value();
  }

  sim::SimWorld world;
  sim::SimRedis redis;
  std::vector<std::unique_ptr<Board>> boards;
};

using Texts = std::vector<std::string>;

TEST_CASE("each reads what the others have put up last, and nothing of its own") {
  Bench b(3);
  CHECK(b.exchange(0, "early").empty());
  b.settle();
  CHECK(b.exchange(0, "a\nb") == Texts{"replica1=hello", "replica2=hello"});
  CHECK(b.exchange(1, "") == Texts{"replica0=a\nb", "replica2=hello"});
  CHECK(b.exchange(2, "x") == Texts{"replica0=a\nb", "replica1="});
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("who falls silent is gone after a while") {
  Bench b(2);
  b.settle();
  b.world.loop.run_for(Board::k_note_life - 100ms);
  CHECK(b.exchange(0, "x") == Texts{"replica1=hello"});
  b.world.loop.run_for(200ms);
  CHECK(b.exchange(0, "x").empty());
  b.settle();
  CHECK(b.exchange(0, "x").front() == "replica1=hello");
}

TEST_CASE("more replicas than places: all read, those without a place are not heard") {
  Bench b(Board::k_places + 2);
  // Many that begin at once may choose the same place; each round settles some.
  b.settle(12);
  for (const std::size_t who : {std::size_t{0}, std::size_t{40}, Board::k_places + 1}) {
    const std::size_t heard = b.exchange(who, "hello").size();
    CHECK(heard >= Board::k_places - 1);
    CHECK(heard <= Board::k_places);
  }
}

TEST_CASE("two in one place part again") {
  Bench b(2);
  b.settle();
  // What stood still comes back and finds its place taken: as if the other had been there all the time.
  auto keys = b.redis.data().keys(b.world.loop.now());
  REQUIRE(keys.size() == 2);
  for (const std::string& key : keys) b.redis.data().put(key, "stranger\nhi", b.world.loop.now() + 200ms);
  b.settle();
  CHECK(b.redis.data().keys(b.world.loop.now()).size() == 4);
  CHECK(b.exchange(0, "x") == Texts{"replica1=hello", "replica1=hello"});
  for (int i = 0; i < 4; ++i) {
    b.world.loop.run_for(Board::k_note_life / 4);
    b.settle();
  }
  CHECK(b.exchange(0, "x") == Texts{"replica1=hello"});
  CHECK(b.exchange(1, "x") == Texts{"replica0=x"});
}

TEST_CASE("too long a note is neither written nor read, and no place holds rubbish for long") {
  Bench b(2);
  b.settle();
  b.exchange(1, std::string(Board::k_note_max + 1, 'x'));
  CHECK(b.exchange(0, "x") == Texts{"replica1=hello"});
  b.exchange(1, std::string(Board::k_note_max, 'x'));
  CHECK(b.exchange(0, "x").size() == 1);
  for (const std::string& key : b.redis.data().keys(b.world.loop.now())) {
    b.redis.data().put(key, "no line end", b.world.loop.now() + 1s);
  }
  CHECK(b.exchange(0, "x").empty());
  b.settle();
  CHECK(b.exchange(0, "x").front() == "replica1=hello");
}

TEST_CASE("a lock is one replica's until it is given back or its life is over") {
  Bench b(2);
  CHECK(b.lock(0, "t") == Board::Lock::mine);
  CHECK(b.lock(1, "t") == Board::Lock::taken);
  CHECK(b.lock(1, "u") == Board::Lock::mine);
  b.boards[0]->unlock("t");
  b.world.loop.run_for(5ms);
  CHECK(b.lock(1, "t") == Board::Lock::mine);
  b.world.loop.run_for(600ms);
  b.boards[1]->renew("t", 1s);
  b.world.loop.run_for(600ms);
  CHECK(b.lock(0, "t") == Board::Lock::taken);
  b.world.loop.run_for(500ms);
  CHECK(b.lock(0, "t") == Board::Lock::mine);
  CHECK(b.redis.keys_without_ttl().empty());
}

TEST_CASE("a Redis in trouble: an answer or none within the time limit, and all is well afterwards") {
  Bench b(2);
  b.settle();
  SECTION("frozen") {
    b.redis.freeze();
    const MonoTime began = b.world.loop.now();
    CHECK(b.exchange(0, "x") == Texts{"nothing"});
    CHECK(b.world.loop.now() - began <= 110ms);
    CHECK(b.exchange(0, "x") == Texts{"refused"});
    CHECK(b.lock(0, "t") == Board::Lock::unknown);
    b.redis.thaw();
  }
  SECTION("down") {
    b.redis.go_down();
    b.world.loop.run_for(10ms);
    b.exchange(0, "x");
    CHECK(b.exchange(0, "x") == Texts{"refused"});
    CHECK_FALSE(b.boards[0]->up());
    b.redis.come_up();
  }
  SECTION("full, loading, read only") {
    b.redis.server().faults.full = true;
    CHECK(b.exchange(0, "x") == Texts{"replica1=hello"});
    CHECK(b.lock(0, "t") == Board::Lock::unknown);
    b.redis.server().faults.full = false;
    b.redis.server().faults.loading = true;
    CHECK(b.exchange(0, "x") == Texts{"nothing"});
    b.redis.server().faults.loading = false;
  }
  SECTION("rubbish") {
    b.redis.server().faults.wrong_type = 0.5;
    b.redis.server().faults.corrupt = 0.5;
    for (int i = 0; i < 200; ++i) {
      b.exchange(0, "hello");
      b.lock(1, "t", 1ms);
      b.world.loop.run_for(50ms);
    }
    b.redis.server().faults = {};
  }
  SECTION("it has lost everything") { b.redis.forget(); }
  b.world.loop.run_for(8s);  // the link's breaker has its own times
  b.settle();
  CHECK(b.exchange(0, "x") == Texts{"replica1=hello"});
  CHECK(b.exchange(1, "x") == Texts{"replica0=x"});
  CHECK(b.lock(0, "after") == Board::Lock::mine);
  CHECK(b.redis.keys_without_ttl().empty());
}

}  // namespace
}  // namespace outrigger::cache
