#include "resilience/fair_queue.h"

#include <algorithm>
#include <utility>

namespace outrigger::resilience {
namespace {

constexpr std::uint64_t k_max_cost = std::uint64_t{1} << 32;  // keeps every sum far from the end of 64 bits
constexpr unsigned k_lower_share = 8;                         // every eighth service goes below
constexpr std::size_t k_stale_slack = 64;                     // deadlines of tickets that left, before the heap is swept
constexpr std::chrono::seconds k_longest_retry{60};
constexpr Duration k_longest_gate = 24h * 365;  // so that sums of times stay sums

// With what comes before it taking `served`, if that is known.
Duration wait_of(MonoTime now, std::optional<Duration> served, const FairQueue::Supply& supply) {
  const auto until = [now](MonoTime at) { return at > now ? std::min(at - now, k_longest_gate) : Duration(0); };
  return std::max(until(supply.opens) + served.value_or(Duration(0)), until(supply.paced));
}

std::uint64_t counted(std::uint64_t cost) { return std::clamp<std::uint64_t>(cost, 1, k_max_cost); }

}  // namespace

FairQueue::Pushed FairQueue::push(MonoTime now, const Ticket& ticket, const Supply& supply) {
  collect_expired(now);
  const QueueClass cls = moved(ticket.cls, ticket.priority);
  Pushed pushed;
  std::uint32_t displaced = k_no_place;
  if (ticket.deadline <= now) {
    pushed.refused = ShedReason::deadline;
  } else if (size() >= settings_.depth && (displaced = victim(cls)) == k_no_place) {
    pushed.refused = ShedReason::queue_full;
  } else if (predicted_wait(now, ticket, supply) >= ticket.deadline - now) {
    pushed.refused = ShedReason::deadline;
  }
  if (pushed.refused) return pushed;
  if (displaced != k_no_place) {
    pushed.displaced = waiting_[displaced].ticket;
    take(displaced, false);
  }
  const std::uint32_t place = new_place();
  Waiting& waiting = waiting_[place];
  waiting.ticket = ticket;
  waiting.ticket.cost = counted(ticket.cost);
  waiting.ticket.id = pushed.id = id_of(place);
  waiting.arrival = ++arrivals_;
  lanes_[index_of(cls)].add(waiting_, place);
  if (ticket.deadline != MonoTime::max()) {
    deadlines_.push_back({ticket.deadline, pushed.id});
    std::push_heap(deadlines_.begin(), deadlines_.end());
  }
  rate_.on_busy(now);
  return pushed;
}

std::optional<Ticket> FairQueue::peek(MonoTime now) {
  collect_expired(now);
  if (empty()) return std::nullopt;
  return waiting_[lanes_[next_lane()].next(waiting_)].ticket;
}

std::optional<Ticket> FairQueue::pop(MonoTime now) {
  const std::optional<Ticket> ticket = peek(now);
  if (!ticket) return std::nullopt;
  const std::size_t lane = next_lane();
  const bool is_top = std::none_of(lanes_.begin(), lanes_.begin() + static_cast<std::ptrdiff_t>(lane),
                                   [](const FairLane& above) { return above.size() != 0; });
  passed_over_ = is_top && waits_below(lane) ? passed_over_ + 1 : 0;
  take(find(ticket->id), true);
  return ticket;
}

bool FairQueue::remove(std::uint64_t id) {
  const std::uint32_t place = find(id);
  if (place == k_no_place) return std::erase(expired_, id) != 0;
  take(place, false);
  return true;
}

std::vector<std::uint64_t> FairQueue::expire(MonoTime now) {
  collect_expired(now);
  return std::exchange(expired_, {});
}

std::optional<MonoTime> FairQueue::next_deadline() const {
  if (!expired_.empty()) return latest_;
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.front().at;
}

FairLane::Ahead FairQueue::ahead(const Ticket& ticket) const {
  const std::size_t own = index_of(moved(ticket.cls, ticket.priority));
  const FairLane::Ahead ahead = lanes_[own].ahead(ticket.flow, counted(ticket.cost));
  const FairLane::Ahead others = others_before(own, ahead.count);
  return {ahead.cost + others.cost, ahead.count + others.count};
}

Duration FairQueue::predicted_wait(MonoTime now, const Ticket& ticket, const Supply& supply) const {
  return wait_of(now, rate_.time_for(ahead(ticket).cost), supply);
}

// What the other classes are served before a new ticket of lane `own` that has `count` of its own class before it. Between two
// services below the top class there are seven at the top; which lower class gets one depends on the age of what waits there,
// so both get about as many as they have waiting.
FairLane::Ahead FairQueue::others_before(std::size_t own, double count) const {
  constexpr double k_between = k_lower_share - 1;
  const auto waiting = [this](std::size_t lane) { return static_cast<double>(lanes_[lane].size()); };
  FairLane::Ahead ahead;
  const auto add = [&](std::size_t lane, double services) {
    if (waiting(lane) == 0) return;
    const double share = std::min(services / waiting(lane), 1.0);
    ahead.cost += static_cast<double>(lanes_[lane].cost()) * share;
    ahead.count += waiting(lane) * share;
  };
  if (own == 0) {
    const double below = waiting(1) + waiting(2);
    if (below == 0) return ahead;
    add(1, count / k_between * waiting(1) / below);
    add(2, count / k_between * waiting(2) / below);
    return ahead;
  }
  const std::size_t other = own == 1 ? 2 : 1;
  const double lower = waiting(1) + waiting(2) + 1;  // with the new one
  const double top = std::min(waiting(0), k_between * (count + 1) * lower / (waiting(own) + 1));
  const double beside = other > own ? count / k_between : k_between * (count + 1);  // when the top has been served
  add(0, top);
  add(other, top / k_between * waiting(other) / lower + beside);
  return ahead;
}

std::chrono::seconds FairQueue::retry_after(MonoTime now, const Ticket& ticket, const Supply& supply) const {
  const Duration wait = wait_of(now, rate_.roughly_time_for(ahead(ticket).cost), supply);
  return std::clamp(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1), k_longest_retry);
}

