// Scenario: a whole run from one seed. Phase one: traffic and trouble. Phase two: the trouble ends, and everything must get well.
// Then everybody leaves, and nothing may be left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/time.h"

namespace outrigger::sim {

struct ScenarioPlan {
  std::uint64_t seed = 1;
  Duration rough = 8min;  // of phase one
  Duration calm = 30s;    // of phase two
};

struct ScenarioReport {
  std::vector<std::string> complaints;  // empty: all is well
  std::uint64_t digest = 0;
  Duration lasted{};  // virtual
  std::uint64_t callbacks = 0;
  std::string counts;  // what happened, for people: a run in which nothing happens proves nothing
};

ScenarioReport run_scenario(const ScenarioPlan& plan);

}  // namespace outrigger::sim
