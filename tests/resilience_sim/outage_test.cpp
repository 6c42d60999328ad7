// A primary that is down for half a minute: how soon it is left alone, what its clients notice, and how soon it is back in use.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "resilience_sim/bench.h"
#include "resilience_sim/figures.h"
#include "resilience_sim/provider.h"
#include "resilience_sim/seeds.h"

namespace outrigger::sim {
namespace {

constexpr Span k_outage{30s, 60s};
constexpr Duration k_span = 110s;
constexpr double k_per_second = 60;
// The fallback's slowest first tokens, and what a hedge waits before.
constexpr Duration k_slow_token = 3s;
// A wider spread would let a fallback outrun one probe in thirty of a target that has recovered, which then has to wait once more.
constexpr double k_spread = 0.2;

struct Played {
  std::vector<Outcome> outcomes;
  std::vector<ProviderCall> calls;         // to the primary
  std::ptrdiff_t failures_to_open = 0;     // that had been heard of when it was left alone
  Duration opened{};                       // after the start
  std::optional<Duration> in_use_again{};  // after the recovery: from when on nobody was sent elsewhere
};

// `down_after`: how long a call to the primary says nothing before it says that it is down.
Played play(std::uint64_t seed, std::string_view breaker, Duration down_after) {
  Bench bench(seed, fmt::format(R"([[upstream]]
name = "primary"
url = "http://primary:9000/v1"
[[upstream]]
name = "backup"
url = "http://backup:9000/v1"
[[model]]
name = "*"
target = "primary"
fallback = ["backup"]
timeout = {{ first_token = "15s" }}
{}
[cache]
mode = "off"
)",
                                breaker));
  ProviderPlan plan;
  plan.outages = {k_outage};
  plan.spread = k_spread;
  Provider primary(bench.world, "primary", plan, {.down_after = down_after});
  Provider backup(bench.world, "backup", {.spread = k_spread});
  Visitors visitors(bench.world, Bench::door(), bench.world.rng.fork());
  const MonoTime start = bench.world.loop.now();
  visitors.come(
      k_span, k_per_second, [](Duration) { return k_per_second; },
      [n = 0](Rng&) mutable { return Ask{.question = fmt::format("q{}", ++n)}; });
  Played played;
  const bool opened = bench.world.loop.run_until(
      [&] {
        const proxy::Lane* lane = bench.lane("primary:m");
        return lane != nullptr && lane->state() == resilience::Health::State::open;
      },
      k_span);
  REQUIRE(opened);
  played.opened = bench.world.loop.now() - start;
  const Duration sent = bench.world.loop.now() - start - bench.world.net.default_shape.latency;
  played.failures_to_open = std::ranges::count_if(primary.refusals(), [=](Duration at) { return at <= sent; });
  CHECK(visitors.run(k_span + 2min));
  CHECK(visitors.complaints().empty());
  bench.world.loop.run_for(1s);
  CHECK(bench.unrest() == "");
  played.outcomes = visitors.outcomes();
  played.calls = primary.calls();
  for (const Outcome& outcome : played.outcomes) {
    if (outcome.began < k_outage.to || outcome.served_by == "primary:m") continue;
    played.in_use_again = std::max(played.in_use_again.value_or(0s), outcome.began - k_outage.to);
  }
  return played;
}

// Calls that came while the primary was left alone, and found another one there.
std::size_t probes_beside_others(const Played& played, Duration from) {
  return static_cast<std::size_t>(std::ranges::count_if(played.calls, [&](const ProviderCall& call) {
    return call.at >= from && call.at < k_outage.to && call.under_way > 0;
  }));
}
std::size_t probes(const Played& played, Duration from) {
  return static_cast<std::size_t>(std::ranges::count_if(
      played.calls, [&](const ProviderCall& call) { return call.at >= from && call.at < k_outage.to; }));
}
Duration longest_first_token(const Played& played, Duration from) {
  Duration longest{};
  for (const Outcome& outcome : played.outcomes) {
    if (outcome.began >= from && outcome.began < k_outage.to) longest = std::max(longest, outcome.first_token);
  }
  return longest;
}

}  // namespace

TEST_CASE("an outage: left alone after a few failures, nobody notices, back in full use within five seconds") {
  std::cout << "An outage of 30 s, 60 requests a second\n" << table_head();
  for (const std::uint64_t seed : seeds()) {
    for (const std::string_view breaker : {"breaker = { max_open = \"3s\" }", ""}) {
      const Played played = play(seed, breaker, 0ms);
      const Figures figures = figures_of(played.outcomes, played.calls.size());
      const Duration settled = played.opened + 100ms;
      std::cout << table_line(breaker.empty() ? "default breaker" : "max_open 3 s", figures)
                << fmt::format(
                       "      left alone after {} failures, {:.0f} ms; {} probes, longest first token {:.2f} s; all back "
                       "{:.2f} s after the recovery\n",
                       played.failures_to_open, 1000 * seconds(played.opened - k_outage.from), probes(played, settled),
                       seconds(longest_first_token(played, k_outage.from)), seconds(played.in_use_again.value_or(0s)));
      INFO("seed " << seed << " " << breaker);
      CHECK(figures.answered == figures.requests);
      // Three, or up to two more (health.h): when a slow success from before falls among them, the run begins anew, and in the
      // order of the calls most of those since the first must be known. Seed 277191318: of seven calls three had failed so far.
      CHECK(played.failures_to_open <= 5);
      CHECK(probes_beside_others(played, settled) == 0);
      CHECK(probes(played, settled) >= 3);
      CHECK(longest_first_token(played, k_outage.from) <= k_slow_token);
      if (!breaker.empty()) CHECK(played.in_use_again.value_or(0s) <= 5s);
    }
  }
}

TEST_CASE("an outage that shows only after long silence: the probes' clients do not wait for it") {
  for (const std::uint64_t seed : seeds()) {
    constexpr Duration k_silence = 8s;
    const Played played = play(seed, "breaker = { max_open = \"3s\" }", k_silence);
    const Figures figures = figures_of(played.outcomes, played.calls.size());
    // Those that were under way when it was left alone have heard by then.
    const Duration settled = played.opened + k_silence + 1s;
    std::cout << table_line("silent for 8 s, max_open 3 s", figures)
              << fmt::format("      {} probes, longest first token meanwhile {:.2f} s\n", probes(played, settled),
                             seconds(longest_first_token(played, settled)));
    INFO("seed " << seed);
    CHECK(figures.answered == figures.requests);
    CHECK(probes_beside_others(played, settled) == 0);
    CHECK(probes(played, settled) >= 2);
    CHECK(longest_first_token(played, settled) <= k_slow_token);
  }
}

}  // namespace outrigger::sim
