// How long to wait before a retry: "full jitter" of Brooker, Exponential Backoff And Jitter (AWS, 2015). Anything between nothing
// and the exponential time, so that clients that failed together don't return together; in that comparison it needs the fewest
// calls of all.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "core/time.h"

namespace outrigger::resilience {

// Uniform in [0, min(cap, base * 2^attempt)], attempt 0 being the wait before the first retry. Negative times count as none.
Duration full_jitter(std::uint32_t attempt, Duration base, Duration cap, Rng& rng);

}  // namespace outrigger::resilience
