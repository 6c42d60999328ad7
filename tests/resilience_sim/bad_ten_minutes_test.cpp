// The bad ten minutes: a primary that is down, rejects, and browns out by turns, and two fallbacks that are not perfect either. One
// of the three is always well, so every request can be answered; the question is at what cost.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <numbers>

#include "resilience_sim/baselines.h"
#include "resilience_sim/bench.h"
#include "resilience_sim/figures.h"
#include "resilience_sim/provider.h"
#include "resilience_sim/seeds.h"

namespace outrigger::sim {
namespace {

constexpr Duration k_span = 600s;
constexpr double k_most = 120;

double offered(Duration at) { return 60 + 60 * std::sin(std::numbers::pi * seconds(at) / seconds(k_span)); }

std::vector<ProviderPlan> providers() {
  ProviderPlan primary;
  primary.errors = 0.03;
  primary.outages = {{40s, 80s}, {300s, 356s}, {450s, 470s}};
  primary.limit = CallLimit{60, 1s};
  primary.tight = {{130s, 168s}, {380s, 412s}};
  primary.brown_outs = {{220s, 270s}};
  ProviderPlan first;
  first.errors = 0.02;
  first.outages = {{90s, 130s}, {470s, 500s}};
  ProviderPlan second;
  second.errors = 0.01;
  second.outages = {{350s, 370s}};
  return {primary, first, second};
}

constexpr std::string_view k_config = R"([[upstream]]
name = "primary"
url = "http://primary:9000/v1"
[[upstream]]
name = "first"
url = "http://first:9000/v1"
[[upstream]]
name = "second"
url = "http://second:9000/v1"
[[model]]
name = "*"
target = "primary"
fallback = ["first", "second"]
timeout = { first_token = "1s" }
[cache]
)";

// Anthropic's wire first, OpenAI's after it.
constexpr std::string_view k_two_wires = R"([[upstream]]
name = "primary"
url = "http://primary:9000"
dialect = "anthropic"
[[upstream]]
name = "first"
url = "http://first:9000/v1"
keys = ["k1"]
[[upstream]]
name = "second"
url = "http://second:9000/v1"
keys = ["k2"]
[[model]]
name = "*"
target = "primary"
fallback = ["first:other", "second:another"]
timeout = { first_token = "1s" }
[cache]
)";

// What is asked: three of ten ask what nobody has asked, the others something popular (Zipf's law).
class Questions {
 public:
  Questions() {
    double sum = 0;
    for (std::size_t rank = 1; rank <= k_known; ++rank) sums_.push_back(sum += std::pow(static_cast<double>(rank), -k_zipf));
  }
  Ask operator()(Rng& rng) {
    if (rng.chance(k_unique)) return {.question = fmt::format("u{}", ++unique_)};
    const auto found = std::ranges::lower_bound(sums_, rng.unit() * sums_.back());
    return {.question = fmt::format("q{}", found - sums_.begin())};
  }

 private:
  static constexpr std::size_t k_known = 20'000;
  static constexpr double k_zipf = 0.9;
  static constexpr double k_unique = 0.3;
  std::vector<double> sums_;
  std::uint64_t unique_ = 0;
};

struct Played {
  Figures figures;
  std::string unrest;
};

