// Crowd: the clients. Draws who asks what, when, over which connection, and keeps idle connections for the next request.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sim/actors/asking.h"
#include "sim/actors/client_conn.h"

namespace outrigger::sim {

class Crowd final : private ClientConn::Owner {
 public:
  struct Plan {
    AskingPlan asking;
    double per_second = 10;  // arrivals on average; each may bring duplicates
    double bursts = 0.08;    // how many arrivals are of several at once
    std::size_t burst_max = 12;
    bool steady = false;  // nobody leaves or dawdles
    bool calm = false;    // see Request::calm
  };

  Crowd(SimWorld& world, History& history, std::vector<io::Address> instances, Rng rng);

  void start(Plan plan);
  // No more requests; those under way go on.
  void stop() { next_.cancel(); }
  // Everybody leaves now.
  void disperse();
  [[nodiscard]] std::size_t busy() const { return conns_.size() - idle_count(); }
  [[nodiscard]] std::size_t connections() const { return conns_.size(); }
  void close_idle();

 private:
  void on_idle(ClientConn& conn) override;
  void on_over(ClientConn& conn) override;
  void arrive();
  void send(Request request, std::size_t instance);
  Request* keep(Request request, std::size_t instance);
  ClientConn& connection_to(std::size_t instance);
  void schedule();
  [[nodiscard]] std::size_t idle_count() const;

  SimWorld& world_;
  History& history_;
  std::vector<io::Address> instances_;
  Rng rng_;
  Plan plan_;
  io::Timer next_;
  std::map<std::uint64_t, std::unique_ptr<ClientConn>> conns_;
  std::map<ClientConn*, std::pair<std::uint64_t, std::size_t>> known_;  // its number and instance; never walked
  std::vector<std::vector<ClientConn*>> idle_;                          // by instance
  std::uint64_t next_conn_ = 0;
};

}  // namespace outrigger::sim
