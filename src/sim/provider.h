// Provider: the simulated model provider. Accepts streams, speaks HTTP through http::Server, answers as its settings say.
// Needs nothing but an io::World, so it runs over sockets (outrigger-sim) and in virtual time (tests) alike.
//
// Every connection has an http::Server of its own. That is how a request finds the FaultStream it came on: a Server tells an
// application nothing about streams, and a connection's faults must reach the right one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "core/result.h"
#include "io/world.h"
#include "sim/desk.h"
#include "sim/fast.h"
#include "sim/settings.h"

namespace outrigger::sim_provider {

class Provider {
 public:
  Provider(io::World world, Settings settings);
  // Closes what is open.
  ~Provider();
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  // Listens at settings.listen; the address really bound. Errors: bad_config, io_failed.
  Result<io::Address> listen();
  // Takes over a stream that somebody else accepted.
  void accept(std::unique_ptr<io::Stream> stream);

  // What it was asked; the same as GET /sim/stats.
  [[nodiscard]] Ledger& ledger() { return desk_.ledger(); }
  // Replaces the schedule, whose clock begins now.
  void set_faults(std::vector<Fault> faults) { desk_.set_faults(std::move(faults), world_.loop.now()); }
  // Counts and schedule from the beginning.
  void reset() { desk_.reset(world_.loop.now()); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  class Connection;
  void ended(std::uint64_t id);

  io::World world_;
  Desk desk_;
  FastAnswers fast_;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace outrigger::sim_provider
