#include "sim/world/link_plan.h"

#include <algorithm>

namespace outrigger::sim {
namespace {

Duration draw_span(Rng& rng, Duration most) {
  return Duration(1 + static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

}  // namespace

LinkShape LinkShape::any(Rng& rng) {
  LinkShape shape;
  // From 50 us to 100 ms, each order of magnitude alike.
  shape.latency = std::chrono::microseconds(50) * (std::int64_t{1} << rng.below(11));
  shape.jitter = rng.chance(0.5) ? Duration{} : shape.latency / 2;
  if (rng.chance(0.25)) shape.bytes_per_second = 20'000 << rng.below(10);
  // From 64 bytes to 64 KiB.
  shape.window = std::size_t{64} << rng.below(11);
  // A narrow window on a long link moves nothing within any time limit.
  if (shape.latency > std::chrono::milliseconds(1)) shape.window = std::max<std::size_t>(shape.window, 4096);
  shape.chunking = true;
  return shape;
}

LinkPlan LinkFaults::draw(Rng& rng) const {
  LinkPlan plan;
  double dice = rng.unit();
  // True for one of the calls at most: each takes its share of the unit interval.
  const auto falls = [&dice](double probability) {
    const bool hit = dice >= 0 && dice < probability;
    dice -= probability;
    return hit;
  };
  if (falls(refuse)) plan.connect = ConnectFate::refused;
  if (falls(blackhole)) plan.connect = ConnectFate::blackhole;
  if (falls(tls_fails)) plan.tls_fails = true;
  if (falls(reset_down)) plan.reset_down_after = rng.below(reset_bytes_max + 1);
  if (falls(reset_up)) plan.reset_up_after = rng.below(reset_bytes_max + 1);
  if (falls(stall)) {
    plan.stall_down_after = rng.below(reset_bytes_max + 1);
    plan.stall_for = draw_span(rng, stall_max);
  }
  if (falls(drip)) plan.drip_every = draw_span(rng, drip_max);
  return plan;
}

}  // namespace outrigger::sim
