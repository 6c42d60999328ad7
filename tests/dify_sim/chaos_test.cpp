// Random faults at one or two Difys and on the wires to them, random settings, all kinds of clients: the laws (laws.h) hold, everything
// comes to rest, and the same seed does the same again.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "dify_sim/crowd.h"
#include "dify_sim/laws.h"
#include "dify_sim/trouble.h"
#include "resilience_sim/bench.h"
#include "resilience_sim/seeds.h"

namespace outrigger::dify_sim {
namespace {

constexpr std::uint64_t k_runs = k_is_slow ? 2 : 4;
constexpr Duration k_rough = 130s;
constexpr Duration k_calm = 15s;
// The longest that the rough times may echo: clients that never read, breakers, Difys that stall.
constexpr Duration k_settle = 210s;
const io::Address k_door{"outrigger", 8081, false};

struct Settings {
  std::string toml;
  Rules rules;
  bool two = false;  // Difys
};

Settings any_settings(Rng& rng) {
  Settings settings;
  settings.two = rng.chance(0.6);
  settings.rules.patience = 1s * static_cast<std::int64_t>(4 + rng.below(12));
  settings.rules.stop_on_leave = rng.chance(0.5);
  settings.rules.links_break = rng.chance(0.6);
  std::string& toml = settings.toml;
  // It goes on with the [listen] that the bench has begun.
  toml = fmt::format("dify = \"{}\"\n", io::to_string(k_door));
  for (const char which : {'a', 'b'}) {
    if (which == 'b' && !settings.two) continue;
    toml += fmt::format("[[upstream]]\nname = \"{0}\"\nurl = \"http://dify-{0}:5001\"\ndialect = \"dify\"\n", which);
  }
  toml += fmt::format(
      "[dify]\nconcurrency = {}\nqueue = {{ depth = {}, wait = \"{}s\" }}\nbreaker = {{ failures = {}, max_open = \"{}s\" "
      "}}\n"
      "stop_on_leave = {}\n",
      4 + rng.below(8), 10 + rng.below(100), settings.rules.patience / 1s, 2 + rng.below(4), 1 + rng.below(8),
      settings.rules.stop_on_leave);
  if (rng.chance(0.3)) toml += fmt::format("per_user = {}\n", 2 + rng.below(4));
  if (rng.chance(0.4)) toml += fmt::format("first_event = \"{}s\"\n", 2 + rng.below(15));
  if (settings.two && rng.chance(0.5)) {
    toml += "target = [{ to = \"a\", weight = 60 }, { to = \"b\", weight = 40 }]\n";
  }
  if (settings.two && rng.chance(0.6)) toml += "fallback = [\"b\"]\n";
  if (rng.chance(0.6)) {
    toml += fmt::format("[[app]]\nname = \"faq\"\nkey = \"app-chat\"\nconcurrency = {}\n", 2 + rng.below(5));
    // Every question is another one: each is a miss, and its answer Dify's own, byte for byte.
    if (rng.chance(0.5)) toml += "cache = { stateless = true, live_conversations = true }\n";
  }
  return settings;
}

sim_dify::Settings any_dify(Rng& rng) {
  sim_dify::Settings settings;
  settings.apps = every_app();
  for (sim_dify::App& app : settings.apps) {
    app.rare = rng.chance(0.3);
    if (rng.chance(0.1)) {
      app.tokens = 2000;  // more than the door and the kernel hold for who does not read
      app.between_tokens = 1ms;
    } else if (rng.chance(0.2)) {
      app.max_active = 3 + rng.below(3);
    }
  }
  if (rng.chance(0.6)) settings.connections = 10 + rng.below(10);
  settings.over = rng.chance(0.5) ? sim_dify::Over::wait : sim_dify::Over::refuse;
  settings.think = 10ms + 1ms * static_cast<std::int64_t>(rng.below(400));
  settings.between_tokens = 1us * static_cast<std::int64_t>(rng.below(8000));
  settings.tokens = 20 + rng.below(30);
  settings.ping = 1s;
  settings.remember = 0;
  return settings;
}

struct Played {
  Complaints complaints;
  std::uint64_t digest = 0;
  Duration lasted{};
  std::string counts;
};

std::string counts_of(const std::deque<Outcome>& outcomes, const Book& book, std::uint64_t runs) {
  std::map<std::string, std::size_t> counts;
  for (const Outcome& outcome : outcomes) {
    static constexpr std::string_view k_ends[] = {"none", "whole", "broken", "left", "impatient", "not connected"};
    std::string what(k_ends[static_cast<std::size_t>(outcome.end)]);
    if (outcome.end == Outcome::End::whole) {
      what = fmt::format("{}{}", outcome.answer.status(), outcome.is_own() ? " of the door" : "");
    }
    ++counts[what];
  }
  std::set<std::string> runs_asked;
  for (const Outcome& outcome : outcomes) {
    if (outcome.ask.is_run) runs_asked.insert(std::to_string(outcome.ask.mark));
  }
  // The door's, under the mark of the run.
  const auto stops =
      std::ranges::count_if(book.seen, [&](const Seen& seen) { return seen.is_stop() && runs_asked.contains(seen.mark); });
  const auto too_many = std::ranges::count_if(book.seen, &Seen::is_too_many);
  std::string text = fmt::format(
      "{} requests, {} reached a Dify, {} runs, {} times too_many_requests, {} "
      "stopped by the door:",
      outcomes.size(), book.seen.size(), runs, too_many, stops);
  for (const auto& [what, count] : counts) text += fmt::format(" {} {},", count, what);
  text.pop_back();
  return text;
}

Played play(std::uint64_t seed, Duration rough, Duration calm) {
  Played played;
  Rng rng(seed);
  const Settings settings = any_settings(rng);
  INFO(settings.toml);
  Book book;
  sim::Bench bench(seed, settings.toml);
  sim::SimWorld& world = bench.world;
  world.net.default_shape.latency = 100us * static_cast<std::int64_t>(1 + rng.below(10));
  world.net.default_shape.chunking = rng.chance(0.8);
  std::vector<std::unique_ptr<Dify>> difys;
  std::vector<std::unique_ptr<Trouble>> troubles;
  for (const std::string name : {"dify-a", "dify-b"}) {
    if (name == "dify-b" && !settings.two) continue;
    difys.push_back(std::make_unique<Dify>(world, book, name, any_dify(rng)));
    troubles.push_back(std::make_unique<Trouble>(world, *difys.back(), settings.rules.links_break, rng.fork()));
  }
  const std::size_t streams_at_rest = world.net.open_streams();
  const std::size_t timers_at_rest = world.loop.timers();
  Callers callers(world, k_door);
  Crowd crowd(world, callers, rng.fork());

  crowd.start(7, false);
  for (const auto& trouble : troubles) trouble->start(8s);
  world.loop.run_for(rough / 2);
  if (const std::string why = bench.instance().reload(); !why.empty()) played.complaints.push_back("not reloaded: " + why);
  world.loop.run_for(rough / 2);
  crowd.stop();
  for (const auto& trouble : troubles) trouble->calm();
  world.loop.run_for(k_settle);
  crowd.start(2, true);
  world.loop.run_for(calm);
  crowd.stop();
  if (!world.loop.run_until([&] { return callers.busy() == 0; }, Callers::k_patience)) {
    played.complaints.push_back(fmt::format("{} clients wait for ever", callers.busy()));
  }

  // Idle connections, and what the Difys still run, have an end, too.
  world.loop.run_for(30s);
  if (const std::string unrest = bench.unrest(); !unrest.empty()) played.complaints.push_back("at rest: " + unrest);
  if (bench.instance().connections() != 0) played.complaints.emplace_back("at rest the door has connections");
  if (world.net.open_streams() != streams_at_rest) {
    played.complaints.push_back(fmt::format("at rest {} ends of connections are open", world.net.open_streams()));
  }
  if (world.loop.timers() > timers_at_rest) {
    played.complaints.push_back(
        fmt::format("at rest {} timers are set, {} at the start", world.loop.timers(), timers_at_rest));
  }
  std::uint64_t runs = 0;
  for (const auto& dify : difys) runs += dify->runs();
  check_answers(callers.outcomes(), book, settings.rules, played.complaints);
  check_runs(book, runs, played.complaints);
  check_stops(callers.outcomes(), book, settings.rules, played.complaints);
  check_calm(callers.outcomes(), played.complaints);
  played.digest = world.digest();
  played.lasted = rough + k_settle + calm;
  played.counts = counts_of(callers.outcomes(), book, runs);
  return played;
}

}  // namespace

TEST_CASE("chaos at Dify: one end for each request, every byte right, no run twice, nothing left over") {
  const std::uint64_t seed = sim::seeds().back();
  for (std::uint64_t i = 0; i < k_runs; ++i) {
    std::cout << fmt::format("RESILIENCE_SEED={}\n", seed + i) << std::flush;
    const Played played = play(seed + i, k_rough, k_calm);
    std::cout << fmt::format("  {:.0f} s; {}\n", seconds(played.lasted), played.counts) << std::flush;
    for (std::size_t c = 0; c < played.complaints.size() && c < 10; ++c) {
      FAIL_CHECK("RESILIENCE_SEED=" << seed + i << ": " << played.complaints[c]);
    }
    CHECK(played.complaints.empty());
  }
}

TEST_CASE("chaos at Dify: the same seed does the same again") {
  const std::uint64_t seed = sim::seeds().back();
  const std::uint64_t digest = play(seed, 20s, 3s).digest;
  CHECK(play(seed, 20s, 3s).digest == digest);
  CHECK(play(seed + 1, 20s, 3s).digest != digest);
}

}  // namespace outrigger::dify_sim
