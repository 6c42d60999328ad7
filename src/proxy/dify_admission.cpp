#include "proxy/dify_admission.h"

#include <algorithm>

#include "resilience/backoff.h"

namespace outrigger::proxy {
namespace {

using resilience::Choice;
using resilience::Look;
using resilience::Readiness;

// Before an address that could not be reached is tried again, and before an app that has too many runs asks again: long enough for
// a run to end, short enough for a person. Doubles up to the cap.
constexpr Duration k_backoff_base = 250ms;
constexpr Duration k_backoff_cap = 5s;

bool can_go(const Look& look) { return look.readiness == Readiness::ready || look.readiness == Readiness::probe; }
bool is_out(const Look& look) { return look.readiness == Readiness::resting || look.readiness == Readiness::shut; }

}  // namespace

DifyAdmission::DifyAdmission(io::World world, Order order, DifyAdmissionHandler& handler)
    : world_(world),
      equals_(order.equals),
      ticket_(order.ticket),
      user_flow_(order.user_flow),
      deadline_(order.deadline),
      handler_(handler) {
  for (DifyLanes& lanes : order.steps) steps_.push_back({std::move(lanes)});
  steps_.front().lanes.back()->retries().deposit(now());
}

DifyAdmission::~DifyAdmission() { stop_waiting(); }

bool DifyAdmission::has_turn(std::size_t step, std::size_t role) const {
  return has_turn_ && step == held_step_ && role == waiting_role_;
}

resilience::Ticket DifyAdmission::ticket_for(std::size_t role, MonoTime until) const {
  resilience::Ticket ticket = ticket_;
  ticket.deadline = until;
  if (role != static_cast<std::size_t>(Role::backend)) ticket.flow = user_flow_;
  return ticket;
}

// Of the lanes that are still to be had the first that has no room decides.
Look DifyAdmission::look_at(std::size_t step) const {
  Look total{Readiness::ready, now()};
  for (std::size_t role = 0; role < k_dify_roles; ++role) {
    const std::shared_ptr<Lane>& lane = steps_[step].lanes[role];
    if (lane == nullptr || (step == held_step_ && held_[role])) continue;
    const Look look = lane->look(ticket_for(role, deadline_), has_turn(step, role));
    if (!can_go(look)) return look;
    if (look.readiness == Readiness::probe) total.readiness = Readiness::probe;
  }
  return total;
}

Choice DifyAdmission::choose() const {
  std::vector<resilience::Candidate> candidates;
  bool has_usable = false;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    resilience::Candidate& candidate = candidates.emplace_back();
    candidate.is_spent = steps_[i].is_spent || (has_usable && i >= equals_);
    if (candidate.is_spent) continue;
    candidate.look = look_at(i);
    candidate.was_turned_away = steps_[i].was_turned_away;
    has_usable = has_usable || (candidate.was_turned_away ? can_go(candidate.look) : !is_out(candidate.look));
  }
  return resilience::plan(candidates, now(), deadline_);
}

void DifyAdmission::next() {
  for (;;) {
    const Choice choice = choose();
    switch (choice.kind) {
      case Choice::Kind::go:
      case Choice::Kind::wait: {
        if (!take(choice.index, choice.until.value_or(deadline_))) {
          if (waiting_at_ != nullptr) return;
          continue;
        }
        ++tries_;
        DifyPermits permits = std::move(held_);
        drop();
        return handler_.on_admitted(choice.index, std::move(permits));
      }
      case Choice::Kind::late:
        // That a backend is down is no matter of the client's haste.
        if (look_at(choice.index).readiness == Readiness::resting) {
          return refuse({ErrorCode::no_target, *choice.until - now(), "no_target"});
        }
        return refuse(
            {ErrorCode::queue_wait, *choice.until - now(), waited_ > Duration::zero() ? "wait_limit" : "deadline"});
      case Choice::Kind::none:
        if (retry_later()) return;
        return refuse({ErrorCode::no_target, choice.until ? *choice.until - now() : Duration(1s), "no_target"});
    }
  }
}

