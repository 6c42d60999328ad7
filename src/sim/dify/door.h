// Door: the simulated Dify on a listener of its own. Accepts connections, as many at once as its settings allow, and lets a
// Desk answer. Needs nothing but an io::World, like the simulated provider.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "core/result.h"
#include "io/world.h"
#include "sim/dify/desk.h"
#include "sim/dify/settings.h"

namespace outrigger::sim_dify {

class Door {
 public:
  Door(io::World world, Settings settings);
  // Closes what is open.
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  // Listens at settings.listen; the address really bound. Errors: bad_config, io_failed.
  Result<io::Address> listen();

  [[nodiscard]] Desk& desk() { return desk_; }

 private:
  class Connection;
  class Session;

  void accept(std::unique_ptr<io::Stream> stream);
  void open(std::unique_ptr<io::Stream> stream, bool refused);
  void ended(std::uint64_t id);
  void count();
  [[nodiscard]] bool is_full() const;

  io::World world_;
  Desk desk_;
  std::uint64_t next_id_ = 0;
  std::uint64_t refused_ = 0;  // open connections that are only there to be refused
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::deque<std::unique_ptr<io::Stream>> waiting_;  // not read
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace outrigger::sim_dify
