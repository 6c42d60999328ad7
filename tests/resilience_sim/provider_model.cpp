#include "resilience_sim/provider_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace outrigger::sim {
namespace {

// Who refuses does it quickly.
constexpr Duration k_refusal_min = 5ms;
constexpr Duration k_refusal_spread = 15ms;

bool within(const std::vector<Span>& spans, Duration at) {
  return std::ranges::any_of(spans, [&](const Span& span) { return span.from <= at && at < span.to; });
}

Duration as_duration(double seconds) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)); }

// Box and Muller. 1 - unit() is never zero.
double normal(Rng& rng) { return std::sqrt(-2 * std::log(1 - rng.unit())) * std::cos(2 * std::numbers::pi * rng.unit()); }

Duration refusal_time(Rng& rng) { return k_refusal_min + as_duration(seconds(k_refusal_spread) * rng.unit()); }

}  // namespace

Verdict ProviderModel::on_call(Duration at, Rng& rng, std::size_t under_way) {
  // Everything is drawn whatever comes of it, so that runs with the same calls differ only in what was planned to.
  const Duration refusal = refusal_time(rng);
  const double luck = rng.unit();
  const double kind = rng.unit();
  const Duration token = as_duration(seconds(plan_.first_token) * std::exp(plan_.spread * normal(rng)));
  if (is_down(at)) return {Fate::down, refusal};
  if (plan_.at_once && under_way >= *plan_.at_once) return {Fate::rejected, refusal};
  if (plan_.limit && (plan_.tight.empty() || within(plan_.tight, at))) {
    const bool has_room = remaining(at) > 0;
    lately_.push_back(at);
    if (!has_room) return {Fate::rejected, refusal};
  }
  double at_least = 0;
  const auto falls_to = [&](double share) {
    const double from = at_least;
    at_least += share;
    return luck >= from && luck < at_least;
  };
  if (falls_to(within(plan_.brown_outs, at) ? plan_.hanging : 0)) return {kind < 0.5 ? Fate::hangs : Fate::stalls, token};
  // Of those that do not hang, the same share fails as at other times.
  if (falls_to(plan_.errors * (1 - at_least))) return {Fate::fails, refusal};
  if (falls_to(plan_.mishaps.cut_early)) return {Fate::cut_early, token};
  if (falls_to(plan_.mishaps.cut_late)) return {Fate::cut_late, token};
  if (falls_to(plan_.mishaps.error_event)) return {Fate::error_event, token};
  return {Fate::answers, token};
}

bool ProviderModel::is_down(Duration at) const { return within(plan_.outages, at); }

std::uint64_t ProviderModel::remaining(Duration at) {
  forget(at);
  return plan_.limit->calls - std::min<std::uint64_t>(plan_.limit->calls, lately_.size());
}

Duration ProviderModel::reset(Duration at) {
  forget(at);
  return lately_.empty() ? Duration{} : lately_.front() + plan_.limit->window - at;
}

void ProviderModel::forget(Duration at) {
  while (!lately_.empty() && lately_.front() <= at - plan_.limit->window) lately_.pop_front();
}

Duration exponential(Rng& rng, double per_second) { return as_duration(-std::log(1 - rng.unit()) / per_second); }

}  // namespace outrigger::sim
