#include "resilience/fair_lane.h"

#include <algorithm>

namespace outrigger::resilience {

void FairLane::add(std::vector<Waiting>& all, std::uint32_t place) {
  Waiting& waiting = all[place];
  waiting.flow = flow_of(waiting.ticket.flow);
  Flow& flow = flows_[waiting.flow];
  flow.line.push_back(all, place);
  line_.push_back(all, place);
  flow.cost += waiting.ticket.cost;
  cost_ += waiting.ticket.cost;
  ++flow.size;
  ++size_;
}

void FairLane::take(std::vector<Waiting>& all, std::uint32_t place, bool served) {
  const std::uint64_t cost = all[place].ticket.cost;
  const std::uint32_t at = all[place].flow;
  Flow& flow = flows_[at];
  const bool was_first = flow.line.front() == place;
  flow.line.erase(all, place);
  line_.erase(all, place);
  flow.cost -= cost;
  cost_ -= cost;
  --flow.size;
  --size_;
  if (served) {
    flow.deficit -= std::min(flow.deficit, cost);
  } else if (was_first) {
    // What it has saved up for a dear ticket that left must not become a burst of cheap ones.
    flow.deficit = std::min(flow.deficit, quantum_);
  }
  if (flow.size != 0) return;
  if (ring_.front() == at) front_has_quantum_ = false;
  ring_.erase(flows_, at);
  places_.erase(flow.key);
  free_.push_back(at);
}

std::uint32_t FairLane::next(const std::vector<Waiting>& all) {
  if (ring_.empty()) return k_no_place;
  if (ring_.front() == ring_.back()) return flows_[ring_.front()].line.front();  // alone: no need to count
  for (;;) {
    const std::uint32_t at = ring_.front();
    Flow& flow = flows_[at];
    if (!front_has_quantum_) give_quantum(flow);
    if (all[flow.line.front()].ticket.cost <= flow.deficit) return flow.line.front();
    ring_.erase(flows_, at);
    ring_.push_back(flows_, at);
    front_has_quantum_ = false;
  }
}

FairLane::Ahead FairLane::ahead(std::uint64_t key, std::uint64_t cost) const {
  const auto own = places_.find(key);
  const std::uint64_t before = own == places_.end() ? 0 : flows_[own->second].cost;
  const double share = static_cast<double>(before) + static_cast<double>(cost);
  Ahead ahead;
  for (std::uint32_t at = ring_.front(); at != k_no_place; at = flows_[at].in_ring.after) {
    const Flow& flow = flows_[at];
    const auto waiting = static_cast<double>(flow.cost);
    const double part = flow.key == key ? waiting : std::min(waiting, share);
    ahead.cost += part;
    ahead.count += flow.size * part / waiting;
  }
  return ahead;
}

std::uint32_t FairLane::flow_of(std::uint64_t key) {
  const auto [found, is_new] = places_.try_emplace(key, 0);
  if (!is_new) return found->second;
  std::uint32_t at = static_cast<std::uint32_t>(flows_.size());
  if (free_.empty()) {
    flows_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  found->second = at;
  flows_[at] = Flow{.key = key, .round = round_ - 1, .line = {}, .in_ring = {}};
  ring_.push_back(flows_, at);
  return at;
}

void FairLane::give_quantum(Flow& flow) {
  if (flow.round == round_) {  // the ring has gone round once
    ++round_;
    quantum_ = std::max<std::uint64_t>(cost_ / size_, 1);
  }
  flow.round = round_;
  flow.deficit += quantum_;
  front_has_quantum_ = true;
}

}  // namespace outrigger::resilience
