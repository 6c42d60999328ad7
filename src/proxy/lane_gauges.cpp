#include "proxy/lane_gauges.h"

#include <algorithm>

namespace outrigger::proxy {
namespace {

// Model names come from clients; obs::Registry has a bound of its own behind this one.
constexpr std::size_t k_shown_max = 150;

double number_of(resilience::Health::State state) {
  switch (state) {
    case resilience::Health::State::closed:
    case resilience::Health::State::slow_start:
    case resilience::Health::State::untried:
      return 0;
    case resilience::Health::State::half_open:
      return 1;
    case resilience::Health::State::open:
      return 2;
  }
  return 0;
}

struct OfTarget {
  double breaker = 0, gate = 0, in_flight = 0;
};

// The label under which `name` is shown.
std::string shown_as(std::set<std::string>& shown, const std::string& name) {
  if (!shown.contains(name) && shown.size() >= k_shown_max) return "other";
  shown.insert(name);
  return name;
}

}  // namespace

LaneGauges::LaneGauges(const Lanes& lanes, obs::Registry& registry) : lanes_(lanes), registry_(registry) {
  registry.declare_gauge("outrigger_breaker_state", "Of a target: 0 closed or untried for minutes, 1 half-open, 2 open.");
  registry.declare_gauge("outrigger_rate_gate_seconds", "For how long a target's rate gate is still closed.");
  registry.declare_gauge("outrigger_in_flight", "Attempts under way, by target.");
  registry.declare_gauge("outrigger_queue_depth", "Requests that wait for their turn, by model.");
}

void LaneGauges::refresh() {
  std::map<std::string, OfTarget> targets;
  std::map<std::string, double> models;
  for (const std::string& name : targets_) targets[name];
  for (const std::string& name : models_) models[name];
  lanes_.each([&](const Lane& lane) {
    OfTarget& target = targets[shown_as(targets_, lane.name())];
    target.breaker = std::max(target.breaker, number_of(lane.state()));
    target.gate = std::max(target.gate, seconds(lane.gate_closed_for()));
    target.in_flight += static_cast<double>(lane.concurrency().in_flight());
    // A backend of the dify door serves apps, not models: its queue goes by its name.
    models[shown_as(models_, lane.model().empty() ? lane.name() : lane.model())] += static_cast<double>(lane.queue().size());
  });
  for (const auto& [name, target] : targets) {
    registry_.gauge("outrigger_breaker_state", {{"target", name}}).set(target.breaker);
    registry_.gauge("outrigger_rate_gate_seconds", {{"target", name}}).set(target.gate);
    registry_.gauge("outrigger_in_flight", {{"target", name}}).set(target.in_flight);
  }
  for (const auto& [name, waiting] : models) registry_.gauge("outrigger_queue_depth", {{"model", name}}).set(waiting);
}

}  // namespace outrigger::proxy
