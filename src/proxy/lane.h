// Lane: the live state of one target: an upstream, a model, and whose credential is used there. It tells whether a request may be
// sent now, holds those who wait until it may, and learns from how every try ends.
//
//   health       may it be tried?             resilience/health
//   concurrency  how many at once             resilience/concurrency
//   rate gates   how fast; one for each key   resilience/rate_gate
//   keys         which are refused            set aside until the configuration is read again, or a while has passed
//   queue        who is next                  resilience/fair_queue
//
// Owned by Lanes, and by those who wait or have a Permit. Policies are in resilience/; this class only
// carries their state and knows the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/rate_limits.h"
#include "core/rng.h"
#include "io/world.h"
#include "providers/signals.h"
#include "resilience/concurrency.h"
#include "resilience/fair_queue.h"
#include "resilience/health.h"
#include "resilience/plan.h"
#include "resilience/quantile.h"
#include "resilience/rate_gate.h"
#include "resilience/retry_budget.h"

namespace outrigger::proxy {

class Lane;

// Leave to make one try. The try must report how it went; a Permit that is destroyed unreported is evidence of nothing (its
// client left, or another try was faster). Move-only.
class Permit {
 public:
  Permit(Permit&& other) noexcept;
  Permit& operator=(Permit&&) = delete;
  ~Permit();

  // Which of the upstream's keys to use; 0 when the client's credential is passed on.
  [[nodiscard]] std::size_t key() const { return key_; }
  // A request from before a reload has the keys of then. If the one that it sends (its digest) is another than the lane's of that
  // number, what comes of it is about none of the lane's keys.
  void note_sent_key(std::string_view digest);
  [[nodiscard]] bool is_probe() const { return is_probe_; }
  [[nodiscard]] MonoTime started() const { return reservation_.at; }

  // The provider's answer has begun: what its headers say of limits.
  void note_limits(const RateLimits& limits);
  // The first token, or a whole blocking answer, has come.
  void succeeded(bool streamed);
  // It ended before that.
  void failed(const providers::Signal& signal);
  // It died after that.
  void broke_off();
  // Another target that was asked later has answered first. Of a probe that is evidence: it has taken longer than usual, and the
  // next client is not to wait for it, too. Else of nothing.
  void outrun();
  // What it cost in tokens, once that is known.
  void settle(std::uint64_t tokens);
  // Nothing was sent: the connection did not come about.
  void never_sent();

 private:
  friend class Lane;
  Permit(Lane& lane, std::size_t key, bool is_probe, resilience::RateGate::Reservation reservation);
  [[nodiscard]] resilience::RateGate* gate() const;

  std::shared_ptr<Lane> lane_;  // null: moved from
  std::size_t key_;
  std::uint64_t key_id_;  // 0: none of the lane's
  bool is_probe_;
  resilience::RateGate::Reservation reservation_;
  bool is_settled_ = false;
  bool is_judged_ = false;
};

// Who waits in a lane. It is told once, is out of the queue then, and may do anything in the call.
class Waiter {
 public:
  enum class Turn : unsigned char {
    go,         // may acquire now
    overdue,    // its time is over
    displaced,  // a ticket of a higher class took its place
    changed,    // the lane is not what it was when the wait began: choose again
  };
  virtual void on_turn(Turn turn) = 0;

 protected:
  ~Waiter() = default;
};

// Other replicas, as far as a lane knows of them; see fleet.h.
class LaneGuard {
 public:
  // A lane of that name among Lanes is new.
  virtual void on_new_lane(std::string_view key, Lane& lane) = 0;
  // May a probe go as far as the others are concerned? Nothing: now. Else look again then.
  [[nodiscard]] virtual std::optional<MonoTime> hold_probe(const Lane& lane) = 0;

 protected:
  ~LaneGuard() = default;
};

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  struct Settings {
    resilience::Health::Settings health;
    resilience::Concurrency::Settings concurrency;
    resilience::RateGate::Settings rate;
    std::uint32_t depth = 100;      // of the queue
    double retry_ratio = 0.1;       // retries a request
    double hedge_ratio = 0;         // hedges a request
    std::vector<std::string> keys;  // the upstream's own, as digests; empty: the client's credential is passed on
  };
  // A key that was refused is tried again after so long, because money comes back without a change of the file.
  static constexpr Duration k_set_aside = 10min;

  // What is worth a line in the log: no secrets.
  using Log = std::function<void(LogLevel, std::string_view)>;

  // `model`: what the target calls it. `log` may be empty; it must outlive the lane.
  Lane(io::World world, std::string name, std::string model, Settings settings, const Log& log);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // A reload: what is learned stays, but keys that were set aside get another chance.
  void configure(Settings settings);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& model() const { return model_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }

  // A request was not sent here, because this target cannot take it. `reason` is of static storage.
  void note_unfit(std::string_view reason) { ++unfit_[reason]; }
  [[nodiscard]] const std::map<std::string_view, std::uint64_t>& unfit() const { return unfit_; }

  // Could such a request be sent now, and if not, when? Takes nothing. Those who wait go first (`has_turn`: the caller is one of
  // them and has just been told to go). Of a ticket id and deadline are ignored here.
  [[nodiscard]] resilience::Look look(const resilience::Ticket& ticket, bool has_turn) const;
  // Nothing: look() says why.
  [[nodiscard]] std::optional<Permit> acquire(const resilience::Ticket& ticket, bool has_turn);

