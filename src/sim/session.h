// Session: one exchange with the simulated provider. Takes the request in, asks the Desk (or FastAnswers), lets a Player play
// the Script.
//
//   reading ──body complete──> playing
//      └──────────fast───────> pouring ──all written──> done
//
// Owned by its http::Exchange.
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
#include "sim/player.h"

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
  enum class State : unsigned char { reading, playing, pouring, done };

  bool pour_prepared();
  void pour();

  io::Loop& loop_;
  Desk& desk_;
  FastAnswers& fast_;
  http::Exchange& exchange_;
  State state_ = State::reading;
  const std::uint64_t body_limit_;
  std::string body_;
  std::uint64_t body_size_ = 0;
  std::optional<Sha256> hash_;
  Player player_;
  std::size_t next_ = 0;  // write of poured_
  const Prepared::Stream* poured_ = nullptr;
};

}  // namespace outrigger::sim_provider
