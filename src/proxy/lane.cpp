#include "proxy/lane.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::proxy {
namespace {

using resilience::Look;
using resilience::Readiness;

// How long a probe probably takes, before it is known how long the target usually does; and when it has taken too long for others to
// wait for it: longer than 19 of 20 others, and than this, which is more where that is not known.
constexpr Duration k_probe_unknown = 1s;
constexpr double k_probe_usual = 0.95;
constexpr Duration k_probe_patience = 1s;
constexpr Duration k_first_token_unknown = 2s;
constexpr Duration k_whole_answer_unknown = 5s;
// A quiet service may hedge now and then.
constexpr std::uint32_t k_hedge_burst = 1;

std::size_t key_count(const Lane::Settings& settings) { return std::max<std::size_t>(settings.keys.size(), 1); }

}  // namespace

// ---- Permit ----------------------------------------------------------------------------------------------------------

Permit::Permit(Lane& lane, std::size_t key, bool is_probe, resilience::RateGate::Reservation reservation)
    : lane_(lane.shared_from_this()),
      key_(key),
      key_id_(lane.keys_[key].id),
      is_probe_(is_probe),
      reservation_(reservation) {}

Permit::Permit(Permit&& other) noexcept
    : lane_(std::move(other.lane_)),
      key_(other.key_),
      key_id_(other.key_id_),
      is_probe_(other.is_probe_),
      reservation_(other.reservation_),
      is_settled_(other.is_settled_),
      is_judged_(other.is_judged_) {}

Permit::~Permit() {
  if (lane_ == nullptr) return;
  if (!is_judged_) lane_->health_.on_abandoned(lane_->now(), started());
  lane_->concurrency_.release();
  lane_->poke();
}

resilience::RateGate* Permit::gate() const {
  Lane::Key* key = lane_->key_by(key_id_);
  return key != nullptr ? &key->gate : nullptr;
}

void Permit::note_sent_key(std::string_view digest) {
  if (lane_->settings_.keys[key_] == digest) return;
  never_sent();
  key_id_ = 0;
}

void Permit::note_limits(const RateLimits& limits) {
  if (resilience::RateGate* gate = this->gate()) gate->learn(lane_->now(), limits);
}

void Permit::succeeded(bool streamed) {
  is_judged_ = true;
  const MonoTime now = lane_->now();
  const Duration took = now - started();
  lane_->health_.on_success(now, started());
  // A success of a call from before it opened changes nothing.
  if (lane_->state() == resilience::Health::State::closed || lane_->state() == resilience::Health::State::slow_start)
    lane_->last_error_.clear();
  lane_->note_health({});
  if (resilience::RateGate* gate = this->gate()) gate->on_accepted(now, started());
  (streamed ? lane_->first_token_ : lane_->whole_answer_).add(now, took);
  if (streamed) lane_->concurrency_.on_first_token(took);
  lane_->poke();
}

void Permit::failed(const providers::Signal& signal) {
  is_judged_ = lane_->on_signal(key_id_, signal, started());
  lane_->poke();
}

void Permit::broke_off() {
  lane_->health_.on_stream_failure(lane_->now(), lane_->rng_, started());
  lane_->last_error_ = "broke_off";
  lane_->note_health("broke_off");
}

void Permit::outrun() {
  if (is_probe_ && !is_judged_) failed({providers::SignalKind::health, "outrun", {}});
}

void Permit::settle(std::uint64_t tokens) {
  if (std::exchange(is_settled_, true)) return;
  if (resilience::RateGate* gate = this->gate()) gate->settle(reservation_, lane_->now(), tokens);
}

void Permit::never_sent() {
  if (std::exchange(is_settled_, true)) return;
  if (resilience::RateGate* gate = this->gate()) gate->cancel(reservation_, lane_->now());
}

// ---- Lane ------------------------------------------------------------------------------------------------------------

Lane::Lane(io::World world, std::string name, std::string model, Settings settings, const Log& log)
    : world_(world),
      rng_(world.rng.fork()),
      name_(std::move(name)),
      model_(std::move(model)),
      settings_(std::move(settings)),
      log_(log),
      health_(settings_.health),
      concurrency_(settings_.concurrency),
      queue_({settings_.depth}),
      first_token_({}),
      whole_answer_({}),
      retries_({.ratio = settings_.retry_ratio}),
      hedges_({.ratio = settings_.hedge_ratio, .burst = k_hedge_burst}),
      keys_(new_keys(settings_)),
      last_used_(world.loop.now()) {}

