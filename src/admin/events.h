// Events: the admin door's live stream (Server-Sent Events), for a page that shows what is going on.
//
//   status   once a second, what /api/status says; made once for all listeners
//   request  a record, soon after its request has ended; at most k_requests a second, and then
//   skipped  how many there were besides
//   history  the newest whole step of the last hour
//
// A listener that reads slowly is left out rather than waited for: beyond k_unsent_max nothing more is added for it, and who has
// not caught up for k_patience is let go. While nobody listens, nothing is done.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "io/loop.h"
#include "obs/journal.h"

namespace outrigger::admin {

class Events final : private obs::Journal::Listener {
 public:
  static constexpr std::size_t k_listeners_max = 16;
  static constexpr Duration k_tick = 1s;
  static constexpr Duration k_gather = 50ms;  // records of so long go out together
  static constexpr std::uint64_t k_requests = 100;
  static constexpr std::size_t k_unsent_max = 256 * 1024;
  static constexpr Duration k_patience = 60s;

  // All must outlive it. `status` makes the JSON text, on one line.
  Events(io::Loop& loop, obs::Journal& journal, std::function<std::string()> status);
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // One who listens: what its exchange's handler keeps. Destroying it leaves.
  class Listener {
   public:
    Listener(Events& events, http::Exchange& exchange) : events_(events), exchange_(exchange) {}
    ~Listener() { events_.leave(*this); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    void on_drained() { stuck_since_ = {}; }

   private:
    friend class Events;
    Events& events_;
    http::Exchange& exchange_;
    std::uint64_t skipped_ = 0;
    MonoTime stuck_since_{};  // the beginning of time: it is not
  };

  // Answers the exchange. Null: too many listen already; then it has not been answered.
  [[nodiscard]] std::unique_ptr<Listener> listen(http::Exchange& exchange);
  [[nodiscard]] std::size_t listeners() const { return listeners_.size(); }

 private:
  void on_record(std::string_view line) override;
  void leave(Listener& listener);
  void tick();
  void flush();
  void send(const Bytes& frame, std::uint64_t requests);
  void send_history();
  void tell_skipped();
  void let_go_who_is_stuck();

  io::Loop& loop_;
  obs::Journal& journal_;
  std::function<std::string()> status_;
  std::vector<Listener*> listeners_;
  std::string gathered_;  // frames of records
  std::uint64_t gathered_requests_ = 0;
  std::uint64_t sent_requests_ = 0, skipped_ = 0;  // since the last tick
  WallTime told_step_{};
  io::Timer tick_, gather_;
};

}  // namespace outrigger::admin
