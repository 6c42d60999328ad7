#include "resilience/breaker.h"

#include <algorithm>

namespace outrigger::resilience {

Breaker::Breaker(Settings settings) : settings_(settings), open_time_(settings.open, settings.max_open) {
  settings_.failures = std::max(settings_.failures, 1u);
}

bool Breaker::may_pass(MonoTime now) {
  switch (state_) {
    case State::closed:
      return true;
    case State::half_open:
      return false;
    case State::open:
      break;
  }
  if (now < reopens_at_) return false;
  state_ = State::half_open;
  changed_at_ = now;
  return true;
}

void Breaker::on_success(MonoTime now, std::optional<MonoTime> started) {
  if (state_ == State::open || outdated(started)) return;
  if (state_ == State::half_open) close(now);
  failures_ = 0;
}

void Breaker::on_failure(MonoTime now, Rng& rng, std::optional<MonoTime> started) {
  if (state_ == State::open || outdated(started)) return;
  ++failures_;
  if (state_ == State::half_open || failures_ >= settings_.failures) open(now, rng);
}

void Breaker::on_abandoned(MonoTime now) {
  if (state_ != State::half_open) return;
  state_ = State::open;
  changed_at_ = now;
  reopens_at_ = now;
}

void Breaker::trip(MonoTime now, Rng& rng) {
  open_time_.reset();
  open(now, rng);
}

void Breaker::reset(MonoTime now) {
  close(now);
  failures_ = 0;
  open_time_.reset();
}

Breaker::State Breaker::state(MonoTime now) const {
  return state_ == State::open && now >= reopens_at_ ? State::half_open : state_;
}

void Breaker::close(MonoTime now) {
  state_ = State::closed;
  changed_at_ = now;
  closed_at_ = now;
}

void Breaker::open(MonoTime now, Rng& rng) {
  if (state_ == State::closed && now >= closed_at_ + settings_.steady) open_time_.reset();
  state_ = State::open;
  changed_at_ = now;
  reopens_at_ = now + open_time_.draw(rng);
}

std::string_view name(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed:
      return "closed";
    case Breaker::State::open:
      return "open";
    case Breaker::State::half_open:
      return "half_open";
  }
  return "closed";
}

}  // namespace outrigger::resilience
