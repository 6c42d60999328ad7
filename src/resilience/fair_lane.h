// FairLane: the tickets of one class, in deficit round robin over their flows (Shreedhar & Varghese, "Efficient Fair Queueing
// Using Deficit Round Robin", SIGCOMM 1995). Owned by a FairQueue, which owns the tickets too and passes them in.
//
//   1. A flow is in the ring exactly as long as it has a ticket waiting. Its tickets stand in the order of arrival.
//   2. The flow at the front of the ring has got the quantum of this round and is served as long as its deficit lasts; then it
//      goes to the back. A flow that leaves the ring takes no credit with it.
//   3. The quantum is the mean cost of what waits when the round begins. Fixed quanta are either too large (a flow of small
//      requests gets hundreds in a row) or too small (many rounds for one service); with the mean, the rounds that a flow
//      waits for a dear ticket are paid by the cheap ones of the others: O(1) amortised.
//
// Between two flows that both wait all the time, the cost served differs by at most a quantum and one ticket of each.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "resilience/index_list.h"
#include "resilience/ticket.h"

namespace outrigger::resilience {

struct Waiting {
  Ticket ticket;
  std::uint64_t arrival = 0;     // counts up over all classes
  std::uint32_t generation = 0;  // of this place: an id of an earlier ticket in it means nobody
  std::uint32_t flow = 0;        // the place of its flow in its lane
  Links in_flow;
  Links in_lane;  // in the order of arrival
  bool present = false;
};

class FairLane {
 public:
  void add(std::vector<Waiting>& all, std::uint32_t place);
  // Out of the lane, from wherever it stands. `served`: its flow pays for it.
  void take(std::vector<Waiting>& all, std::uint32_t place, bool served);

  // Whose turn it is; k_no_place when nobody waits. Asking again without a change in between gives the same answer.
  [[nodiscard]] std::uint32_t next(const std::vector<Waiting>& all);
  [[nodiscard]] std::uint32_t oldest() const { return line_.front(); }
  [[nodiscard]] std::uint32_t newest() const { return line_.back(); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t cost() const { return cost_; }
  // What would be served before a new ticket: all of its own flow, and of each other flow as much as the fair share gives it
  // meanwhile. O(flows).
  struct Ahead {
    double cost = 0;
    double count = 0;
  };
  [[nodiscard]] Ahead ahead(std::uint64_t flow, std::uint64_t cost) const;

 private:
  struct Flow {
    std::uint64_t key = 0;
    std::uint64_t cost = 0;  // of all that waits
    std::uint64_t deficit = 0;
    std::uint32_t size = 0;
    std::uint32_t round = 0;  // in which it has got its quantum last
    IndexList<Waiting, &Waiting::in_flow> line;
    Links in_ring;
  };

  std::uint32_t flow_of(std::uint64_t key);
  void give_quantum(Flow& flow);

  std::vector<Flow> flows_;
  std::vector<std::uint32_t> free_;  // places in flows_
  // The keys are hashes of what comes from outside; whoever forges collisions makes a walk over at most all flows.
  std::unordered_map<std::uint64_t, std::uint32_t> places_;
  IndexList<Flow, &Flow::in_ring> ring_;
  IndexList<Waiting, &Waiting::in_lane> line_;
  std::size_t size_ = 0;
  std::uint64_t cost_ = 0;
  std::uint64_t quantum_ = 1;
  std::uint32_t round_ = 1;
  bool front_has_quantum_ = false;
};

}  // namespace outrigger::resilience
