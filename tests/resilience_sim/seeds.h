// The seeds of a run: one that never changes and one drawn anew, both printed; RESILIENCE_SEED=n repeats a run with that one alone,
// RESILIENCE_SEEDS=n draws so many.
#pragma once

#include <cstdint>
#include <vector>

#include "slow.h"

namespace outrigger::sim {

[[nodiscard]] std::vector<std::uint64_t> seeds();

}  // namespace outrigger::sim
