// Player: plays a Script on an exchange, step by step. Owned by the handler of that exchange, which tells it when the client is
// gone. The waits are timers of its own, so ending it ends everything.
#pragma once

#include <cstddef>
#include <vector>

#include "http/server.h"
#include "io/loop.h"
#include "sim/fault_stream.h"
#include "sim/ledger.h"
#include "sim/script.h"

namespace outrigger::sim_provider {

class Player {
 public:
  // `stream` points to the connection's stream, or to nothing once that is gone. All must outlive the Player.
  Player(io::Loop& loop, http::Exchange& exchange, FaultStream* const& stream, Ledger& ledger)
      : loop_(loop), exchange_(exchange), stream_(stream), ledger_(ledger) {}

  // Once.
  void start(Script script);
  // What has not been played is dropped, and this comes in its place, at once. Without effect when everything has been.
  void play_instead(std::vector<Script::Step> rest);
  // Nothing more can be sent.
  void client_gone();
  // Also true before start().
  [[nodiscard]] bool done() const { return !playing_; }

 private:
  void begin();
  void spoil_stream();
  bool respond_at_once();
  void play();
  void wait_then_play(Duration wait);
  void end();
  void count_sent();
  void become_done();
  [[nodiscard]] std::size_t unsent() const;

  io::Loop& loop_;
  http::Exchange& exchange_;
  FaultStream* const& stream_;
  Ledger& ledger_;
  Script script_;
  bool playing_ = false;
  bool begun_ = false;    // the head is out
  std::size_t next_ = 0;  // step of script_
  bool waited_ = false;   // for the next step
  io::Timer timer_;
};

}  // namespace outrigger::sim_provider
