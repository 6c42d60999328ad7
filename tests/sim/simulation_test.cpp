// Runs of the whole program in virtual time: random seeds (each printed first), then those of seeds/seeds.txt. SIM_SEED=n runs that
// seed only, as the run did that printed it; SIM_MINUTES=n sets how much virtual time is run.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>
#include <string>

#include "sim/scenario.h"
#include "slow.h"

namespace outrigger::sim {
namespace {

constexpr std::uint64_t k_minutes = k_is_slow ? 9 : 60;
constexpr Duration k_rough = k_is_slow ? 3min : 9min;
constexpr Duration k_rough_of_old = k_is_slow ? 20s : 120s;
// Six minutes with little traffic follow what is rough, until all is calm and at rest.

std::optional<std::uint64_t> number_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::nullopt : std::optional(std::strtoull(text, nullptr, 0));
}

ScenarioReport run(std::uint64_t seed, Duration rough) {
  std::cout << fmt::format("SIM_SEED={}\n", seed) << std::flush;
  ScenarioReport report = run_scenario({.seed = seed, .rough = rough});
  std::cout << fmt::format("  {:.0f} s, {} callbacks, digest {:016x}; {}\n", seconds(report.lasted), report.callbacks,
                           report.digest, report.counts)
            << std::flush;
  for (std::size_t i = 0; i < report.complaints.size() && i < 20; ++i) {
    FAIL_CHECK("seed " << seed << ": " << report.complaints[i]);
  }
  if (report.complaints.size() > 20) FAIL_CHECK("and " << report.complaints.size() - 20 << " more");
  return report;
}

}  // namespace

TEST_CASE("an hour and more of traffic and trouble from random seeds breaks no rule") {
  if (const auto wanted = number_from("SIM_SEED")) {
    run(*wanted, k_rough);
    return;
  }
  std::random_device device;
  Duration left = std::chrono::minutes(number_from("SIM_MINUTES").value_or(k_minutes));
  while (left > 0s) left -= run(device(), k_rough).lasted;
}

TEST_CASE("seeds that have failed once do not fail again") {
  if (number_from("SIM_SEED")) SKIP("SIM_SEED says which one to run");
  std::ifstream file(OUTRIGGER_SOURCE_DIR "/tests/sim/seeds/seeds.txt");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) run(std::stoull(line), k_rough_of_old);
  CHECK(count > 0);
}

TEST_CASE("the same seed gives the same digest") {
  const ScenarioPlan plan{.seed = std::random_device()(), .rough = k_is_slow ? 20s : 40s, .calm = 5s};
  CAPTURE(plan.seed);
  const std::uint64_t digest = run_scenario(plan).digest;
  CHECK(run_scenario(plan).digest == digest);
  CHECK(run_scenario({.seed = plan.seed + 1, .rough = plan.rough, .calm = plan.calm}).digest != digest);
}

}  // namespace outrigger::sim
