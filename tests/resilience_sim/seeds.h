// The seeds of a run: one that never changes and one drawn anew, both printed; RESILIENCE_SEED=n repeats a run with that one alone,
// RESILIENCE_SEEDS=n draws so many.
#pragma once

#include <cstdint>
#include <vector>

namespace outrigger::sim {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool k_is_slow = true;  // some ten times: whoever plays long plays less
#else
inline constexpr bool k_is_slow = false;
#endif

[[nodiscard]] std::vector<std::uint64_t> seeds();

}  // namespace outrigger::sim
