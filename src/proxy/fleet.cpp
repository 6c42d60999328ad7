#include "proxy/fleet.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::proxy {
namespace {

using std::chrono::milliseconds;

// Of a round trip; nobody waits for it. Longer than a lookup's, so that a Redis which is a little slow still serves for this.
constexpr Duration k_round_trip = 100ms;
constexpr Duration k_minute = 1min;
// How finely what was sent in the last minute is known.
constexpr Duration k_history_step = 5s;
// Ids are remembered, up to so many: an HMAC for every lane in every round would be dear.
constexpr std::size_t k_ids_max = 4096;
// 128 bits of an HMAC name a thing well enough.
constexpr std::size_t k_id_size = 32;
// More in one go is damage.
constexpr std::int64_t k_sent_max = 1'000'000'000;

std::string new_name(Rng& rng) { return fmt::format("{:016x}", rng.next()); }

milliseconds in_millis(Duration d) { return std::chrono::duration_cast<milliseconds>(std::max(d, Duration(0))); }

std::uint64_t sent_since(std::int64_t now, std::int64_t before) {
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(now - before, 0, k_sent_max));
}

cache::RedisSettings patient(cache::RedisSettings settings) {
  settings.timeout = std::max(settings.timeout, k_round_trip);
  return settings;
}

}  // namespace

Fleet::Fleet(io::World world, cache::RedisSettings settings, Lanes& lanes)
    : world_(world),
      lanes_(lanes),
      patience_(settings.timeout),
      rng_(world.rng.fork()),
      board_(world, settings, new_name(rng_), patient(settings).timeout) {
  lanes_.set_guard(this);
}

Fleet::~Fleet() { lanes_.set_guard(nullptr); }

void Fleet::set_secret(std::string_view secret) {
  auto keys = std::make_unique<chat::KeyMaker>(secret);
  if (keys_ != nullptr && keys_->key("fleet") == keys->key("fleet")) return;
  keys_ = std::move(keys);
  ids_.clear();
  accounts_.clear();
  targets_.clear();
  target_of_.clear();
  board_.open();
  arm(0ns);
}

std::size_t Fleet::replicas() const {
  const auto alive = std::count_if(peers_.begin(), peers_.end(), [](const auto& peer) { return peer.second.is_alive; });
  return static_cast<std::size_t>(alive) + 1;
}

// ---- the round

void Fleet::arm(Duration after) {
  const MonoTime when = world_.loop.now() + after;
  if (timer_.pending() && timer_at_ <= when) return;
  timer_at_ = when;
  timer_ = world_.loop.at(when, [this] { tick(); });
}

void Fleet::tick() {
  if (!is_asking_) {
    FleetNote note = compose();
    is_busy_ = !note.accounts.empty() || !note.targets.empty();
    is_asking_ = board_.exchange(write(note), [this](auto notes) { on_notes(std::move(notes)); });
  }
  forget_silent();
  for (const auto& [who, peer] : peers_) is_busy_ = is_busy_ || !peer.note.accounts.empty() || !peer.note.targets.empty();
  // Not in step with the others.
  const double period = static_cast<double>((is_busy_ ? k_period : k_idle_period).count());
  arm(Duration(static_cast<Duration::rep>(period * (0.9 + 0.2 * rng_.unit()))));
}

void Fleet::on_notes(std::optional<std::vector<cache::Board::Note>> notes) {
  is_asking_ = false;
  if (!notes) return;
  const MonoTime now = world_.loop.now();
  for (const cache::Board::Note& said : *notes) {
    auto note = read_fleet_note(said.text);
    if (!note) continue;
    const auto [found, is_new] = peers_.try_emplace(said.who);
    Peer& peer = found->second;
    if (!is_new && note->number <= peer.note.number) continue;
    peer.is_alive = !is_new;
    peer.note = std::move(*note);
    peer.heard_at = now;
    if (peer.is_alive) hear(said.who, peer.note);
  }
  count_others();
}

void Fleet::forget_silent() {
  const MonoTime now = world_.loop.now();
  if (std::erase_if(peers_, [&](const auto& peer) { return now - peer.second.heard_at > k_silence; }) == 0) return;
  for (auto& [id, target] : targets_) {
    std::erase_if(target.heard, [this](const auto& heard) { return !peers_.contains(heard.first); });
  }
  // Who comes back is believed to have sent evenly since, so accounts remember for as long as that matters.
  for (auto& [id, account] : accounts_) {
    std::erase_if(account.heard, [now](const auto& heard) { return now - heard.second.at > 2 * k_minute; });
  }
  count_others();
}