Lane::~Lane() { OR_CHECK(waiters_.empty()); }

std::vector<Lane::Key> Lane::new_keys(const Settings& settings) {
  std::vector<Key> keys(key_count(settings), Key{resilience::RateGate(settings.rate), {}, {}, 0});
  for (Key& key : keys) key.id = ++last_key_id_;
  return keys;
}

void Lane::configure(Settings settings) {
  std::vector<Key> keys = new_keys(settings);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto known = i < settings.keys.size() ? std::find(settings_.keys.begin(), settings_.keys.end(), settings.keys[i])
                                                : settings_.keys.end();
    const bool is_clients = settings.keys.empty() && settings_.keys.empty();
    if (!is_clients && known == settings_.keys.end()) continue;
    const Key& same = keys_[is_clients ? 0 : static_cast<std::size_t>(known - settings_.keys.begin())];
    keys[i].id = same.id;
    keys[i].gate = same.gate;
    keys[i].gate.configure(settings.rate);
  }
  if (settings.concurrency != settings_.concurrency || settings.rate != settings_.rate) queue_.forget_rate();
  keys_ = std::move(keys);
  settings_ = std::move(settings);
  health_.configure(settings_.health);
  concurrency_.configure(settings_.concurrency);
  queue_.configure({settings_.depth});
  retries_.configure({.ratio = settings_.retry_ratio});
  hedges_.configure({.ratio = settings_.hedge_ratio, .burst = k_hedge_burst});
  poke();
}

Lane::Key* Lane::key_by(std::uint64_t id) {
  const auto found = std::ranges::find(keys_, id, &Key::id);
  return found != keys_.end() ? &*found : nullptr;
}

std::optional<Lane::BestKey> Lane::best_key(std::uint64_t tokens) const {
  const MonoTime now = this->now();
  std::optional<BestKey> best;
  for (std::size_t turn = 0; turn < keys_.size(); ++turn) {
    const std::size_t i = (next_key_ + turn) % keys_.size();
    if (keys_[i].is_set_aside(now)) continue;
    const MonoTime earliest = std::max(keys_[i].gate.earliest(now, tokens), now);
    if (!best || earliest < best->earliest) best = BestKey{i, earliest};
  }
  return best;
}

Look Lane::look_past_queue(std::uint64_t tokens) const {
  const MonoTime now = this->now();
  const auto key = best_key(tokens);
  if (health_.forced_open() || !key) return {Readiness::shut, now};
  const auto admission = health_.look(now);
  if (admission == resilience::Health::Admission::refused) {
    if (const auto reopens = health_.reopens_at()) return {Readiness::resting, *reopens};
    if (health_.state(now) == resilience::Health::State::slow_start) return {Readiness::busy, now};
    // Somebody else's probe is out; who waits is told how it ends.
    const MonoTime usual = health_.probe_since() + first_token_.at(0.5).value_or(k_probe_unknown);
    return {Readiness::resting, now < usual ? usual : probe_due()};
  }
  if (key->earliest > now) return {Readiness::paced, key->earliest};
  if (!concurrency_.has_room()) return {Readiness::busy, now};
  if (admission == resilience::Health::Admission::probe && guard_ != nullptr) {
    if (const auto when = guard_->hold_probe(*this)) return {Readiness::resting, *when};
  }
  return {admission == resilience::Health::Admission::probe ? Readiness::probe : Readiness::ready, now};
}

bool Lane::is_open() const {
  const MonoTime now = this->now();
  if (health_.state(now) != resilience::Health::State::closed) return false;
  return std::any_of(keys_.begin(), keys_.end(),
                     [now](const Key& key) { return !key.is_set_aside(now) && key.gate.closed_for(now) == Duration(0); });
}

MonoTime Lane::probe_due() const {
  const Duration usual = probe_streams_ ? first_token_.at(k_probe_usual).value_or(k_first_token_unknown)
                                        : whole_answer_.at(k_probe_usual).value_or(k_whole_answer_unknown);
  return health_.probe_since() + std::max(usual, k_probe_patience);
}

// One that hangs, or is just a long answer, would keep everybody out until it ends.
void Lane::end_overdue_probe() {
  if (!health_.probe_is_out() || now() < probe_due()) return;
  health_.on_probe_overdue(now());
  note_health("overdue");
}

