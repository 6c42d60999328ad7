#include "resilience/quantile.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "core/rng.h"

namespace outrigger::resilience {
namespace {

constexpr MonoTime k_start{1h};

DecayingQuantile learned(Duration sample, int times, Duration apart = 0s) {
  DecayingQuantile quantile({});
  for (int i = 0; i < times; ++i) quantile.add(k_start + i * apart, sample);
  return quantile;
}

double error(Duration actual, Duration expected) { return std::abs(seconds(actual) / seconds(expected) - 1); }

TEST_CASE("quantile: nothing below twenty samples, however long they take to come") {
  for (const Duration apart : {Duration(0s), Duration(1s), Duration(1h)}) {
    CHECK_FALSE(learned(1s, 0, apart).at(0.5));
    CHECK_FALSE(learned(1s, 19, apart).at(0.5));
    CHECK(learned(1s, 20, apart).at(0.5));
  }
}

TEST_CASE("quantile: any time between a millisecond and a thousand seconds is known to five per cent") {
  for (double s = 0.001; s <= 1000; s *= 1.003) {
    const auto sample = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
    INFO(s << " s");
    CHECK(error(*learned(sample, 20).at(0.95), sample) <= 0.05);
  }
}

TEST_CASE("quantile: times beyond the ends are taken for the ends") {
  for (const Duration sample : {Duration(0s), Duration(-1h), Duration(1us)}) {
    CHECK(*learned(sample, 20).at(0.5) == DecayingQuantile::k_shortest);
  }
  for (const Duration sample : {Duration(1h), Duration::max()}) {
    CHECK(error(*learned(sample, 20).at(0.5), DecayingQuantile::k_longest) <= 0.05);
  }
}

TEST_CASE("quantile: agrees with the sorted samples") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Rng rng(seed);
    DecayingQuantile quantile({});
    std::vector<Duration> samples;
    for (int i = 0; i < 5000; ++i) {
      const double normal = std::sqrt(-2 * std::log(1 - rng.unit())) * std::cos(6.283185307179586 * rng.unit());
      samples.push_back(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(0.35 * std::exp(0.5 * normal))));
      quantile.add(k_start, samples.back());
    }
    std::sort(samples.begin(), samples.end());
    for (const double q : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::max(std::ceil(q * 5000), 1.0));
      INFO("seed " << seed << ", q " << q);
      CHECK(error(*quantile.at(q), samples[rank - 1]) <= 0.05);
    }
  }
}

TEST_CASE("quantile: the edge between two groups lies where their weights say") {
  DecayingQuantile quantile({});
  for (int i = 0; i < 90; ++i) quantile.add(k_start, 100ms);
  for (int i = 0; i < 10; ++i) quantile.add(k_start, 10s);
  CHECK(*quantile.at(0.899) < 200ms);
  CHECK(*quantile.at(0.901) > 9s);
  CHECK(*quantile.at(-1) < 200ms);
  CHECK(*quantile.at(2) > 9s);
}

TEST_CASE("quantile: a half-life later a sample weighs half") {
  struct Case {
    int old_samples;
    bool old_prevail;  // over a hundred new ones, half a minute each way around the sixty seconds
  };
  for (const Case c : {Case{190, false}, {230, true}}) {
    DecayingQuantile quantile({});
    for (int i = 0; i < c.old_samples; ++i) quantile.add(k_start, 100ms);
    // One in the middle of every second, so that time counts; half a sample in the end.
    for (int i = 1; i < 60; ++i) quantile.add(k_start + i * 1s, i % 2 == 0 ? 1ms : 100s);
    for (int i = 0; i < 100; ++i) quantile.add(k_start + 60s, 10s);
    INFO(c.old_samples << " old samples");
    CHECK((*quantile.at(0.5) < 200ms) == c.old_prevail);
  }
}

TEST_CASE("quantile: what has changed is learned within minutes") {
  DecayingQuantile quantile({});
  MonoTime now = k_start;
  for (; now < k_start + 10min; now += 100ms) quantile.add(now, 300ms);
  CHECK(error(*quantile.at(0.95), 300ms) <= 0.05);
  for (const MonoTime end = now + 5s; now < end; now += 100ms) quantile.add(now, 3s);
  CHECK(error(*quantile.at(0.5), 300ms) <= 0.05);
  CHECK(error(*quantile.at(0.95), 3s) <= 0.05);
  for (const MonoTime end = now + 2min; now < end; now += 100ms) quantile.add(now, 3s);
  CHECK(error(*quantile.at(0.5), 3s) <= 0.05);
}

TEST_CASE("quantile: silence forgets nothing, and the first samples after it don't rule") {
  for (const Duration apart : {Duration(1s), Duration(1h)}) {
    INFO("samples " << seconds(apart) << " s apart");
    DecayingQuantile quantile = learned(300ms, 20, apart);
    MonoTime now = k_start + 20 * apart + 24h;
    for (int i = 0; i < 5; ++i, now += apart) quantile.add(now, 30s);
    CHECK(error(*quantile.at(0.5), 300ms) <= 0.05);
    for (int i = 0; i < 40; ++i, now += apart) quantile.add(now, 30s);
    CHECK(error(*quantile.at(0.5), 30s) <= 0.05);
  }
}

TEST_CASE("quantile: weeks of samples wear nothing out") {
  DecayingQuantile quantile({});
  MonoTime now = k_start;
  for (int i = 0; i < 600'000; ++i, now += 3s) quantile.add(now, i % 10 == 0 ? 2s : 300ms);
  CHECK(error(*quantile.at(0.5), 300ms) <= 0.05);
  CHECK(error(*quantile.at(0.99), 2s) <= 0.05);
}

TEST_CASE("quantile: time that goes backwards counts as none") {
  DecayingQuantile quantile = learned(300ms, 20);
  quantile.add(k_start - 1h, 30s);
  quantile.add(k_start, 30s);
  CHECK(error(*quantile.at(0.5), 300ms) <= 0.05);
}

TEST_CASE("quantile: new settings keep what was learned") {
  DecayingQuantile quantile = learned(1s, 30);
  quantile.configure({.half_life = 0s, .min_samples = 31});
  CHECK_FALSE(quantile.at(0.5));
  quantile.add(k_start + 1s, 1s);
  CHECK(error(*quantile.at(0.5), 1s) <= 0.05);
  CHECK(quantile.samples() == 31);
}

}  // namespace
}  // namespace outrigger::resilience