// ---- what this replica knows

const std::string& Fleet::id_of(std::string_view kind, std::string_view name) {
  std::string what = fmt::format("outrigger fleet {}\n{}", kind, name);
  if (const auto found = ids_.find(what); found != ids_.end()) return found->second;
  if (ids_.size() >= k_ids_max) ids_.clear();
  std::string id = chat::hex(keys_->key(what)).substr(0, k_id_size);
  return ids_.emplace(std::move(what), std::move(id)).first->second;
}

void Fleet::on_new_lane(std::string_view key, Lane& lane) {
  if (keys_ == nullptr) return;
  track(key, lane);
  // What the others have said until now holds for it, too.
  for (const auto& [who, peer] : peers_) {
    if (peer.is_alive) hear(who, peer.note);
  }
  count_others();
  arm(0ns);
}

void Fleet::track(std::string_view key, Lane& lane) {
  Target& target = targets_[id_of("target", key)];
  if (target.lane.lock().get() != &lane) {
    std::erase_if(target_of_, [&](const auto& old) { return old.second == &target; });
    target = {};
    target.lane = lane.weak_from_this();
    target.probe = std::make_shared<ProbeLock>(world_.loop, board_, id_of("target", key), patience_);
    target_of_[&lane] = &target;
  }
  target.round = round_;
  const std::vector<std::string>& keys = lane.settings().keys;
  if (keys.empty()) return track_account(std::string(key), lane, 0);
  for (std::size_t i = 0; i < keys.size(); ++i) track_account(lane.name() + "\n" + keys[i], lane, i);
}

void Fleet::track_account(const std::string& name, Lane& lane, std::size_t key) {
  Account& account = accounts_[id_of("account", name)];
  if (account.lane.lock().get() != &lane) {
    account = {};
    account.lane = lane.weak_from_this();
    account.told.life = ++lives_;
  }
  account.key = key;
  account.round = round_;
}

FleetNote Fleet::compose() {
  FleetNote note;
  note.number = ++number_;
  ++round_;
  lanes_.each_known([this](std::string_view key, Lane& lane) { track(key, lane); });
  std::erase_if(accounts_, [this](const auto& account) { return account.second.round != round_; });
  std::erase_if(target_of_, [this](const auto& target) { return target.second->round != round_; });
  std::erase_if(targets_, [this](const auto& target) { return target.second.round != round_; });
  // More than that at a time are not shared: they are clients' own credentials, and each replica is careful by itself.
  for (auto& [id, account] : accounts_) {
    if (update(account, id) && note.accounts.size() < FleetNote::k_entries_max) note.accounts.push_back(account.told);
  }
  for (auto& [id, target] : targets_) {
    if (update(target, id) && note.targets.size() < FleetNote::k_entries_max) note.targets.push_back(target.told);
  }
  return note;
}

bool Fleet::update(Account& account, const std::string& id) {
  const auto lane = account.lane.lock();
  if (lane == nullptr || account.key >= lane->keys().size()) return false;
  const MonoTime now = world_.loop.now();
  const resilience::RateGate& gate = lane->keys()[account.key].gate;
  const resilience::RateGate::Sent& sent = gate.sent();
  FleetNote::Account& told = account.told;
  auto& history = account.history;
  if (history.empty() || now - history.rbegin()->first >= k_history_step)
    history.emplace(now, history.empty() ? resilience::RateGate::Sent{} : sent);
  while (history.size() > 1 && std::next(history.begin())->first <= now - k_minute) history.erase(history.begin());

  const bool is_in_use = sent.requests != told.requests || sent.tokens != told.tokens ||
                         gate.rejections() != told.rejections || gate.closed_for(now) > 0s || !lane->queue().empty();
  if (is_in_use) account.changed_at = now;
  told.id = id;
  told.requests = sent.requests;
  told.tokens = sent.tokens;
  told.minute_requests = sent_since(sent.requests, history.begin()->second.requests);
  told.minute_tokens = sent_since(sent.tokens, history.begin()->second.tokens);
  told.over = in_millis(now - history.begin()->first);
  told.rejections = gate.rejections();
  told.closed_for = in_millis(gate.closed_for(now));
  return account.changed_at > now - k_lately;
}

