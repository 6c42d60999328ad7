// Dify indexes a document: forty embeddings a second, one text each, at a provider that allows far less. Each is answered in its
// turn, or told at once when to come again; and people who chat do not wait behind them.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <string>

#include "resilience_sim/bench.h"
#include "resilience_sim/figures.h"
#include "resilience_sim/provider.h"
#include "resilience_sim/seeds.h"

namespace outrigger::sim {
namespace {

constexpr Duration k_burst = 10s;
constexpr double k_per_second = 40;
constexpr double k_chats_per_second = 5;
constexpr Duration k_wait = 20s;  // the default of [[model]] queue
// To be refused at once: what it takes to hear so.
constexpr Duration k_at_once = 50ms;
// Who sets out so much later may be the first at the door.
constexpr Duration k_on_the_way = 2ms;

std::string config(std::string_view limit) {
  return fmt::format(R"([[upstream]]
name = "relay"
url = "http://relay:9000/v1"
[[model]]
name = "embed"
{}
[[model]]
name = "*"
)",
                     limit);
}

struct Played {
  std::vector<Outcome> embeddings, chats;
  std::vector<ProviderCall> calls;  // of embeddings
  Outcome again;                    // of the first that was refused, who came when he was told to
};

Played play(std::uint64_t seed, std::string_view limit, const ProviderPlan& embeddings) {
  Bench bench(seed, config(limit));
  Provider relay(bench.world, "relay", {}, {.embeddings = embeddings});
  const MonoTime start = bench.world.loop.now();
  Visitors indexing(bench.world, Bench::door(), bench.world.rng.fork());
  Visitors chatting(bench.world, Bench::door(), bench.world.rng.fork());
  Visitors returning(bench.world, Bench::door(), bench.world.rng.fork());
  indexing.come(
      k_burst, k_per_second, [](Duration) { return k_per_second; },
      [n = 0](Rng&) mutable {
        return Ask{.question = fmt::format("{:04}", ++n), .model = "embed", .stream = false, .embedding = true};
      });
  chatting.come(
      k_burst + k_wait, k_chats_per_second, [](Duration) { return k_chats_per_second; },
      [n = 0](Rng&) mutable { return Ask{.question = fmt::format("c{}", ++n)}; });
  const auto refused = [&] {
    return std::ranges::find_if(indexing.outcomes(), [](const Outcome& outcome) { return !outcome.retry_after.empty(); });
  };
  Played played;
  if (bench.world.loop.run_until([&] { return refused() != indexing.outcomes().end(); }, k_burst)) {
    const auto told = 1s * std::stol(refused()->retry_after);
    bench.world.loop.run_for(start + refused()->began + told - bench.world.loop.now());
    returning.ask({.question = "again", .model = "embed", .stream = false, .embedding = true});
    CHECK(returning.run(2min));
    played.again = returning.outcomes().front();
  }
  CHECK(indexing.run(2min));
  CHECK(chatting.run(2min));
  bench.world.loop.run_for(1s);
  CHECK(bench.unrest() == "");
  played.embeddings = indexing.outcomes();
  played.chats = chatting.outcomes();
  std::ranges::copy_if(relay.calls(), std::back_inserter(played.calls),
                       [](const ProviderCall& call) { return !call.question.starts_with('c'); });
  return played;
}

// Whose call came after that of one who came well after him.
std::string overtaken(const Played& played) {
  std::map<std::string, Duration> began;
  for (const Outcome& outcome : played.embeddings) began[outcome.question] = outcome.began;
  Duration latest{};
  for (const ProviderCall& call : played.calls) {
    if (call.question == "again") continue;
    const Duration came = began.at(call.question);
    if (came + k_on_the_way < latest) return call.question;
    latest = std::max(latest, came);
  }
  return "";
}

void check(std::string_view name, const Played& played) {
  Figures embeddings = figures_of(played.embeddings, played.calls.size());
  Figures chats = figures_of(played.chats, played.chats.size());
  Duration longest{}, slowest_refusal{};
  std::size_t refused = 0;
  std::string first_told, last_told;
  for (const Outcome& outcome : played.embeddings) {
    if (outcome.answered) {
      longest = std::max(longest, outcome.took);
      continue;
    }
    ++refused;
    slowest_refusal = std::max(slowest_refusal, outcome.took);
    if (first_told.empty()) first_told = outcome.retry_after;
    last_told = outcome.retry_after;
    CHECK((outcome.status == 429 || outcome.status == 503));
    CHECK(outcome.retry_after != "");
  }
  std::cout << table_line(name, embeddings) << table_line("  chats meanwhile", chats)
            << fmt::format("      longest wait {:.2f} s; {} refused within {:.1f} ms, told to come again after {} to {} s\n",
                           seconds(longest), refused, 1000 * seconds(slowest_refusal), first_told, last_told);
  INFO(name);
  CHECK(embeddings.answered + refused == embeddings.requests);
  CHECK(longest <= k_wait + 3s);
  CHECK(slowest_refusal <= k_at_once);
  CHECK(std::ranges::none_of(played.calls, [](const ProviderCall& call) { return call.fate == Fate::rejected; }));
  CHECK(overtaken(played) == "");
  if (refused > 0) CHECK(played.again.answered);
  CHECK(chats.answered == chats.requests);
  // As without any embeddings: the provider's own times.
  CHECK(chats.percentile(0.5) <= 0.45);
  CHECK(chats.percentile(0.99) <= 2.0);
}

}  // namespace

TEST_CASE("a burst of embeddings is answered in its order or refused at once, and chats do not wait behind it") {
  std::cout << "A burst of embeddings, 40 a second\n" << table_head();
  for (const std::uint64_t seed : seeds()) {
    ProviderPlan by_rate;
    by_rate.limit = CallLimit{20, 1min};
    check("20 a minute", play(seed, "rate = { requests_per_minute = 20 }", by_rate));
    ProviderPlan at_once;
    at_once.at_once = 5;
    check("5 at once", play(seed, "concurrency = 5", at_once));
  }
}

}  // namespace outrigger::sim