std::size_t FairQueue::size() const { return waiting_.size() - free_.size(); }

std::uint64_t FairQueue::cost() const {
  std::uint64_t sum = 0;
  for (const FairLane& lane : lanes_) sum += lane.cost();
  return sum;
}

// ---- places ------------------------------------------------------------------------------------------------------------

std::uint64_t FairQueue::id_of(std::uint32_t place) const { return std::uint64_t{waiting_[place].generation} << 32 | place; }

std::uint32_t FairQueue::find(std::uint64_t id) const {
  const auto place = static_cast<std::uint32_t>(id);
  return place < waiting_.size() && waiting_[place].present && id_of(place) == id ? place : k_no_place;
}

std::uint32_t FairQueue::new_place() {
  std::uint32_t place = static_cast<std::uint32_t>(waiting_.size());
  if (free_.empty()) {
    waiting_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  Waiting& waiting = waiting_[place];
  waiting.generation = std::max(waiting.generation + 1, 1u);  // no id is 0
  waiting.present = true;
  return place;
}

// Whom a ticket of this class may displace: the newest of the lowest class, if that is a lower one.
std::uint32_t FairQueue::victim(QueueClass cls) const {
  for (std::size_t lane = lanes_.size() - 1; lane > index_of(cls); --lane) {
    if (lanes_[lane].size() != 0) return lanes_[lane].newest();
  }
  return k_no_place;
}

void FairQueue::take(std::uint32_t place, bool served) {
  Waiting& waiting = waiting_[place];
  lanes_[index_of(moved(waiting.ticket.cls, waiting.ticket.priority))].take(waiting_, place, served);
  waiting.present = false;
  free_.push_back(place);
  if (empty()) rate_.on_idle(latest_);
  forget_stale_deadlines();
}

// ---- deadlines ---------------------------------------------------------------------------------------------------------

void FairQueue::collect_expired(MonoTime now) {
  latest_ = std::max(latest_, now);
  while (!deadlines_.empty() && deadlines_.front().at <= now) {
    const std::uint64_t id = deadlines_.front().id;
    expired_.push_back(id);
    take(find(id), false);  // with its deadline
  }
}

// Keeps the top of the heap one that waits, and the heap in proportion to what waits.
void FairQueue::forget_stale_deadlines() {
  const auto is_stale = [this](const Due& due) { return find(due.id) == k_no_place; };
  if (deadlines_.size() > 2 * size() + k_stale_slack) {
    std::erase_if(deadlines_, is_stale);
    std::make_heap(deadlines_.begin(), deadlines_.end());
  }
  while (!deadlines_.empty() && is_stale(deadlines_.front())) {
    std::pop_heap(deadlines_.begin(), deadlines_.end());
    deadlines_.pop_back();
  }
}

// ---- whose turn --------------------------------------------------------------------------------------------------------

bool FairQueue::waits_below(std::size_t lane) const {
  return std::any_of(lanes_.begin() + static_cast<std::ptrdiff_t>(lane) + 1, lanes_.end(),
                     [](const FairLane& below) { return below.size() != 0; });
}

std::size_t FairQueue::next_lane() const {
  std::size_t top = 0;
  while (lanes_[top].size() == 0) ++top;
  if (passed_over_ + 1 < k_lower_share || !waits_below(top)) return top;
  std::size_t oldest = lanes_.size();
  for (std::size_t lane = top + 1; lane < lanes_.size(); ++lane) {
    if (lanes_[lane].size() == 0) continue;
    const auto arrival = [this](std::size_t of) { return waiting_[lanes_[of].oldest()].arrival; };
    if (oldest == lanes_.size() || arrival(lane) < arrival(oldest)) oldest = lane;
  }
  return oldest;
}

// ---- words -------------------------------------------------------------------------------------------------------------

QueueClass moved(QueueClass cls, Priority priority) {
  switch (priority) {
    case Priority::high:
      return cls == QueueClass::batch ? QueueClass::blocking : QueueClass::streaming;
    case Priority::low:
      return cls == QueueClass::streaming ? QueueClass::blocking : QueueClass::batch;
    case Priority::normal:
      break;
  }
  return cls;
}

std::string_view name(QueueClass cls) {
  switch (cls) {
    case QueueClass::streaming:
      return "streaming";
    case QueueClass::blocking:
      return "blocking";
    case QueueClass::batch:
      return "batch";
  }
  return "batch";
}

std::string_view name(ShedReason reason) {
  switch (reason) {
    case ShedReason::queue_full:
      return "queue_full";
    case ShedReason::deadline:
      return "deadline";
    case ShedReason::wait_limit:
      return "wait_limit";
    case ShedReason::displaced:
      return "displaced";
  }
  return "queue_full";
}

}  // namespace outrigger::resilience
