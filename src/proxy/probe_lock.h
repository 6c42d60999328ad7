// ProbeLock: of one target, for one replica: may its probe go, or is another replica's out? One request at a time in the whole fleet
// finds out whether a target that was down answers again.
//
// The lock is asked for when a request could be the probe, or a little ahead when some wait for it. Who does not get it treats the
// target as resting a moment longer, and so does who hears that another's probe has failed. Without an answer within `patience`,
// and without Redis, the replica goes on alone. Owned by Fleet.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cache/board.h"
#include "proxy/lane.h"

namespace outrigger::proxy {

class ProbeLock : public std::enable_shared_from_this<ProbeLock> {
 public:
  // A replica that dies with the lock keeps the others from their probes for so long.
  static constexpr Duration k_life = 1s;
  // Who did not get it asks again after so long.
  static constexpr Duration k_again = 100ms;
  // Those who wait for the target have the lock ready when its open time is over.
  static constexpr Duration k_ahead = 150ms;

  // `id`: the target's on the board. All must outlive it, but the lane.
  ProbeLock(io::Loop& loop, cache::Board& board, std::string id, Duration patience)
      : loop_(loop), board_(board), id_(std::move(id)), patience_(patience) {}

  // Nothing: now. Else look again then.
  [[nodiscard]] std::optional<MonoTime> hold(Lane& lane);
  // Another replica's probe failed.
  void rest(MonoTime until) { rest_until_ = std::max(rest_until_, until); }
  // Another replica's probe succeeded: that is known then, and ours may go without the lock.
  void free(MonoTime now);
  // Now and then: asks ahead, renews, gives back.
  void tick(Lane& lane);

 private:
  enum class State : unsigned char { none, asked, mine, taken, alone };
  bool ask(Lane& lane);
  void give_back();

  io::Loop& loop_;
  cache::Board& board_;
  std::string id_;
  Duration patience_;
  State state_ = State::none;
  MonoTime until_{};  // of state_
  MonoTime rest_until_ = MonoTime::min();
  MonoTime renewed_at_{};
  bool was_used_ = false;  // while mine: the probe has been out
};

}  // namespace outrigger::proxy
