// Session: one exchange with the simulated provider. Takes the request in, asks the Desk (or FastAnswers), plays the Script.
//
//   reading ──body complete──> waiting ──first wait over──> playing ──all steps done──> done
//      └──────────────fast──────────────────────────────> pouring ──all written────────> done
//
// Owned by its http::Exchange. The waits are timers of its own, so a client that leaves ends everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/server.h"
#include "io/world.h"
#include "sim/desk.h"
#include "sim/fast.h"
#include "sim/fault_stream.h"
#include "sim/hash.h"
#include "sim/script.h"

namespace outrigger::sim_provider {

class Session final : public http::ExchangeHandler {
 public:
  // `stream` points to the connection's stream, or to nothing once that is gone. Both must outlive the Session.
  Session(io::Loop& loop, Desk& desk, FastAnswers& fast, http::Exchange& exchange, FaultStream* const& stream);

  void on_body(std::string_view data) override;
  void on_body_end() override;
  void on_drained() override;
  void on_client_gone() override;

 private:
  enum class State : unsigned char { reading, waiting, playing, pouring, done };

  bool pour_prepared();
  void pour();
  void count_sent();
  void become_done();
  void begin();
  void spoil_stream();
  bool respond_at_once();
  void play();
  void wait_then_play(Duration wait);
  void end();
  [[nodiscard]] std::size_t unsent() const;

  io::Loop& loop_;
  Desk& desk_;
  FastAnswers& fast_;
  http::Exchange& exchange_;
  FaultStream* const& stream_;
  State state_ = State::reading;
  const std::uint64_t body_limit_;
  std::string body_;
  std::uint64_t body_size_ = 0;
  std::optional<Sha256> hash_;
  Script script_;
  std::size_t next_ = 0;  // step of script_, or write of poured_
  bool waited_ = false;   // for the next step
  const Prepared::Stream* poured_ = nullptr;
  io::Timer timer_;
};

}  // namespace outrigger::sim_provider
