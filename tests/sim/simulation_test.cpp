// Runs of the whole program in virtual time. By default the seeds below, which gate a change; SIM_SEED=n runs that seed only,
// SIM_SEED=random draws new ones (printed first); SIM_MINUTES=n sets how much virtual time is run.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string_view>

#include "sim/scenario.h"

namespace outrigger::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t k_minutes = 15;
#else
constexpr std::uint64_t k_minutes = 63;
#endif
constexpr std::uint64_t k_minutes_each = 9;  // of trouble; calm follows, three minutes and more
constexpr std::array<std::uint64_t, 6> k_seeds{1, 2, 3, 5, 7, 9};

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

TEST_CASE("hours of traffic and trouble break no rule") {
  const std::uint64_t minutes = number_from("SIM_MINUTES").value_or(k_minutes);
  const char* wish = std::getenv("SIM_SEED");
  const bool draws = wish != nullptr && std::string_view(wish) == "random";
  const std::optional<std::uint64_t> wanted = draws ? std::nullopt : number_from("SIM_SEED");
  std::random_device device;
  std::size_t next = 0;
  Duration left = std::chrono::minutes(minutes);
  do {
    const std::uint64_t seed = wanted ? *wanted : draws ? device() : k_seeds[next++];
    left -= run(seed, std::chrono::minutes(k_minutes_each)).lasted;
  } while (left > 0s && !wanted && (draws || next < k_seeds.size()));
}

TEST_CASE("the same seed gives the same digest") {
  const ScenarioPlan plan{.seed = 20260101, .rough = 40s, .calm = 5s};
  CHECK(run_scenario(plan).digest == run_scenario(plan).digest);
}

}  // namespace outrigger::sim
