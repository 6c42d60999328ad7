// Ten times as many clients as Dify has connections, for a minute: what they get without the door and with it.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <numeric>

#include "dify_sim/dify.h"
#include "dify_sim/laws.h"
#include "resilience_sim/bench.h"
#include "resilience_sim/seeds.h"

namespace outrigger::dify_sim {
namespace {

constexpr Duration k_minute = 60s;
constexpr std::uint64_t k_connections = 10;
constexpr Duration k_usual_wait = 30s;  // the default of [dify] queue
// A run takes about a second here.
constexpr Duration k_run_max = 3s;
const io::Address k_door{"outrigger", 8081, false};

// Four apps, one of them greedy.
struct App {
  Kind kind;
  std::size_t clients;
};
constexpr std::array k_apps{App{Kind::chat, 70}, App{Kind::chatflow, 10}, App{Kind::completion, 10},
                            App{Kind::workflow, 10}};

struct Played {
  std::size_t requests = 0, served = 0, told = 0, failed = 0;  // told: refused with the time to come again
  std::array<std::size_t, k_apps.size()> by_app{};             // served while everybody was there
  std::vector<Duration> first, console;
  Duration longest{};
  std::size_t console_failed = 0;
  std::uint64_t runs = 0;
  Complaints complaints;
};

Duration percentile(std::vector<Duration> values, double share) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

// Each client asks, takes the answer and asks again; who is refused comes back when told to, or after a second.
class Load {
 public:
  Load(sim::SimWorld& world, Callers& callers, MonoTime end, Rng rng)
      : world_(world), callers_(callers), rng_(rng), end_(end) {
    for (const App& app : k_apps) {
      for (std::size_t i = 0; i < app.clients; ++i)
        later(1ms * static_cast<std::int64_t>(rng_.below(500)), [this, app, i] { ask(app.kind, i); });
    }
    look_at_console();
  }

 private:
  void ask(Kind kind, std::size_t client) {
    if (world_.loop.now() >= end_) return;
    const std::string user = fmt::format("{}-{}", name(kind), client);
    const bool stream = client % 2 == 0;  // as many of each kind in every app
    Ask run = kind == Kind::chat || kind == Kind::chatflow ? turn(++mark_, kind, user, stream)
                                                           : inputs(++mark_, kind, user, stream);
    callers_.call(std::move(run), [this, kind, client](const Outcome& outcome) {
      const std::string_view told = outcome.answer.header("retry-after");
      const bool is_served = outcome.answer.status() == 200;
      const Duration pause = is_served ? 50ms : 1s * std::max(1, std::atoi(std::string(told).c_str()));
      later(pause, [this, kind, client] { ask(kind, client); });
    });
  }
  void look_at_console() {
    if (world_.loop.now() >= end_) return;
    callers_.call(console(++mark_, false));
    later(100ms, [this] { look_at_console(); });
  }
  void later(Duration wait, io::Callback what) { timers_.push_back(world_.loop.after(wait, std::move(what))); }

