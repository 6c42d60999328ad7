// How the simulated Dify sends an answer: the waits, the framing of its streams, the keep-alives, and what faults do. Pure.
#pragma once

#include <vector>

#include "sim/dify/form.h"
#include "sim/script.h"

namespace outrigger::sim_dify {

struct Pace {
  Duration think{}, gap{}, ping{};
};

// With the fault's own times, where it has some.
Pace pace_of(const App& app, const Settings& settings, const Fault& fault);

// Does this fault let the run fail, once it has begun?
bool fails(const Fault& fault);

sim_provider::Script streamed(const Answer& answer, const Pace& pace, const Fault& fault);
sim_provider::Script blocking(const Answer& answer, const Pace& pace, const Fault& fault);
// What comes in place of the rest of a stream that is stopped.
std::vector<sim_provider::Script::Step> farewell(const Answer& answer);

// All its waits.
Duration length_of(const sim_provider::Script& script);

}  // namespace outrigger::sim_dify
