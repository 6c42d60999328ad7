// Dify: a simulated Dify (src/sim/dify) on the simulated net, with a Tap on each of its connections.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dify_sim/tap.h"
#include "sim/dify/door.h"
#include "sim/world/sim_world.h"

namespace outrigger::dify_sim {

class Dify {
 public:
  // Listens at once at "<name>:5001".
  Dify(sim::SimWorld& world, Book& book, std::string name, sim_dify::Settings settings);

  [[nodiscard]] const io::Address& address() const { return at_; }
  void set_faults(std::vector<sim_dify::Fault> faults) { door_.desk().set_faults(std::move(faults), world_.loop.now()); }
  // Runs that it has begun, by its own count.
  [[nodiscard]] std::uint64_t runs() { return door_.desk().runs().total(); }
  [[nodiscard]] const sim_dify::Sockets& sockets() { return door_.desk().sockets(); }

 private:
  sim::SimWorld& world_;
  io::Address at_;
  sim_dify::Door door_;
  std::unique_ptr<io::Listener> listener_;
};

// An app of each mode, by the name of its mode: its key is "app-<name>".
[[nodiscard]] std::vector<sim_dify::App> every_app();

}  // namespace outrigger::dify_sim
