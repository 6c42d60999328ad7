// SimRedis: a Redis on the simulated net. It owns its connections; what it stores is in RedisServer.
//
// What can go wrong: the answers (server().faults), the process (slow, frozen, down), the wire (SimNet::site of its address).
// A frozen Redis is a stopped process: connections are still accepted, nothing is answered, and after thaw() everything is answered
// that was asked meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/world/redis_server.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

class SimRedis {
 public:
  struct Options {
    io::Address address{"redis", 6379, false};
    RedisAccess access{};
    bool tls = false;
  };

  explicit SimRedis(SimWorld& world) : SimRedis(world, Options{}) {}
  SimRedis(SimWorld& world, Options options);
  ~SimRedis();
  SimRedis(const SimRedis&) = delete;
  SimRedis& operator=(const SimRedis&) = delete;

  [[nodiscard]] const io::Address& address() const { return options_.address; }
  [[nodiscard]] RedisServer& server() { return server_; }
  [[nodiscard]] RedisData& data(int database = 0) { return server_.data(database); }

  // Each command takes this long, plus up to slow_jitter; commands of a connection are answered in order.
  Duration slow{};
  Duration slow_jitter{};

  void freeze() { frozen_ = true; }
  void thaw();
  // Breaks all connections and refuses new ones. What is stored stays.
  void go_down();
  void come_up();
  // Loses what is stored, as a Redis without persistence does when it starts again.
  void forget() { server_.clear(); }

  // Keys of all databases that some command left without a time to live. Must be empty after every run.
  [[nodiscard]] std::vector<std::string> keys_without_ttl() const;
  // How many commands of that name (upper case) were answered.
  [[nodiscard]] std::uint64_t count(std::string_view name) const;
  // The commands answered, oldest first; the last k_log_max of them.
  [[nodiscard]] const std::vector<RedisCommand>& log() const { return log_; }
  void clear_log() { log_.clear(); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  // Names given by CLIENT SETNAME on the connections that are open.
  [[nodiscard]] std::vector<std::string> client_names() const;

  static constexpr std::size_t k_log_max = 10'000;

 private:
  class Connection;

  void accept(std::unique_ptr<io::Stream> stream);
  void remove(std::uint64_t id);
  std::string answer(RedisServer::Session& session, const RedisCommand& command);

  SimWorld& world_;
  Options options_;
  RedisServer server_;
  Rng rng_;
  bool frozen_ = false;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::vector<RedisCommand> log_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t next_id_ = 0;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace outrigger::sim
