// What it costs that a thousand requests wait, and how soon one that is given up makes place.
#include <catch2/catch_test_macros.hpp>

#include <malloc.h>

#include <fmt/format.h>

#include <iostream>

#include "resilience_sim/bench.h"
#include "resilience_sim/provider.h"
#include "resilience_sim/seeds.h"
#include "resilience_sim/visitors.h"

namespace outrigger::sim {
namespace {

constexpr std::size_t k_waiting = 1000;
constexpr std::size_t k_prompt = 4096;
constexpr std::size_t k_most_bytes = 64u << 20;

// Of the whole process, so the clients' and the simulated wires' share is in it, too. Nothing under a sanitizer, whose allocator
// does not tell.
std::size_t heap_in_use() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

}  // namespace

TEST_CASE("a thousand that wait hold at most 64 MB; one that leaves makes place within a millisecond") {
  Bench bench(seeds().front(), R"([[upstream]]
name = "relay"
url = "http://relay:9000/v1"
[[model]]
name = "*"
concurrency = 1
queue = { depth = 1000, wait = "60s" }
)");
  ProviderPlan plan;
  plan.brown_outs = {{0s, 1h}};
  plan.hanging = 1;
  Provider relay(bench.world, "relay", plan);
  Visitors visitors(bench.world, Bench::door(), bench.world.rng.fork());
  std::uint64_t number = 0;
  const auto ask = [&] {
    return visitors.ask({.question = fmt::format("q{}", ++number), .stream = number % 2 == 0, .padding = k_prompt});
  };
  const auto waiting = [&] { return bench.lane("relay:m")->queue().size(); };
  ask();
  bench.world.loop.run_for(100ms);
  REQUIRE(relay.under_way() == 1);

  const std::size_t before = heap_in_use();
  std::vector<std::uint64_t> asked;
  for (std::size_t i = 0; i < k_waiting; ++i) asked.push_back(ask());
  bench.world.loop.run_for(100ms);
  REQUIRE(waiting() == k_waiting);
  const std::size_t held = heap_in_use() - before;
  std::cout << fmt::format("A thousand that wait: {:.1f} MB, prompts of {} bytes and the clients included\n",
                           static_cast<double>(held) / (1 << 20), k_prompt);
  if (!k_is_slow) {
    CHECK(held > k_waiting * k_prompt);  // or nothing was measured
    CHECK(held <= k_most_bytes);
  }

  // No place for one more.
  ask();
  bench.world.loop.run_for(5ms);
  REQUIRE(visitors.outcomes().size() == 1);
  CHECK(!visitors.outcomes().front().answered);
  CHECK(!visitors.outcomes().front().retry_after.empty());

  const MonoTime left = bench.world.loop.now();
  visitors.leave(asked[k_waiting / 2]);
  CHECK(bench.world.loop.run_until([&] { return waiting() == k_waiting - 1; }, 1s));
  CHECK(bench.world.loop.now() - left <= 1ms);
  std::cout << fmt::format("  one that left made place after {:.3f} ms\n", 1000 * seconds(bench.world.loop.now() - left));
  ask();
  bench.world.loop.run_for(5ms);
  CHECK(waiting() == k_waiting);

  // The rest learn that their time is over.
  CHECK(bench.world.loop.run_until([&] { return waiting() == 0; }, 61s));
}

}  // namespace outrigger::sim
