// ProviderActor: a simulated provider (src/sim) on the simulated net, with a Scribe on each of its connections.
#pragma once

#include <memory>
#include <string>

#include "sim/actors/scribe.h"
#include "sim/history.h"
#include "sim/provider.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

class ProviderActor {
 public:
  // Listens at once. `upstream` is the name that the configuration gives it.
  ProviderActor(SimWorld& world, History& history, std::string upstream, io::Address at);

  [[nodiscard]] const io::Address& address() const { return at_; }
  [[nodiscard]] sim_provider::Provider& provider() { return provider_; }

 private:
  io::Address at_;
  sim_provider::Provider provider_;
  std::unique_ptr<io::Listener> listener_;
};

// Something that goes wrong, anything.
[[nodiscard]] sim_provider::Fault any_fault(Rng& rng);

}  // namespace outrigger::sim
