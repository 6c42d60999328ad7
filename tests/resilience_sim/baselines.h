// Baselines: how the same requests fare with what people use otherwise. Models only: no net and no HTTP, but the same providers.
#pragma once

#include <functional>
#include <vector>

#include "resilience_sim/figures.h"
#include "resilience_sim/provider_model.h"

namespace outrigger::sim {

enum class Policy : unsigned char {
  none,  // one call, whatever comes of it
  sdk,  // two retries as the OpenAI SDK makes them: 0.5 s * 2^n, at most 8 s, up to a quarter less; Retry-After up to a minute;
        // a stream that has a head is not retried
  chain,  // each provider once, in their order, as soon as the one before has failed
};
// A call that says nothing is given up after so long.
inline constexpr Duration k_baseline_timeout = 30s;

// `arrivals`: in order.
[[nodiscard]] Figures play_baseline(Policy policy, const std::vector<ProviderPlan>& providers,
                                    const std::vector<Duration>& arrivals, Rng rng);

// Arrivals at random over `span`, `per_second(time)` at a time, never more than `most`.
[[nodiscard]] std::vector<Duration> draw_arrivals(Duration span, double most,
                                                  const std::function<double(Duration)>& per_second, Rng rng);

}  // namespace outrigger::sim