  sim::SimWorld& world_;
  Callers& callers_;
  Rng rng_;
  MonoTime end_;
  std::uint64_t mark_ = 0;
  std::vector<io::Timer> timers_;
};

// `queue`: what [dify] says of it; nothing: no door.
Played play(std::uint64_t seed, const std::optional<std::string>& queue, sim_dify::Over over,
            Duration patience = k_usual_wait) {
  sim::Bench bench(seed, fmt::format("dify = \"{}\"\n[[upstream]]\nname = \"a\"\nurl = \"http://dify-a:5001\"\ndialect = "
                                     "\"dify\"\n[dify]\n{}\n",
                                     io::to_string(k_door), queue.value_or("")));
  sim_dify::Settings settings;
  settings.apps = every_app();
  settings.connections = k_connections;
  settings.over = over;
  settings.think = 500ms;
  settings.between_tokens = 15ms;
  settings.remember = 0;
  Book book;
  Dify dify(bench.world, book, "dify-a", settings);
  Callers callers(bench.world, queue ? k_door : dify.address());
  const MonoTime end = bench.world.loop.now() + k_minute;
  Load load(bench.world, callers, end, Rng(seed));
  bench.world.loop.run_for(k_minute);
  bench.world.loop.run_until([&] { return callers.busy() == 0; }, 2min);

  Played played;
  played.runs = dify.runs();
  for (const Outcome& outcome : callers.outcomes()) {
    const Duration took = outcome.ended - outcome.began;
    const bool is_good = outcome.end == Outcome::End::whole && outcome.answer.status() == 200;
    if (outcome.ask.kind == Kind::console) {
      played.console.push_back(took);
      played.console_failed += is_good ? 0 : 1;
      continue;
    }
    ++played.requests;
    played.longest = std::max(played.longest, took);
    if (is_good) {
      ++played.served;
      const auto app = std::ranges::find(k_apps, outcome.ask.kind, &App::kind);
      if (outcome.ended < end) ++played.by_app[static_cast<std::size_t>(app - k_apps.begin())];
      if (outcome.ask.stream) played.first.push_back(outcome.first_event - outcome.began);
    } else if (outcome.answer.status() == 429 && !outcome.answer.header("retry-after").empty()) {
      ++played.told;
    } else {
      ++played.failed;
    }
  }
  if (queue) {
    check_answers(callers.outcomes(), book, {.patience = patience}, played.complaints);
    if (const std::string unrest = bench.unrest(); !unrest.empty()) played.complaints.push_back("at rest: " + unrest);
  }
  check_runs(book, played.runs, played.complaints);
  return played;
}

std::string line(std::string_view name, const Played& played) {
  const auto share = [&](std::size_t part, std::size_t of) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(of);
  };
  const std::size_t of_apps = std::accumulate(played.by_app.begin(), played.by_app.end(), std::size_t{0});
  std::string apps;
  for (const std::size_t served : played.by_app)
    apps += fmt::format(" {:.0f}", share(served, std::max<std::size_t>(of_apps, 1)));
  return fmt::format("  {:<34}{:>9}{:>9.1f}{:>9.1f}{:>9.1f}{:>7}{:>8.2f}{:>8.2f}{:>11.0f}{:>11.0f} {}\n", name,
                     played.requests, share(played.served, played.requests), share(played.told, played.requests),
                     share(played.failed, played.requests), played.runs, seconds(percentile(played.first, 0.5)),
                     seconds(percentile(played.first, 0.99)), 1000 * seconds(percentile(played.console, 0.5)),
                     1000 * seconds(percentile(played.console, 0.99)), apps);
}

}  // namespace

TEST_CASE("ten times the connection limit for a minute: everybody is served or told when to come again, apps fairly, once") {
  std::cout << "100 clients of four apps (70, 10, 10, 10) at a Dify with 10 connections, and a console call every 100 ms\n"
            << fmt::format("  {:<34}{:>9}{:>9}{:>9}{:>9}{:>7}{:>8}{:>8}{:>11}{:>11}  {}\n", "", "requests", "served %",
                           "told %", "failed %", "runs", "P50 s", "P99 s", "cons. P50", "P99 ms", "served by app %");
  for (const std::uint64_t seed : sim::seeds()) {
    INFO("RESILIENCE_SEED=" << seed);
    const Played refused = play(seed, std::nullopt, sim_dify::Over::refuse);
    const Played waited = play(seed, std::nullopt, sim_dify::Over::wait);
    std::cout << line("without, Dify refuses", refused) << line("without, Dify lets them wait", waited);
    CHECK(refused.failed > refused.requests / 2);
    CHECK(percentile(waited.console, 0.5) > 1s);
    struct Case {
      std::string_view name, queue;
      Duration patience;
      double unfairness;  // who is sent away is not there when it would be his turn
    };
    for (const Case& c : {Case{"with the door", "", k_usual_wait, 1.15},
                          Case{"with the door, a short queue", "queue = { depth = 20, wait = \"3s\" }", 3s, 1.5}}) {
      const Played played = play(seed, std::string(c.queue), sim_dify::Over::refuse, c.patience);
      std::cout << line(c.name, played);
      INFO(c.name);
      for (const std::string& complaint : played.complaints) FAIL_CHECK(complaint);
      CHECK(played.failed == 0);
      CHECK(played.console_failed == 0);
      CHECK(played.served + played.told == played.requests);
      CHECK(played.runs == played.served);
      CHECK(played.longest <= c.patience + k_run_max);
      CHECK(percentile(played.console, 1) < 100ms);
      // Eight places for a minute, and a run takes about a second.
      CHECK(played.served >= 380);
      const auto [least, most] = std::ranges::minmax(played.by_app);
      CHECK(static_cast<double>(most) <= c.unfairness * static_cast<double>(least));
    }
  }
}

}  // namespace outrigger::dify_sim
