// DecayingQuantile: how long the first token of a target usually takes, as a percentile that is learned. A histogram with buckets
// that grow by a constant factor, so that every answer is off by at most 4 % (DDSketch, VLDB 2019), whose samples lose half their
// weight with every half-life ("forward decay", Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009: new samples weigh more and more,
// instead of old ones being swept over). Some 170 numbers a target, whatever comes.
//
// Silence does not age what is known: a target that is asked once in a minute would otherwise never be known. The time between two
// samples counts for a fourteenth of the half-life at most, which leaves twenty samples' worth of memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/time.h"

namespace outrigger::resilience {

class DecayingQuantile {
 public:
  struct Settings {
    Duration half_life = 60s;        // less than a millisecond counts as one
    std::uint32_t min_samples = 20;  // fewer are no basis for anything
  };
  static constexpr Duration k_shortest = 1ms;   // what is less is taken for this
  static constexpr Duration k_longest = 1000s;  // and what is more, for this

  explicit DecayingQuantile(Settings settings) { configure(settings); }
  // Keeps what was learned.
  void configure(Settings settings);

  void add(MonoTime now, Duration sample);
  // q in [0, 1]: 0.95 is the time that 95 % of the samples did not exceed. Nothing below min_samples.
  [[nodiscard]] std::optional<Duration> at(double q) const;
  [[nodiscard]] std::uint64_t samples() const { return samples_; }

 private:
  // Bucket i holds (k_shortest * growth^(i-1), k_shortest * growth^i]; see quantile.cpp.
  static constexpr std::size_t k_buckets = 175;

  Settings settings_;
  std::array<double, k_buckets> weights_{};
  double total_ = 0;
  double weight_ = 1;  // of a sample that comes now
  MonoTime last_{};
  std::uint64_t samples_ = 0;
};

}  // namespace outrigger::resilience
