#include "resilience/quantile.h"

#include <algorithm>
#include <cmath>

namespace outrigger::resilience {
namespace {

// DDSketch: with a growth of (1 + a) / (1 - a), 2 / (1 + growth) of a bucket's upper end is within a of everything in it.
constexpr double k_error = 0.04;
constexpr double k_growth = (1 + k_error) / (1 - k_error);

// A new sample's weight grows without end; here everything is scaled down, long before precision suffers.
constexpr double k_heaviest = 1e12;

constexpr int k_gap_share = 14;

}  // namespace

void DecayingQuantile::configure(Settings settings) {
  settings_ = settings;
  settings_.half_life = std::max<Duration>(settings_.half_life, 1ms);
}

void DecayingQuantile::add(MonoTime now, Duration sample) {
  if (samples_ > 0 && now > last_) {
    const Duration gap = std::min(now - last_, settings_.half_life / k_gap_share);
    weight_ *= std::exp2(seconds(gap) / seconds(settings_.half_life));
  }
  if (weight_ > k_heaviest) {
    for (double& weight : weights_) weight /= weight_;
    total_ /= weight_;
    weight_ = 1;
  }
  last_ = std::max(last_, now);
  ++samples_;
  const double above = seconds(std::clamp<Duration>(sample, k_shortest, k_longest)) / seconds(k_shortest);
  const auto bucket = static_cast<std::size_t>(std::ceil(std::log(above) / std::log(k_growth)));
  weights_[std::min(bucket, k_buckets - 1)] += weight_;
  total_ += weight_;
}

std::optional<Duration> DecayingQuantile::at(double q) const {
  if (samples_ == 0 || samples_ < settings_.min_samples) return {};
  double below = std::clamp(q, 0.0, 1.0) * total_;
  std::size_t bucket = 0;
  std::size_t last = 0;  // with anything in it; sums that don't quite come out even end here
  for (; bucket < k_buckets; ++bucket) {
    if (weights_[bucket] <= 0) continue;
    last = bucket;
    below -= weights_[bucket];
    if (below <= 0) break;
  }
  const double upper = seconds(k_shortest) * std::pow(k_growth, static_cast<double>(last));
  const std::chrono::duration<double> value(last == 0 ? upper : upper * 2 / (1 + k_growth));
  return std::chrono::duration_cast<Duration>(value);
}

}  // namespace outrigger::resilience