// Keys take turns, so each has its share of those who wait.
resilience::FairQueue::Supply Lane::supply(const resilience::Ticket& ticket) const {
  const MonoTime now = this->now();
  const resilience::FairLane::Ahead ahead = queue_.ahead(ticket);
  const double share = 1 / static_cast<double>(keys_.size());
  const resilience::RateGate::Before before{static_cast<std::uint64_t>(ahead.count * share),
                                            static_cast<std::uint64_t>(ahead.cost * share)};
  resilience::FairQueue::Supply supply{look_past_queue(ticket.cost).at, MonoTime::max()};
  for (const Key& key : keys_) {
    if (key.is_set_aside(now)) continue;
    supply.paced = std::min(supply.paced, key.gate.earliest(now, ticket.cost, before));
  }
  if (supply.paced == MonoTime::max()) supply.paced = now;  // no key is left, so no gate matters
  return supply;
}

Look Lane::look(const resilience::Ticket& ticket, bool has_turn) const {
  Look look = look_past_queue(ticket.cost);
  if (has_turn || queue_.empty()) return look;
  // Others were here first.
  const bool can_go = look.readiness == Readiness::ready || look.readiness == Readiness::probe;
  if (can_go) look.readiness = Readiness::busy;
  if (look.readiness == Readiness::busy || look.readiness == Readiness::paced) {
    look.at = now() + queue_.predicted_wait(now(), ticket, supply(ticket));
  }
  return look;
}

std::optional<Permit> Lane::acquire(const resilience::Ticket& ticket, bool has_turn) {
  const std::uint64_t tokens = ticket.cost;
  const Look found = look(ticket, has_turn);
  if (found.readiness != Readiness::ready && found.readiness != Readiness::probe) return std::nullopt;
  const MonoTime now = this->now();
  queue_.set_open(now, is_open());
  const auto admission = health_.admit(now);
  const bool has_room = concurrency_.try_acquire();
  OR_CHECK(has_room && admission != resilience::Health::Admission::refused);
  const std::size_t key = best_key(tokens)->key;
  next_key_ = (key + 1) % keys_.size();
  if (admission == resilience::Health::Admission::probe) probe_streams_ = ticket.cls == resilience::QueueClass::streaming;
  last_used_ = now;
  queue_.on_served(now, tokens);
  return Permit(*this, key, admission == resilience::Health::Admission::probe, keys_[key].gate.reserve(now, tokens));
}

// What a failed try says about this target. True: it was evidence about its health.
bool Lane::on_signal(std::uint64_t key_id, const providers::Signal& signal, MonoTime started) {
  const MonoTime now = this->now();
  Key* key = key_by(key_id);
  switch (signal.kind) {
    case providers::SignalKind::ok:
    case providers::SignalKind::client_fault:
    case providers::SignalKind::unfit:
      if (key != nullptr) key->gate.on_accepted(now, started);
      return false;
    case providers::SignalKind::health:
      health_.on_failure(now, rng_, started);
      last_error_ = signal.code.empty() ? "unknown" : signal.code;
      note_health(signal.code);
      return true;
    case providers::SignalKind::rate:
      if (key != nullptr) key->gate.on_rejected(now, signal.retry_after, rng_, started);
      note_change();
      return false;
    case providers::SignalKind::quota:
    case providers::SignalKind::credential:
      break;
  }
  // A client's own credential is the client's business: the next one who comes with it hears so from the provider itself.
  if (key != nullptr && !settings_.keys.empty()) {
    key->set_aside_until = now + k_set_aside;
    key->why = signal.code;
    if (log_) {
      log_(LogLevel::error, fmt::format("{}: key {} of {} was refused ({}) and is set aside for {} min or until the "
                                        "configuration is read again",
                                        name_, key - keys_.data() + 1, keys_.size(), signal.code,
                                        std::chrono::duration_cast<std::chrono::minutes>(k_set_aside).count()));
    }
    note_change();
  }
  return false;
}

void Lane::note_health(std::string_view why) {
  using State = resilience::Health::State;
  const State state = health_.state(now());
  if (state == State::open) note_change();
  if (state == std::exchange(told_state_, state) || !log_) return;
  if (state == State::open) {
    const auto at = health_.reopens_at();
    log_(LogLevel::warning,
         fmt::format("{}: taken out after {} failures in a row, {:.0f} % lately (last: {}); next try in {:.1f} s", name_,
                     health_.failures_in_a_row(), 100 * health_.failure_rate(now()), why, at ? seconds(*at - now()) : 0.0));
  } else if (state == State::slow_start) {
    log_(LogLevel::info, fmt::format("{}: answers again", name_));
  }
}

void Lane::note_change() {
  has_changed_ = true;
  poke();
}

