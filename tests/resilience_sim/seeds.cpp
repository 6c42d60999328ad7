#include "resilience_sim/seeds.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

namespace outrigger::sim {
namespace {

std::optional<std::uint64_t> number_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::nullopt : std::optional<std::uint64_t>(std::strtoull(text, nullptr, 0));
}

std::vector<std::uint64_t> draw_seeds() {
  if (const auto wanted = number_from("RESILIENCE_SEED")) return {*wanted};
  std::vector<std::uint64_t> seeds{61};
  const std::uint64_t count = number_from("RESILIENCE_SEEDS").value_or(k_is_slow ? 1 : 2);
  std::random_device device;
  while (seeds.size() < count) seeds.push_back(device());
  // An asan run has time for one: the new one.
  if (count == 1) seeds.front() = device();
  return seeds;
}

}  // namespace

std::vector<std::uint64_t> seeds() {
  static const std::vector<std::uint64_t> drawn = [] {
    std::vector<std::uint64_t> seeds = draw_seeds();
    for (const std::uint64_t seed : seeds) std::printf("RESILIENCE_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    return seeds;
  }();
  return drawn;
}

}  // namespace outrigger::sim
