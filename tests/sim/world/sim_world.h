// SimWorld: a whole simulated world from one seed. Declare it first in a test, so that it dies last.
#pragma once

#include <cstdint>

#include "io/world.h"
#include "sim/world/sim_loop.h"
#include "sim/world/sim_net.h"

namespace outrigger::sim {

struct SimWorld {
  explicit SimWorld(std::uint64_t seed = 1) : rng(seed), loop(rng.next()), net(loop, rng.next()) {}

  Rng rng;
  SimLoop loop;
  SimNet net;

  [[nodiscard]] io::World world() { return {loop, net, rng}; }
  // Of everything that has happened so far.
  [[nodiscard]] std::uint64_t digest() { return loop.digest().value(); }
};

}  // namespace outrigger::sim
