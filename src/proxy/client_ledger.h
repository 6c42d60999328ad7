// ClientLedger: what clients have spent, kept over restarts and shared by the replicas of a deployment, in Redis (cache/tally).
//
// Once a second one round trip writes what this replica has added and reads what the others have. No request waits for it, and no
// request is refused because Redis is away: what is spent meanwhile is counted here, and told when it is back. So a budget that is used up
// at one replica ends at the others within two seconds: together they overrun it by what they spend in these, and by what they have under
// way then. What a process had not told yet when it was killed is forgotten: at most a second of it; one that is told to stop tells all.
// A Redis that has forgotten everything is told again, also of lives that are over, by any replica that has read of them; if none has run
// on, it stays forgotten.
//
// Sums are kept by the client's name and the period (UTC), `<prefix>spent:<name>:2026-11`, and some days beyond its end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/tally.h"
#include "proxy/clients.h"

namespace outrigger::proxy {

class ClientLedger {
 public:
  static constexpr Duration k_period = 1s;
  // Without budgets it is for /api/status only.
  static constexpr Duration k_idle_period = 10s;

  // Both must outlive it.
  ClientLedger(io::World world, cache::RedisSettings settings, Clients& clients);
  ~ClientLedger();
  ClientLedger(const ClientLedger&) = delete;
  ClientLedger& operator=(const ClientLedger&) = delete;

  void open();
  // The process is about to end. `done` runs when all is told, or Redis has not answered in time; not inside the call.
  void save(std::function<void()> done);
  [[nodiscard]] bool redis_up() const { return tally_.up(); }

 private:
  // What one line of a round is about.
  struct Entry {
    std::shared_ptr<ClientAccount> account;
    resilience::Period period;
    std::int64_t index;
    resilience::NanoUsd own;
  };

  // All lines, in pages of as many as a round trip bears, one after the other.
  struct Round {
    std::vector<Entry> entries;
    std::vector<cache::Tally::Line> lines;  // of each entry
    std::size_t asked = 0;                  // of them
    std::function<void()> done;
  };

  void tick();
  [[nodiscard]] bool exchange(std::function<void()> done);
  [[nodiscard]] bool ask_page(const std::shared_ptr<Round>& round);
  void on_read(std::span<const Entry> entries, std::span<const std::int64_t> others);

  io::World world_;
  Clients& clients_;
  Rng rng_;
  cache::Tally tally_;
  // What of the past has been told, so that it is not told for ever: own sums by line.
  std::map<std::string, resilience::NanoUsd> told_;
  bool is_asking_ = false;
  io::Timer timer_, saving_;
};

}  // namespace outrigger::proxy
