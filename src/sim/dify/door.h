// Door: the simulated Dify on a listener of its own. Accepts connections, as many at once as its settings allow, and lets a
// Desk answer. Needs nothing but an io::World, like the simulated provider.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "http/client.h"
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
  // The same at settings.admin_listen.
  Result<io::Address> listen_admin();
  // Takes over a stream that somebody else accepted.
  void accept(std::unique_ptr<io::Stream> stream);

  [[nodiscard]] Desk& desk() { return desk_; }

 private:
  class Connection;
  class Session;
  class ModelCall;
  enum class Kind : unsigned char { served, refused, admin };

  Result<std::unique_ptr<io::Listener>> listen_at(const std::string& address, bool admin);
  void open(std::unique_ptr<io::Stream> stream, Kind kind);
  void ask_model(std::unique_ptr<Desk::Pending> pending, Session& session);
  void answered(std::uint64_t model_call, std::optional<std::string> said);
  void ended(std::uint64_t id);
  void count();
  [[nodiscard]] bool is_full() const;

  io::World world_;
  Desk desk_;
  std::uint64_t next_id_ = 0;
  std::uint64_t aside_ = 0;  // open connections that take no place: refused ones, and an admin's
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::deque<std::unique_ptr<io::Stream>> waiting_;  // not read
  http::Client client_;
  std::map<std::uint64_t, std::unique_ptr<ModelCall>> model_calls_;  // before client_ goes
  std::unique_ptr<io::Listener> listener_, admin_listener_;
};

}  // namespace outrigger::sim_dify
