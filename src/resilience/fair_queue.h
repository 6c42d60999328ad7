// FairQueue: the queue of one model or target. A pure machine: it stores tickets and says whose turn it is; the caller owns what
// waits, passes the time, and tells what was served.
//
//   push ──► refused at once: no place, or it would not be served before its deadline
//     │
//     ▼
//   streaming ─┐ deficit round robin over the flows of a class (fair_lane.h); inside a flow the order of arrival
//   blocking ──┼─► pop: the highest class that waits, but every eighth service goes to the class below whose oldest ticket
//   batch ─────┘        has waited longest, so that nobody waits for ever
//                └► remove: its client left. expire: its deadline passed. push of a higher class into a full queue: displaced
//
// pop, peek and remove are O(1) amortised; a push predicts its wait, which walks over the flows of its class, and puts its
// deadline into a heap. The memory is some 200 bytes a ticket that waits, and stays at the most that ever waited.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "resilience/fair_lane.h"
#include "resilience/service_rate.h"
#include "resilience/ticket.h"

namespace outrigger::resilience {

// Why a ticket was not served. The names stand in headers, logs and metrics.
enum class ShedReason : unsigned char {
  queue_full,  // no place, and nobody of a lower class to displace
  deadline,    // refused at once: it would not be served in time
  wait_limit,  // its deadline passed while it waited (expire)
  displaced,   // a ticket of a higher class took its place
};
std::string_view name(ShedReason reason);

class FairQueue {
 public:
  struct Settings {
    std::size_t depth = 1000;  // tickets that may wait; 0: nobody waits
  };
  struct Pushed {
    std::uint64_t id = 0;  // 0 when refused
    std::optional<ShedReason> refused;
    std::optional<Ticket> displaced;  // it waits no longer: the caller refuses it as ShedReason::displaced
  };

  FairQueue() = default;
  explicit FairQueue(Settings settings) : settings_(settings) {}
  // Keeps what waits, even when that is more than the new depth.
  void configure(Settings settings) { settings_ = settings; }

  // What the caller knows of the time. `opens`: before that nothing is served at all (a rate gate is closed). `paced`: this ticket
  // is not served before, because a rate holds back it and what is ahead() of it. Both lengthen the predicted wait.
  struct Supply {
    MonoTime opens = MonoTime::min();
    MonoTime paced = MonoTime::min();
  };
  Pushed push(MonoTime now, const Ticket& ticket, const Supply& supply);
  Pushed push(MonoTime now, const Ticket& ticket) { return push(now, ticket, {}); }
  // The next ticket; pop takes it out. Never one whose deadline has passed: those go to expire().
  [[nodiscard]] std::optional<Ticket> peek(MonoTime now);
  std::optional<Ticket> pop(MonoTime now);
  // Its client left. False when it does not wait (any more).
  bool remove(std::uint64_t id);
  // The tickets that waited for too long; each is told once. Call it at next_deadline().
  [[nodiscard]] std::vector<std::uint64_t> expire(MonoTime now);
  // When to call expire(); in the past when there is something to tell already, nothing when nobody has a deadline.
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  // A ticket was served at this cost, estimated or known. Once for each that was popped, and always at the same point of its
  // life: when it was let through, or when it ended.
  void on_served(MonoTime now, std::uint64_t cost) { rate_.on_served(now, cost); }
  // The limits of what is served have changed.
  void forget_rate() { rate_.forget(); }
  // Is anything served now, whoever waits? While it is not, the waiting is not the target's pace.
  void set_open(MonoTime now, bool is_open) { is_open ? rate_.on_open(now) : rate_.on_shut(now); }
  // What would be served before such a ticket: an estimate from what waits now.
  [[nodiscard]] FairLane::Ahead ahead(const Ticket& ticket) const;
  // How long it would wait. Without a learned rate only the supply counts, so that nobody is refused for want of knowledge.
  [[nodiscard]] Duration predicted_wait(MonoTime now, const Ticket& ticket, const Supply& supply) const;
  [[nodiscard]] Duration predicted_wait(MonoTime now, const Ticket& ticket) const { return predicted_wait(now, ticket, {}); }
  // For `retry-after` of a refused one: the predicted wait in whole seconds, rounded up; from a rough rate where none is learned
  // yet, as a queue may fill before that. At least 1; at most 60, because clients give up at a longer one (reference: the SDK of
  // Anthropic obeys up to 60 s, that of OpenAI up to 120 s).
  [[nodiscard]] std::chrono::seconds retry_after(MonoTime now, const Ticket& ticket, const Supply& supply) const;
  [[nodiscard]] std::chrono::seconds retry_after(MonoTime now, const Ticket& ticket) const {
    return retry_after(now, ticket, {});
  }

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t size(QueueClass moved_class) const { return lanes_[index_of(moved_class)].size(); }
  [[nodiscard]] std::uint64_t cost() const;  // tokens that wait
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t depth() const { return settings_.depth; }
  [[nodiscard]] double tokens_per_second() const { return rate_.tokens_per_second(); }  // 0: not known

 private:
  struct Due {
    MonoTime at;
    std::uint64_t id;
    // The order of the heap: the earliest on top.
    bool operator<(const Due& other) const { return at > other.at; }
  };
  static constexpr std::size_t index_of(QueueClass cls) { return static_cast<std::size_t>(cls); }

  [[nodiscard]] std::uint32_t find(std::uint64_t id) const;
  [[nodiscard]] std::uint64_t id_of(std::uint32_t place) const;
  std::uint32_t new_place();
  std::uint32_t victim(QueueClass cls) const;
  void take(std::uint32_t place, bool served);
  void collect_expired(MonoTime now);
  void forget_stale_deadlines();
  [[nodiscard]] FairLane::Ahead others_before(std::size_t own, double count) const;
  [[nodiscard]] std::size_t next_lane() const;
  [[nodiscard]] bool waits_below(std::size_t lane) const;

  Settings settings_;
  std::array<FairLane, k_queue_classes> lanes_;
  std::vector<Waiting> waiting_;
  std::vector<std::uint32_t> free_;     // places in waiting_
  std::vector<Due> deadlines_;          // a heap; entries of tickets that left go when they come to the top, or are too many
  std::vector<std::uint64_t> expired_;  // out of the queue, not told yet
  ServiceRate rate_;
  MonoTime latest_ = MonoTime::min();  // that any call has told
  std::uint64_t arrivals_ = 0;
  unsigned passed_over_ = 0;  // services in a row that left a lower class waiting
};

}  // namespace outrigger::resilience