  // Puts the waiter into the queue, or says why not. `ticket.id` is ignored; the id that leave() takes comes back.
  struct Place {
    std::uint64_t id = 0;
    std::optional<resilience::ShedReason> refused;
  };
  [[nodiscard]] Place wait(Waiter& waiter, const resilience::Ticket& ticket);
  void leave(std::uint64_t id);
  // When somebody refused now might try again, from now.
  [[nodiscard]] Duration retry_after(const resilience::Ticket& ticket) const;

  // By an operator; until the other is called or the process ends.
  void force_open();
  void force_close();

  // From another replica: its gate for the same account closed, its breaker opened.
  void advise_gate(std::size_t key, MonoTime until);
  void advise_rest(MonoTime until);
  // Its probe of the target succeeded.
  void advise_probe();
  // They have sent so much with the same key within the last `over`.
  void note_others(std::size_t key, Duration over, std::uint64_t requests, std::uint64_t tokens);
  // So many of them use the key now.
  void set_others(std::size_t key, std::uint32_t others);
  // May be null; must outlive the lane, or be taken away.
  void set_guard(LaneGuard* guard) { guard_ = guard; }
  // The guard may say something else now.
  void look_again() { poke(); }

  [[nodiscard]] const resilience::Health& health() const { return health_; }
  [[nodiscard]] resilience::Health::State state() const { return health_.state(now()); }
  // The word for its last failure, the provider's own where it has one; empty once it is well.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }
  [[nodiscard]] const resilience::Concurrency& concurrency() const { return concurrency_; }
  [[nodiscard]] const resilience::FairQueue& queue() const { return queue_; }
  [[nodiscard]] const resilience::DecayingQuantile& first_token() const { return first_token_; }
  // Of blocking answers: how long the whole took.
  [[nodiscard]] const resilience::DecayingQuantile& whole_answer() const { return whole_answer_; }
  [[nodiscard]] resilience::RetryBudget& retries() { return retries_; }
  [[nodiscard]] resilience::RetryBudget& hedges() { return hedges_; }
  struct Key {
    resilience::RateGate gate;
    std::optional<MonoTime> set_aside_until;
    std::string why;       // the provider's own word
    std::uint64_t id = 0;  // the same from one configuration to the next; never 0 in a lane
    [[nodiscard]] bool is_set_aside(MonoTime now) const { return set_aside_until && *set_aside_until > now; }
  };
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
  // Of the key whose gate opens first.
  [[nodiscard]] Duration gate_closed_for() const;
  // Nothing in flight, nobody waiting.
  [[nodiscard]] bool is_unused() const { return waiters_.empty() && concurrency_.in_flight() == 0; }
  // And nothing learned that would be missed.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] MonoTime last_used() const { return last_used_; }

 private:
  friend class Permit;

  [[nodiscard]] MonoTime now() const { return world_.loop.now(); }
  [[nodiscard]] resilience::Look look_past_queue(std::uint64_t tokens) const;
  // Is anything served now but a probe?
  [[nodiscard]] bool is_open() const;
  // The key whose gate lets the request through first; nothing when all are set aside.
  struct BestKey {
    std::size_t key;
    MonoTime earliest;
  };
  [[nodiscard]] std::optional<BestKey> best_key(std::uint64_t tokens) const;
  // What the gates make those wait who wait already, and then this one.
  [[nodiscard]] resilience::FairQueue::Supply supply(const resilience::Ticket& ticket) const;
  // Null: a reload has taken the key away.
  [[nodiscard]] Key* key_by(std::uint64_t id);
  [[nodiscard]] std::vector<Key> new_keys(const Settings& settings);
  bool on_signal(std::uint64_t key, const providers::Signal& signal, MonoTime started);
  // While a probe is out: until when others wait for how it ends.
  [[nodiscard]] MonoTime probe_due() const;
  void end_overdue_probe();
  // After what may have opened or closed it. `why`: the last failure's word.
  void note_health(std::string_view why);
  // Those who wait were promised something else: they choose again.
  void note_change();
  // Looks soon whether somebody's turn has come.
  void poke();
  void arm(MonoTime when);
  void serve_queue();
  void tell(std::uint64_t id, Waiter::Turn turn);

  io::World world_;
  Rng rng_;
  std::string name_, model_;
  std::map<std::string_view, std::uint64_t> unfit_;
  Settings settings_;
  const Log& log_;
  LaneGuard* guard_ = nullptr;
  resilience::Health::State told_state_ = resilience::Health::State::closed;  // to the log
  resilience::Health health_;
  std::string last_error_;
  resilience::Concurrency concurrency_;
  resilience::FairQueue queue_;
  resilience::DecayingQuantile first_token_, whole_answer_;
  resilience::RetryBudget retries_, hedges_;
  std::uint64_t last_key_id_ = 0;
  std::vector<Key> keys_;
  bool probe_streams_ = false;  // the last probe asked for a stream
  std::size_t next_key_ = 0;    // where rotation goes on
  std::unordered_map<std::uint64_t, Waiter*> waiters_;
  std::vector<std::uint64_t> displaced_;  // out of the queue, not told yet
  bool has_changed_ = false;
  MonoTime last_used_;
  io::Timer timer_;
  MonoTime timer_at_{};
};

}  // namespace outrigger::proxy
