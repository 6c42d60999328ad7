// Fleet: the replicas of a deployment, seen from one of them. Ties the Lanes to the Board:
//
//   rate gates   the limit is the account's: each replica counts what the others send, see resilience/rate_gate.h; a gate that a 429
//                has closed closes everywhere
//   health       a breaker that opens is advice for the others, a probe that succeeds too
//   probes       one at a time, see probe_lock.h
//
// While anything goes on anywhere, one round trip every 50 ms puts up what this replica has to say and reads what the others say: so
// they know within 100 ms and some. No request waits for it. Who is not heard for two seconds is gone; without Redis all are, and
// the replica goes on alone with what it has learned.
//
// Replicas find each other under [redis] prefix, and understand each other when they have the same secret, as for the cache.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "cache/board.h"
#include "chat/key.h"
#include "proxy/fleet_note.h"
#include "proxy/lanes.h"
#include "proxy/probe_lock.h"

namespace outrigger::proxy {

class Fleet final : private LaneGuard {
 public:
  // What was sent is known everywhere after two of these and a round trip: less than RecentCount::k_span, which the gates count on.
  static constexpr Duration k_period = 50ms;
  static constexpr Duration k_idle_period = 250ms;
  // Who has not been heard for so long is gone.
  static constexpr Duration k_silence = 2s;
  // An account or a target that nothing has been sent to for so long is not told of.
  static constexpr Duration k_lately = 10s;

  // Both must outlive it.
  Fleet(io::World world, cache::RedisSettings settings, Lanes& lanes);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // The deployment's. The first one begins it all. With another one what was said before means nothing any more; what the others
  // have sent lately is heard anew then and counts twice for a minute.
  void set_secret(std::string_view secret);

  // This one and those that are heard.
  [[nodiscard]] std::size_t replicas() const;
  [[nodiscard]] bool redis_up() const { return board_.up(); }
  [[nodiscard]] const std::string& last_error() const { return board_.last_error(); }

 private:
  // What was heard of another replica about an account or a target.
  struct Heard {
    std::uint64_t life = 0;
    std::int64_t requests = 0, tokens = 0;  // the most: what is given back is set off against what comes next
    std::uint64_t rejections = 0;
    MonoTime at{};
  };
  struct HeardTarget {
    std::uint64_t trips = 0, recoveries = 0;
  };
  struct Account {
    std::weak_ptr<Lane> lane;
    std::size_t key = 0;
    FleetNote::Account told;  // in the last note
    MonoTime changed_at = MonoTime::min();
    std::map<MonoTime, resilience::RateGate::Sent> history;  // of the last minute, every few seconds
    std::map<std::string, Heard> heard;                      // by replica
    std::uint32_t others = 0, counted = 0;
    std::uint64_t round = 0;
  };
  struct Target {
    std::weak_ptr<Lane> lane;
    FleetNote::Target told;
    MonoTime changed_at = MonoTime::min();
    std::map<std::string, HeardTarget> heard;
    std::shared_ptr<ProbeLock> probe;
    std::uint64_t round = 0;
  };
  struct Peer {
    FleetNote note;
    bool is_alive = false;  // more than one note: the first may be what a dead one has left
    MonoTime heard_at{};
  };
  using Named = std::map<std::string, std::string, std::less<>>;  // ids by what they stand for

  void on_new_lane(std::string_view key, Lane& lane) override;
  [[nodiscard]] std::optional<MonoTime> hold_probe(const Lane& lane) override;

  void arm(Duration after);
  void tick();
  void on_notes(std::optional<std::vector<cache::Board::Note>> notes);
  void forget_silent();

  void track(std::string_view key, Lane& lane);
  void track_account(const std::string& name, Lane& lane, std::size_t key);
  [[nodiscard]] const std::string& id_of(std::string_view kind, std::string_view name);
  [[nodiscard]] FleetNote compose();
  // Is it worth telling?
  bool update(Account& account, const std::string& id);
  bool update(Target& target, const std::string& id);

  void hear(const std::string& who, const FleetNote& note);
  void hear(const std::string& who, Account& account, const FleetNote::Account& theirs, MonoTime heard_at);
  void hear(const std::string& who, Target& target, const FleetNote::Target& theirs, MonoTime heard_at);
  void count_others();

  io::World world_;
  Lanes& lanes_;
  Duration patience_;
  Rng rng_;
  cache::Board board_;
  std::unique_ptr<chat::KeyMaker> keys_;  // null: no secret yet
  Named ids_;
  std::map<std::string, Account> accounts_;  // by id
  std::map<std::string, Target> targets_;    // by id
  std::unordered_map<const Lane*, Target*> target_of_;
  std::map<std::string, Peer> peers_;
  std::uint64_t number_ = 0, lives_ = 0, round_ = 0;
  bool is_asking_ = false;
  bool is_busy_ = false;
  io::Timer timer_;
  MonoTime timer_at_{};
};

}  // namespace outrigger::proxy
