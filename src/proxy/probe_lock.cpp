#include "proxy/probe_lock.h"

namespace outrigger::proxy {

std::optional<MonoTime> ProbeLock::hold(Lane& lane) {
  const MonoTime now = loop_.now();
  if (!board_.up()) return {};
  if (now < rest_until_) return rest_until_;
  if (now < until_) {
    switch (state_) {
      case State::mine:
      case State::alone:
        return {};
      case State::asked:
      case State::taken:
        return until_;
      case State::none:
        break;
    }
  }
  // No answer in time.
  if (state_ == State::asked) return {};
  return ask(lane) ? std::optional(until_) : std::nullopt;
}

bool ProbeLock::ask(Lane& lane) {
  const bool sent = board_.lock(id_, k_life, [self = weak_from_this(), at = lane.weak_from_this()](cache::Board::Lock lock) {
    const auto that = self.lock();
    if (that == nullptr) return;
    const MonoTime now = that->loop_.now();
    switch (lock) {
      case cache::Board::Lock::mine:
        that->state_ = State::mine;
        that->until_ = now + k_life;
        that->renewed_at_ = now;
        that->was_used_ = false;
        break;
      case cache::Board::Lock::taken:
        that->state_ = State::taken;
        that->until_ = now + k_again;
        break;
      case cache::Board::Lock::unknown:
        that->state_ = State::alone;
        that->until_ = now + k_again;
        break;
    }
    if (const auto waited_for = at.lock()) waited_for->look_again();
  });
  if (!sent) return false;
  state_ = State::asked;
  until_ = loop_.now() + patience_;
  return true;
}

void ProbeLock::free(MonoTime now) {
  rest_until_ = MonoTime::min();
  if (state_ == State::mine || state_ == State::asked) return;
  state_ = State::alone;
  until_ = now + k_life;
}

void ProbeLock::tick(Lane& lane) {
  const MonoTime now = loop_.now();
  if (state_ == State::mine) {
    const bool is_out = lane.health().probe_is_out();
    if (is_out) was_used_ = true;
    if (is_out && now >= renewed_at_ + k_life / 4) {
      board_.renew(id_, k_life);
      renewed_at_ = now;
      until_ = now + k_life;
    } else if (!is_out && (was_used_ || now >= renewed_at_ + k_life / 2)) {
      give_back();
    }
    return;
  }
  // What was asked and not answered is over with the link, at the latest.
  if (state_ == State::asked || now < until_ || now < rest_until_ || !board_.up()) return;
  const auto reopens = lane.health().reopens_at();
  if (reopens && now + k_ahead >= *reopens && !lane.queue().empty()) ask(lane);
}

void ProbeLock::give_back() {
  // Later than that it may be another's by now.
  if (loop_.now() < renewed_at_ + k_life * 3 / 4) board_.unlock(id_);
  state_ = State::none;
  until_ = MonoTime::min();
}

}  // namespace outrigger::proxy
