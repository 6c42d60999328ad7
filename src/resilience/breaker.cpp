#include "resilience/breaker.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

// Replicas that lost the same target must not come back in step.
constexpr double k_jitter = 0.2;

}  // namespace

Breaker::Breaker(Settings settings) : settings_(settings), next_open_(settings.open) {
  settings_.failures = std::max(settings_.failures, 1u);
  settings_.open = std::max(settings_.open, Duration(1));
  settings_.max_open = std::max(settings_.max_open, settings_.open);
  next_open_ = settings_.open;
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
  next_open_ = settings_.open;
  open(now, rng);
}

void Breaker::reset(MonoTime now) {
  close(now);
  failures_ = 0;
  next_open_ = settings_.open;
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
  if (state_ == State::closed && now >= closed_at_ + settings_.steady) next_open_ = settings_.open;
  const double base = static_cast<double>(next_open_.count());
  const double longest = std::min(base * (1 + k_jitter), static_cast<double>(settings_.max_open.count()));
  const double shortest = base * (1 - k_jitter);
  const auto length = static_cast<Duration::rep>(shortest + (longest - shortest) * rng.unit());
  state_ = State::open;
  changed_at_ = now;
  reopens_at_ = now + Duration(std::max<Duration::rep>(length, 1));
  next_open_ = next_open_ > settings_.max_open / 2 ? settings_.max_open : next_open_ * 2;
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