bool DifyAdmission::take(std::size_t step, MonoTime until) {
  if (step != held_step_) drop();
  held_step_ = step;
  for (std::size_t role = 0; role < k_dify_roles; ++role) {
    const std::shared_ptr<Lane>& lane = steps_[step].lanes[role];
    if (lane == nullptr || held_[role]) continue;
    if (auto permit = lane->acquire(ticket_for(role, until), has_turn(step, role))) {
      held_[role].emplace(std::move(*permit));
      continue;
    }
    has_turn_ = false;
    const resilience::Ticket ticket = ticket_for(role, until);
    const Lane::Place place = lane->wait(*this, ticket);
    if (place.refused) {
      const bool is_full = *place.refused == resilience::ShedReason::queue_full;
      refusal_ = DifyAdmissionHandler::Refusal{is_full ? ErrorCode::queue_full : ErrorCode::queue_wait,
                                               lane->retry_after(ticket), resilience::name(*place.refused).data()};
      steps_[step].was_turned_away = true;
      drop();
      return false;
    }
    waiting_at_ = lane.get();
    waiting_role_ = role;
    place_ = place.id;
    waiting_since_ = now();
    return false;
  }
  has_turn_ = false;
  return true;
}

void DifyAdmission::on_turn(Turn turn) {
  Lane& lane = *std::exchange(waiting_at_, nullptr);
  waited_ += now() - waiting_since_;
  has_turn_ = turn == Turn::go;
  if (turn == Turn::displaced) {
    refusal_ = DifyAdmissionHandler::Refusal{ErrorCode::queue_full, lane.retry_after(ticket_), "displaced"};
    steps_[held_step_].was_turned_away = true;
  }
  if (turn != Turn::go) drop();
  next();
}

void DifyAdmission::note_unreachable(std::size_t step, ErrorCode why) {
  steps_[step].is_spent = steps_[step].is_unreachable = true;
  if (!refusal_) refusal_ = DifyAdmissionHandler::Refusal{why, {}, "unreachable"};
  // A connection that does not come about takes its time. Another one would keep the client beyond what it was told.
  if (now() >= deadline_) return refuse({ErrorCode::no_target, 1s, "no_target"});
  next();
}

void DifyAdmission::note_too_many(std::size_t step, std::optional<Duration> told) {
  const Duration own = k_backoff_base + resilience::full_jitter(too_many_++, k_backoff_base, k_backoff_cap, world_.rng);
  const Duration pause = std::max(own, told.value_or(Duration::zero()));
  refusal_ = DifyAdmissionHandler::Refusal{ErrorCode::queue_wait, k_backoff_cap, "too_many_requests"};
  if (const auto& app = steps_[step].lanes[static_cast<std::size_t>(Role::app)]) {
    app->advise_gate(0, now() + pause);
    return next();
  }
  if (now() + pause >= deadline_) return refuse(*refusal_);
  waiting_since_ = now();
  timer_ = world_.loop.after(pause, [this] {
    waited_ += now() - waiting_since_;
    next();
  });
}

// Nothing can be reached. Nothing has run either, so it may be tried again, as far as the budget goes.
bool DifyAdmission::retry_later() {
  const bool any = std::ranges::any_of(steps_, &Step::is_unreachable);
  if (!any || tries_ + 1 >= k_tries + steps_.size()) return false;
  if (!steps_.front().lanes.back()->retries().withdraw(now())) return false;
  const Duration pause = resilience::full_jitter(retries_++, k_backoff_base, k_backoff_cap, world_.rng);
  if (now() + pause >= deadline_) return false;
  for (Step& step : steps_) {
    if (step.is_unreachable) step.is_spent = false;
  }
  timer_ = world_.loop.after(pause, [this] { next(); });
  return true;
}

// What went wrong first says more than that nothing is left.
void DifyAdmission::refuse(DifyAdmissionHandler::Refusal refusal) {
  drop();
  if (refusal_ && refusal.code == ErrorCode::no_target) {
    refusal_->retry_after = std::max(refusal_->retry_after, refusal.retry_after);
    refusal = *refusal_;
  }
  handler_.on_refused(refusal);
}

void DifyAdmission::drop() {
  has_turn_ = false;
  for (auto& permit : held_) permit.reset();
}

void DifyAdmission::stop_waiting() {
  if (waiting_at_ != nullptr) std::exchange(waiting_at_, nullptr)->leave(place_);
}

}  // namespace outrigger::proxy
