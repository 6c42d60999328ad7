// A store that lives with a Redis that goes wrong in every way at random.
#include <catch2/catch_test_macros.hpp>

#include "slow.h"
#include "unit/cache/bench.h"

namespace outrigger::cache {
namespace {

constexpr Duration k_limit = 20ms;

// Whatever Redis does, each lookup ends once and in time, and what is found is what was stored.
// Returns how many entries were found.
std::size_t live_through(std::uint64_t seed) {
  INFO("seed " << seed);
  Bench b(seed);
  b.world.loop.set_wall(k_noon);
  Rng rng(seed);
  // Nothing stays in memory, so every lookup has to go to Redis.
  const auto node = b.node(k_secret_a, 0);
  Bench::start(*node, k_secret_a);
  b.world.net.site(b.redis.address()).shape.chunking = rng.chance(0.5);
  sim::RedisFaults& faults = b.redis.server().faults;
  const bool odd = rng.chance(0.5);
  std::vector<std::unique_ptr<Bench::Answer>> answers;
  std::vector<std::uint64_t> asked;
  for (int i = 0; i < 3000; ++i) {
    if (rng.chance(0.01)) {
      faults = {};
      faults.full = rng.chance(0.2);
      faults.loading = rng.chance(0.1);
      faults.no_auth = rng.chance(0.1);
      faults.corrupt = rng.chance(0.5) ? 0.3 : 0;
      faults.rubbish = odd && rng.chance(0.3) ? 0.05 : 0;
      faults.wrong_type = odd && rng.chance(0.3) ? 0.05 : 0;
      b.redis.slow = rng.chance(0.3) ? std::chrono::milliseconds(rng.below(30)) : 0ms;
    }
    if (rng.chance(0.002)) b.redis.freeze();
    if (rng.chance(0.02)) b.redis.thaw();
    if (rng.chance(0.002)) b.redis.go_down();
    if (rng.chance(0.02)) b.redis.come_up();
    if (rng.chance(0.005)) b.world.net.cut(b.redis.address());
    if (rng.chance(0.005)) b.world.net.clog(b.redis.address(), std::chrono::milliseconds(rng.below(100)));
    const std::uint64_t number = rng.below(30);
    if (rng.chance(0.3)) node->store->put(an_entry(number, rng.chance(0.02) ? 300'000 : 500));
    if (rng.chance(0.7)) {
      answers.push_back(b.ask(*node, {number, number + 1}));
      asked.push_back(number);
    }
    b.world.loop.run_for(std::chrono::microseconds(rng.below(20'000)));
  }
  faults = {};
  b.redis.slow = 0ms;
  b.redis.thaw();
  b.redis.come_up();
  b.world.loop.run_for(20s);
  std::size_t found = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    REQUIRE(answers[i]->times == 1);
    REQUIRE(answers[i]->took <= k_limit);
    REQUIRE(answers[i]->found.size() == 2);
    for (std::uint64_t j = 0; j < 2; ++j) {
      const EntryPtr& entry = answers[i]->found[j];
      if (entry == nullptr) continue;
      ++found;
      REQUIRE(entry->key() == a_key(asked[i] + j));
      REQUIRE(entry->identity() == an_identity(asked[i] + j));
      const std::string_view payload = entry->payload().view();
      REQUIRE(payload == an_entry(asked[i] + j, payload.size())->payload().view());
    }
  }
  CHECK(b.redis.keys_without_ttl().empty());
  // Faults off: it works again.
  CHECK(node->store->can_find_later());
  b.put(*node, 77);
  CHECK(b.find(*node, 77) != nullptr);
  return found;
}

TEST_CASE("whatever Redis does, every lookup ends once and in time, and finds only what was stored") {
  std::size_t found = 0;
  constexpr std::uint64_t k_lives = k_is_slow ? 8 : 25;
  for (std::uint64_t seed = 1; seed <= k_lives; ++seed) found += live_through(seed);
  CHECK(found > 40 * k_lives);
}

TEST_CASE("the same seed does the same") {
  std::vector<std::uint64_t> digests;
  for (int i = 0; i < 2; ++i) {
    Bench b(42);
    b.world.net.site(b.redis.address()).shape.chunking = true;
    const auto node = b.up();
    b.redis.freeze();
    for (std::uint64_t n = 0; n < 200; ++n) {
      const auto answer = b.ask(*node, {n});
      b.put(*node, n);
      if (n == 100) b.redis.thaw();
      b.world.loop.run_for(10ms);
    }
    digests.push_back(b.world.digest());
  }
  CHECK(digests[0] == digests[1]);
}

}  // namespace
}  // namespace outrigger::cache