bool Fleet::update(Target& target, const std::string& id) {
  const auto lane = target.lane.lock();
  if (lane == nullptr) return false;
  const MonoTime now = world_.loop.now();
  target.probe->tick(*lane);
  const resilience::Health& health = lane->health();
  const resilience::Health::State state = health.state(now);
  const bool is_well = state == resilience::Health::State::closed || state == resilience::Health::State::untried;
  const bool is_news = !is_well || health.trips() != target.told.trips || health.recoveries() != target.told.recoveries;
  if (is_news && !health.forced_open()) target.changed_at = now;
  const auto reopens = health.reopens_at();
  target.told = {id, health.trips(), reopens ? in_millis(*reopens - now) : milliseconds(0), health.recoveries()};
  return target.changed_at > now - k_lately;
}

std::optional<MonoTime> Fleet::hold_probe(const Lane& lane) {
  const auto found = target_of_.find(&lane);
  if (found == target_of_.end()) return {};
  const auto alive = found->second->lane.lock();
  return alive.get() != &lane ? std::nullopt : found->second->probe->hold(*alive);
}

// ---- what the others say

void Fleet::hear(const std::string& who, const FleetNote& note) {
  const MonoTime heard_at = peers_[who].heard_at;
  for (const FleetNote::Account& theirs : note.accounts) {
    if (const auto ours = accounts_.find(theirs.id); ours != accounts_.end()) hear(who, ours->second, theirs, heard_at);
  }
  for (const FleetNote::Target& theirs : note.targets) {
    if (const auto ours = targets_.find(theirs.id); ours != targets_.end()) hear(who, ours->second, theirs, heard_at);
  }
}

void Fleet::hear(const std::string& who, Account& account, const FleetNote::Account& theirs, MonoTime heard_at) {
  const auto lane = account.lane.lock();
  if (lane == nullptr) return;
  const auto [found, is_first] = account.heard.try_emplace(who);
  Heard& heard = found->second;
  if (is_first || heard.life != theirs.life || heard_at - heard.at > k_minute) {
    lane->note_others(account.key, theirs.over, std::min<std::uint64_t>(theirs.minute_requests, k_sent_max),
                      std::min<std::uint64_t>(theirs.minute_tokens, k_sent_max));
    if (heard.life != theirs.life) heard = {theirs.life, theirs.requests, theirs.tokens, 0, heard_at};
  } else {
    lane->note_others(account.key, heard_at - heard.at, sent_since(theirs.requests, heard.requests),
                      sent_since(theirs.tokens, heard.tokens));
  }
  if (theirs.rejections != heard.rejections && theirs.closed_for > 0ms) {
    lane->advise_gate(account.key, heard_at + theirs.closed_for);
  }
  heard.requests = std::max(heard.requests, theirs.requests);
  heard.tokens = std::max(heard.tokens, theirs.tokens);
  heard.rejections = theirs.rejections;
  heard.at = heard_at;
}

void Fleet::hear(const std::string& who, Target& target, const FleetNote::Target& theirs, MonoTime heard_at) {
  const auto lane = target.lane.lock();
  if (lane == nullptr) return;
  const auto [found, is_first] = target.heard.try_emplace(who);
  HeardTarget& heard = found->second;
  if (is_first) heard.recoveries = theirs.recoveries;
  if (theirs.trips != heard.trips && theirs.rest > 0ms) {
    const MonoTime until = heard_at + std::min<Duration>(theirs.rest, lane->settings().health.max_open);
    lane->advise_rest(until);
    target.probe->rest(until);
  }
  if (theirs.recoveries != heard.recoveries && theirs.rest == 0ms) {
    target.probe->free(heard_at);
    lane->advise_probe();
  }
  heard = {theirs.trips, theirs.recoveries};
}

void Fleet::count_others() {
  for (auto& [id, account] : accounts_) account.counted = 0;
  for (const auto& [who, peer] : peers_) {
    if (!peer.is_alive) continue;
    for (const FleetNote::Account& theirs : peer.note.accounts) {
      if (const auto ours = accounts_.find(theirs.id); ours != accounts_.end()) ++ours->second.counted;
    }
  }
  for (auto& [id, account] : accounts_) {
    if (account.others == account.counted) continue;
    account.others = account.counted;
    if (const auto lane = account.lane.lock()) lane->set_others(account.key, account.others);
  }
}

}  // namespace outrigger::proxy
