#include "resilience/health.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

// A target that fails again sooner than this after it came back has not recovered: the open time goes on doubling.
constexpr Duration k_steady = 30s;

constexpr Duration k_slow_start = 5s;
constexpr std::size_t k_full = 64;
// Between one of four and one of five, the fading of five seconds included.
constexpr double k_slow_start_rate = 0.23;

// How often in Evidence's memory, some 45 s, a run may be due to chance. With this, a target that fails 3 % of 60 calls a second
// opens without need less than once in a week; an outage in the same place costs two failures more.
constexpr double k_chance = 0.0001;
constexpr std::uint32_t k_more_failures = 2;

// A streak is believed while at least half of the calls since it began have failed.
constexpr std::uint32_t k_known_share = 2;

// Of Evidence::drift(): six failures. Simulated, all rules together: a target that fails 3 % of its calls opens not once in 2 * 10^7
// calls, one with 10 % once in 70,000, with 20 % once in 450, with 40 % after 21.
constexpr std::uint32_t k_drift = 6;

}  // namespace

Health::Health(Settings settings) : open_time_(settings.open, settings.max_open) { configure(settings); }

void Health::configure(Settings settings) {
  settings_ = settings;
  settings_.failures = std::max(settings_.failures, 1u);
  settings_.open = std::max(settings_.open, Duration(1));
  settings_.max_open = std::max(settings_.max_open, settings_.open);
  open_time_.configure(settings_.open, settings_.max_open);
}

Health::Admission Health::look(MonoTime now) const {
  if (forced_) return Admission::refused;
  switch (state_) {
    case State::closed:
      break;
    case State::open:
      return now < reopens_at_ ? Admission::refused : Admission::probe;
    case State::half_open:
      return Admission::refused;
    case State::untried:  // what state() says of open
      break;
    case State::slow_start:
      if (state(now) == State::slow_start && pending_now_ >= cap_) return Admission::refused;
      break;
  }
  return Admission::normal;
}

Health::Admission Health::admit(MonoTime now) {
  settle(now);
  const Admission admission = look(now);
  if (admission == Admission::refused) return admission;
  if (admission == Admission::probe) {
    state_ = State::half_open;
    epoch_ = now;
    pending_now_ = 0;
  }
  ++pending_;
  ++pending_now_;
  begun_[next_begun_++ % begun_.size()] = now;
  return admission;
}

void Health::on_success(MonoTime now, MonoTime started) {
  settle(now);
  free_pending(started);
  const bool is_shut = state_ == State::open || state_ == State::half_open;
  if (is_shut && !forced_ && overdue_probe_ == started) {
    recover(now, started);
  } else if (state_ == State::open || outdated(started)) {
    return;
  } else if (state_ == State::half_open) {
    recover(now, started);
  } else if (state_ == State::slow_start && ++cap_ >= k_full) {
    state_ = State::closed;
  }
  evidence_.add(now, false);
  run_ = 0;
  if (started >= streak_from_) streak_ = 0;
  if (started >= advised_at_) advised_until_ = MonoTime::min();
}

void Health::recover(MonoTime now, MonoTime probe_started) {
  forget();
  state_ = State::slow_start;
  epoch_ = probe_started;  // if its stream dies, that has to count
  ++recoveries_;
  closed_at_ = now;
  cap_ = 1;
}

void Health::on_failure(MonoTime now, Rng& rng, MonoTime started) {
  settle(now);
  free_pending(started);
  if (state_ == State::open && !forced_ && overdue_probe_ == started) {
    overdue_probe_.reset();
    ++trips_;
    reopens_at_ = std::max(reopens_at_, now + open_time_.draw(rng));
    return;
  }
  judge(now, rng, started, false);
}

void Health::on_stream_failure(MonoTime now, Rng& rng, MonoTime started) {
  settle(now);
  judge(now, rng, started, true);
}

void Health::on_abandoned(MonoTime now, MonoTime started) {
  settle(now);
  free_pending(started);
  if (state_ != State::half_open || outdated(started)) return;
  state_ = State::open;
  reopens_at_ = now;
}

void Health::on_probe_overdue(MonoTime now) {
  if (state_ != State::half_open) return;
  overdue_probe_ = epoch_;
  open(now, now + settings_.open);
}

void Health::force_open(MonoTime now) {
  open(now, now);
  forced_ = true;
}