Lane::Place Lane::wait(Waiter& waiter, const resilience::Ticket& ticket) {
  const auto supply = this->supply(ticket);
  queue_.set_open(now(), is_open());
  const auto pushed = queue_.push(now(), ticket, supply);
  if (pushed.refused) return {0, pushed.refused};
  waiters_.emplace(pushed.id, &waiter);
  if (pushed.displaced) {
    displaced_.push_back(pushed.displaced->id);
    poke();
  }
  arm(std::max(supply.opens, now()));
  if (const auto due = queue_.next_deadline()) arm(*due);
  return {pushed.id, {}};
}

void Lane::leave(std::uint64_t id) {
  queue_.remove(id);
  waiters_.erase(id);
  poke();
}

Duration Lane::retry_after(const resilience::Ticket& ticket) const {
  return queue_.retry_after(now(), ticket, supply(ticket));
}

void Lane::poke() {
  if (!waiters_.empty()) arm(now());
}

void Lane::arm(MonoTime when) {
  if (timer_.pending() && timer_at_ <= when) return;
  timer_at_ = when;
  timer_ = world_.loop.at(when, [this] { serve_queue(); });
}

// Every call out may change everything here.
void Lane::serve_queue() {
  const auto self = shared_from_this();
  const MonoTime now = this->now();
  end_overdue_probe();
  queue_.set_open(now, is_open());
  for (const std::uint64_t id : std::exchange(displaced_, {})) tell(id, Waiter::Turn::displaced);
  for (const std::uint64_t id : queue_.expire(now)) tell(id, Waiter::Turn::overdue);
  if (std::exchange(has_changed_, false)) {
    std::vector<std::uint64_t> all;
    while (const auto ticket = queue_.pop(now)) all.push_back(ticket->id);
    for (const std::uint64_t id : all) tell(id, Waiter::Turn::changed);
  }
  while (const auto ticket = queue_.peek(now)) {
    const Look look = look_past_queue(ticket->cost);
    if (look.readiness == Readiness::paced || look.readiness == Readiness::resting) arm(look.at);
    // Slow start ends by the clock alone.
    if (look.readiness == Readiness::busy && health_.state(now) == resilience::Health::State::slow_start) {
      arm(health_.slow_start_ends_at());
    }
    if (look.readiness == Readiness::shut) {
      note_change();
      break;
    }
    if (look.readiness != Readiness::ready && look.readiness != Readiness::probe) break;
    queue_.pop(now);
    tell(ticket->id, Waiter::Turn::go);
  }
  if (const auto due = queue_.next_deadline(); due && !waiters_.empty()) arm(*due);
}

void Lane::tell(std::uint64_t id, Waiter::Turn turn) {
  const auto found = waiters_.find(id);
  if (found == waiters_.end()) return;
  Waiter& waiter = *found->second;
  waiters_.erase(found);
  waiter.on_turn(turn);
}

void Lane::force_open() {
  health_.force_open(now());
  note_change();
}

void Lane::force_close() {
  health_.force_close(now());
  last_error_.clear();
  for (Key& key : keys_) {
    key.set_aside_until.reset();
    key.gate.open();
  }
  poke();
}

void Lane::advise_gate(std::size_t key, MonoTime until) {
  if (key < keys_.size()) keys_[key].gate.close_until(now(), until);
  poke();
}

void Lane::advise_rest(MonoTime until) {
  health_.advise_open(now(), until);
  note_health("another replica says so");
}

void Lane::advise_probe() {
  health_.advise_probe(now());
  poke();
}

void Lane::note_others(std::size_t key, Duration over, std::uint64_t requests, std::uint64_t tokens) {
  if (key < keys_.size()) keys_[key].gate.note_others(now(), over, requests, tokens);
}

void Lane::set_others(std::size_t key, std::uint32_t others) {
  if (key < keys_.size()) keys_[key].gate.set_others(others);
  poke();
}

Duration Lane::gate_closed_for() const {
  const MonoTime now = this->now();
  Duration least = Duration::max();
  for (const Key& key : keys_) least = std::min(least, key.gate.closed_for(now));
  return least;
}

bool Lane::is_idle() const {
  if (!is_unused() || health_.forced_open()) return false;
  // After so long nothing that was told or learned holds any more.
  if (now() - last_used_ > resilience::RateGate::k_told_max_age) return true;
  const auto state = health_.state(now());
  const bool is_no_news = state == resilience::Health::State::closed || state == resilience::Health::State::untried;
  return is_no_news && !keys_.front().gate.limited();
}

}  // namespace outrigger::proxy