// `anthropic`: everybody asks on Anthropic's wire, and only the primary speaks it.
Played play(std::uint64_t seed, bool with_cache, bool anthropic = false) {
  Bench bench(seed, fmt::format("{}mode = \"{}\"\n", anthropic ? k_two_wires : k_config, with_cache ? "on" : "off"));
  const std::vector<ProviderPlan> plans = providers();
  Provider primary(bench.world, "primary", plans[0]);
  Provider first(bench.world, "first", plans[1]);
  Provider second(bench.world, "second", plans[2]);
  Visitors visitors(bench.world, Bench::door(), bench.world.rng.fork());
  visitors.come(k_span, k_most, offered, [anthropic, questions = Questions()](Rng& rng) mutable {
    Ask ask = questions(rng);
    ask.messages = anthropic;
    return ask;
  });
  const bool all = visitors.run(k_span + 400s);
  CHECK(all);
  CHECK(visitors.complaints().empty());
  Played played;
  played.figures = figures_of(visitors.outcomes(), primary.calls().size() + first.calls().size() + second.calls().size());
  bench.world.loop.run_for(1s);
  played.unrest = bench.unrest();
  std::cout << fmt::format(
      "    seed {}{}: {} calls to the primary ({} 500, {} 503, {} 429, {} silent), {} to the first, {} to the "
      "second\n",
      seed, with_cache ? " with the cache" : "", primary.calls().size(), primary.count(Fate::fails),
      primary.count(Fate::down), primary.count(Fate::rejected), primary.count(Fate::hangs) + primary.count(Fate::stalls),
      first.calls().size(), second.calls().size());
  for (const Outcome& outcome : visitors.outcomes()) {
    if (outcome.answered) continue;
    std::cout << fmt::format("      not answered: who came at {:.3f} s, after {} attempts and {:.3f} s\n",
                             seconds(outcome.began), outcome.attempts, seconds(outcome.took));
  }
  return played;
}

// 99.999 % are answered. In one run of ten minutes one request may be the unlucky one: all that is well has errors of its own, and
// five of them in a row come once in some hundred thousand requests.
bool is_nobody_left_out(const Figures& figures) {
  const std::uint64_t allowed = std::max<std::uint64_t>(1, figures.requests / 100'000);
  return figures.requests - figures.answered <= allowed;
}

}  // namespace

TEST_CASE("the bad ten minutes: everybody is answered") {
  Figures none, sdk, chain, proxied, cached;
  // Of one run alone, with a seed that may be any: in it the last sound target may be tried again just when it is needed.
  constexpr double k_slowest_of_one = 2.0;
  for (const std::uint64_t seed : seeds()) {
    const std::vector<Duration> arrivals = draw_arrivals(k_span, k_most, offered, Rng(seed));
    none.add(play_baseline(Policy::none, providers(), arrivals, Rng(seed + 1)));
    sdk.add(play_baseline(Policy::sdk, providers(), arrivals, Rng(seed + 1)));
    chain.add(play_baseline(Policy::chain, providers(), arrivals, Rng(seed + 1)));
    const Played played = play(seed, false);
    proxied.add(played.figures);
    CHECK(played.unrest == "");
  }
  // Once will do: it is the same but for the load. A slow build has both at once.
  const Played with_cache = play(seeds().back(), true, k_is_slow);
  const Played translated = k_is_slow ? with_cache : play(seeds().front(), false, true);
  CHECK(translated.unrest == "");
  cached.add(with_cache.figures);
  CHECK(with_cache.unrest == "");
  std::cout << "The bad ten minutes\n"
            << table_head() << table_line("no proxy", none) << table_line("SDK with two retries", sdk)
            << table_line("blind chain, 30 s", chain) << table_line("Outrigger", proxied)
            << table_line("Outrigger, two wires", translated.figures) << table_line("Outrigger with the cache", cached)
            << std::flush;
  // That the scenario is the one that is meant. A run alone strays by 0.2 % from its 61.5 %; this is five times that.
  CHECK(none.success() > 0.605);
  CHECK(none.success() < 0.625);
  CHECK(is_nobody_left_out(proxied));
  CHECK(proxied.calls_per_sent() <= 1.06);
  CHECK(proxied.percentile(0.99) <= (seeds().size() > 1 ? 1.5 : k_slowest_of_one));
  CHECK(is_nobody_left_out(translated.figures));
  CHECK(translated.figures.calls_per_sent() <= 1.06);
  CHECK(translated.figures.percentile(0.99) <= k_slowest_of_one);
  CHECK(is_nobody_left_out(cached));
  CHECK(cached.calls_per_sent() <= 1.06);
  CHECK(cached.percentile(0.99) <= k_slowest_of_one);
}

}  // namespace outrigger::sim
