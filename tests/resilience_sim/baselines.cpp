#include "resilience_sim/baselines.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>

namespace outrigger::sim {
namespace {

constexpr int k_sdk_retries = 2;
constexpr double k_sdk_first_s = 0.5;
constexpr double k_sdk_most_s = 8;
constexpr double k_sdk_jitter = 0.25;
constexpr Duration k_sdk_obeys_up_to = 60s;

struct Call {
  Duration at{};
  std::size_t request = 0;
  int number = 0;
  bool operator>(const Call& other) const { return std::tie(at, request) > std::tie(other.at, other.request); }
};

// After what time the client knows how its call went.
Duration known_after(const Verdict& verdict) { return is_hanging(verdict.fate) ? k_baseline_timeout : verdict.after; }

Duration sdk_pause(int number, Fate fate, const ProviderPlan& provider, Rng& rng) {
  if (fate == Fate::rejected && provider.retry_after <= k_sdk_obeys_up_to) return provider.retry_after;
  const double pause = std::min(k_sdk_first_s * std::exp2(number), k_sdk_most_s) * (1 - k_sdk_jitter * rng.unit());
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(pause));
}

}  // namespace

Figures play_baseline(Policy policy, const std::vector<ProviderPlan>& providers, const std::vector<Duration>& arrivals,
                      Rng rng) {
  std::vector<ProviderModel> models;
  for (const ProviderPlan& plan : providers) models.emplace_back(plan);
  std::priority_queue<Call, std::vector<Call>, std::greater<>> calls;
  for (std::size_t i = 0; i < arrivals.size(); ++i) calls.push({arrivals[i], i, 0});
  Figures figures;
  figures.requests = figures.sent_on = arrivals.size();
  while (!calls.empty()) {
    const Call call = calls.top();
    calls.pop();
    ++figures.calls;
    const std::size_t asked = policy == Policy::chain ? static_cast<std::size_t>(call.number) : 0;
    const Verdict verdict = models[asked].on_call(call.at, rng);
    const Duration known = call.at + known_after(verdict);
    if (verdict.fate == Fate::answers) {
      ++figures.answered;
      figures.first_tokens.push_back(seconds(known - arrivals[call.request]));
    } else if (policy == Policy::sdk && call.number < k_sdk_retries && verdict.fate != Fate::stalls) {
      const Duration pause = sdk_pause(call.number, verdict.fate, providers.front(), rng);
      calls.push({known + pause, call.request, call.number + 1});
    } else if (policy == Policy::chain && asked + 1 < models.size()) {
      calls.push({known, call.request, call.number + 1});
    } else {
      ++figures.why["an error"];
    }
  }
  return figures;
}

std::vector<Duration> draw_arrivals(Duration span, double most, const std::function<double(Duration)>& per_second, Rng rng) {
  std::vector<Duration> arrivals;
  for (Duration at = exponential(rng, most); at < span; at += exponential(rng, most)) {
    if (rng.chance(per_second(at) / most)) arrivals.push_back(at);
  }
  return arrivals;
}

}  // namespace outrigger::sim
