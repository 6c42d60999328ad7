// More is asked than the primary's limit lets through, and the primary counts what it rejects. Everything it can take it gets, the
// rest goes to the fallback, and hardly anything is rejected on the way.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <iostream>

#include "resilience_sim/bench.h"
#include "resilience_sim/figures.h"
#include "resilience_sim/provider.h"
#include "resilience_sim/seeds.h"

namespace outrigger::sim {
namespace {

constexpr std::uint64_t k_limit = 600;  // a minute
constexpr Duration k_span = k_is_slow ? 3min : 8min;
// The first minute is easy: nothing has been counted yet.
constexpr Duration k_counted_from = 1min;

constexpr std::string_view k_upstreams = R"([[upstream]]
name = "primary"
url = "http://primary:9000/v1"
[[upstream]]
name = "backup"
url = "http://backup:9000/v1"
[[model]]
name = "*"
target = "primary"
fallback = ["backup"]
[cache]
mode = "off"
)";
constexpr std::string_view k_rate = "[[target]]\nname = \"primary\"\nrate = { requests_per_minute = 600 }\n";

struct Played {
  Figures figures;
  double use = 0;       // of the limit
  double rejected = 0;  // of the calls to the primary
};

Played play(std::uint64_t seed, double times, bool is_told) {
  Bench bench(seed, fmt::format("{}{}", k_upstreams, is_told ? "" : k_rate));
  ProviderPlan plan;
  plan.limit = CallLimit{k_limit, 1min};
  Provider primary(bench.world, "primary", plan, {.tells_limits = is_told});
  Provider backup(bench.world, "backup", {});
  Visitors visitors(bench.world, Bench::door(), bench.world.rng.fork());
  const double per_second = times * static_cast<double>(k_limit) / 60;
  visitors.come(
      k_span, per_second, [=](Duration) { return per_second; },
      [n = 0](Rng&) mutable { return Ask{.question = fmt::format("q{}", ++n)}; });
  CHECK(visitors.run(k_span + 2min));
  CHECK(visitors.complaints().empty());
  bench.world.loop.run_for(1s);
  CHECK(bench.unrest() == "");
  Played played;
  played.figures = figures_of(visitors.outcomes(), primary.calls().size() + backup.calls().size());
  std::uint64_t accepted = 0;
  for (const ProviderCall& call : primary.calls()) {
    if (call.at >= k_counted_from && call.at < k_span && call.fate == Fate::answers) ++accepted;
  }
  played.use = static_cast<double>(accepted) / (static_cast<double>(k_limit) * seconds(k_span - k_counted_from) / 60);
  played.rejected = static_cast<double>(primary.count(Fate::rejected)) /
                    static_cast<double>(primary.calls().size() + backup.calls().size());
  return played;
}

}  // namespace

TEST_CASE("over the limit: the primary is used up, the rest is served elsewhere, next to nothing is rejected") {
  std::cout << "Over the limit of 600 a minute\n" << table_head();
  for (const bool is_told : {false, true}) {
    for (const double times : {1.2, 2.4}) {
      for (const std::uint64_t seed : seeds()) {
        const Played played = play(seed, times, is_told);
        const std::string name = fmt::format("{} x, {}", times, is_told ? "told by the provider" : "configured");
        std::cout << table_line(name, played.figures)
                  << fmt::format("      limit used to {:.2f} %, {:.3f} % of all calls rejected\n", 100 * played.use,
                                 100 * played.rejected);
        INFO(name << " seed " << seed);
        CHECK(played.figures.answered == played.figures.requests);
        CHECK(played.use >= 0.97);
        CHECK(played.rejected <= 0.005);
      }
    }
  }
}

}  // namespace outrigger::sim