void Health::force_close(MonoTime now) {
  forget();
  forced_ = false;
  state_ = State::closed;
  epoch_ = now;
  closed_at_ = MonoTime::min();
  pending_now_ = 0;
  open_time_.reset();
}

void Health::advise_open(MonoTime now, MonoTime until) {
  settle(now);
  until = std::min(until, now + settings_.max_open);
  if (forced_ || until <= now || (state_ != State::closed && state_ != State::slow_start)) return;
  if (run_ > 0) {
    forgive_if_steady(now);
    return open(now, until);
  }
  advised_at_ = now;
  advised_until_ = std::max(advised_until_, until);
}

void Health::advise_probe(MonoTime now) {
  if (state_ == State::open && !forced_) reopens_at_ = std::min(reopens_at_, now);
}

Health::State Health::state(MonoTime now) const {
  if (state_ == State::open && !forced_ && now >= reopens_at_) {
    return now >= reopens_at_ + k_untried ? State::untried : State::half_open;
  }
  if (state_ == State::slow_start && now >= slow_start_ends_at()) return State::closed;
  return state_;
}

MonoTime Health::slow_start_ends_at() const { return closed_at_ + k_slow_start; }

std::optional<MonoTime> Health::reopens_at() const {
  if (state_ != State::open || forced_) return {};
  return reopens_at_;
}

double Health::failure_rate(MonoTime now) const {
  // What has faded to less than one call is no rate.
  return evidence_.attempts(now) < 0.5 ? 0 : evidence_.failure_rate();
}

void Health::settle(MonoTime now) {
  if (state_ == State::slow_start) state_ = state(now);
}

// A report without an admission frees nothing, so that a caller's slip can't turn into a target that is never full.
void Health::free_pending(MonoTime started) {
  if (pending_ > 0) --pending_;
  if (!outdated(started) && pending_now_ > 0) --pending_now_;
}

void Health::judge(MonoTime now, Rng& rng, MonoTime started, bool was_success) {
  if (state_ == State::open || outdated(started)) return;
  if (was_success) {
    evidence_.turn_success_into_failure(now);
  } else {
    evidence_.add(now, true);
  }
  ++run_;
  if (streak_++ == 0 || started < streak_from_) streak_from_ = started;
  if (!trips(now)) return;
  forgive_if_steady(now);
  ++trips_;
  open(now, now + open_time_.draw(rng));
}

bool Health::trips(MonoTime now) const {
  if (state_ == State::half_open || now < advised_until_) return true;
  if (state_ == State::slow_start && evidence_.failure_rate() > k_slow_start_rate) return true;
  if (run_ >= settings_.failures + k_more_failures) return true;
  if (run_ >= settings_.failures && evidence_.chance_of_run(run_) < k_chance) return true;
  if (streak_ >= settings_.failures && streak_trips()) return true;
  if (evidence_.drift() >= std::max(k_drift, settings_.failures)) return true;
  return evidence_.failures(now) >= settings_.failures && evidence_.broken();
}

bool Health::streak_trips() const {
  const auto calls =
      static_cast<std::uint32_t>(std::ranges::count_if(begun_, [this](MonoTime begun) { return begun >= streak_from_; }));
  // A ring that is full of them says that there may be more.
  if (calls >= begun_.size() || calls > k_known_share * streak_) return false;
  return evidence_.chance_of_streak(streak_, calls) < k_chance;
}

void Health::forgive_if_steady(MonoTime now) {
  if (state_ == State::closed && now >= closed_at_ + k_steady) open_time_.reset();
}

void Health::open(MonoTime now, MonoTime until) {
  state_ = State::open;
  epoch_ = now;
  reopens_at_ = until;
  pending_now_ = 0;
  advised_until_ = MonoTime::min();
}

void Health::forget() {
  evidence_.clear();
  run_ = 0;
  streak_ = 0;
  advised_until_ = MonoTime::min();
  overdue_probe_.reset();
}

std::string_view name(Health::State state) {
  switch (state) {
    case Health::State::closed:
      return "closed";
    case Health::State::open:
      return "open";
    case Health::State::half_open:
      return "half_open";
    case Health::State::slow_start:
      return "slow_start";
    case Health::State::untried:
      return "untried";
  }
  return "closed";
}

std::string_view name(Health::Admission admission) {
  switch (admission) {
    case Health::Admission::normal:
      return "normal";
    case Health::Admission::probe:
      return "probe";
    case Health::Admission::refused:
      return "refused";
  }
  return "refused";
}

}  // namespace outrigger::resilience
