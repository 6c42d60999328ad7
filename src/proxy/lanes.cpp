#include "proxy/lanes.h"

#include <algorithm>

#include "chat/digest.h"

namespace outrigger::proxy {
namespace {

// How soon it is looked again whether a target that nobody names any more is still in use.
constexpr Duration k_forget_again = 1s;

// What an account's lane of a target is known by. '\n' stands in neither.
std::string key_of(std::string_view target, std::string_view account) {
  std::string key(target);
  key.append("\n").append(account);
  return key;
}

// [[target]] says it, or the [[model]] that the target is asked by; else the defaults hold.
Lane::Settings settings_of(const Link& link) {
  static const config::Model k_defaults;
  const config::Model& model = link.settings != nullptr ? *link.settings : k_defaults;
  const config::TargetTraits* traits = link.traits;
  const config::Breaker& breaker = traits != nullptr && traits->breaker ? *traits->breaker : model.breaker;
  const config::Rate& rate = traits != nullptr && traits->rate ? *traits->rate : model.rate;
  const config::Concurrency& concurrency =
      traits != nullptr && traits->concurrency ? *traits->concurrency : model.concurrency;

  Lane::Settings settings;
  settings.health = {breaker.failures, breaker.open, breaker.max_open};
  settings.rate = {rate.requests_per_minute, rate.tokens_per_minute};
  if (concurrency.fixed) {
    settings.concurrency = {.kind = resilience::Concurrency::Kind::fixed, .limit = *concurrency.fixed};
  } else if (concurrency.adaptive) {
    settings.concurrency.kind = resilience::Concurrency::Kind::adaptive;
    settings.concurrency.floor = concurrency.adaptive->min;
    settings.concurrency.ceiling = concurrency.adaptive->max;
    settings.concurrency.limit =
        std::clamp<std::uint32_t>(settings.concurrency.limit, concurrency.adaptive->min, concurrency.adaptive->max);
  }
  settings.depth = model.queue.depth;
  settings.retry_ratio = model.retry.budget;
  if (model.hedge) settings.hedge_ratio = model.hedge->budget;
  for (const config::Secret& key : link.destination.target->upstream->keys) {
    settings.keys.push_back(chat::sha256_hex(key.text));
  }
  return settings;
}

}  // namespace

Lanes::~Lanes() = default;

void Lanes::reconfigure(const Snapshot& current) {
  current_ = &current;
  ++generation_;
  upstreams_.clear();
  for (const Target& target : current.targets()) upstreams_.insert(target.upstream->name);
  forget_gone();
}

bool Lanes::is_gone(std::string_view upstream) const { return current_ != nullptr && !upstreams_.contains(upstream); }

void Lanes::forget_gone() {
  bool is_any_left = false;
  std::erase_if(known_, [&](const auto& entry) {
    const auto& [key, known] = entry;
    if (!is_gone(std::string_view(key).substr(0, key.find_first_of(":\n")))) return false;
    const bool is_unused = known.lane.use_count() == 1 && known.lane->is_unused();
    is_any_left = is_any_left || !is_unused;
    return is_unused;
  });
  if (is_any_left) forgetting_ = world_.loop.after(k_forget_again, [this] { forget_gone(); });
}

std::shared_ptr<Lane> Lanes::of(const Link& link, std::string_view account) {
  const config::Upstream& upstream = *link.destination.target->upstream;
  if (!upstream.keys.empty() || !link.passes_credential) account = {};
  std::string key = key_of(link.name, account);
  auto found = known_.find(key);
  if (found == known_.end() && !has_place()) {
    key = key_of(upstream.name, {});
    found = known_.find(key);
  }
  const std::string& identity = link.destination.target->identity;
  if (found != known_.end() && found->second.identity != identity) {
    if (!is_current(link)) return new_lane(link, key);  // of a request from before the URL was changed; nobody else's
    known_.erase(found);
    found = known_.end();
  }
  if (found == known_.end()) {
    auto lane = new_lane(link, key);
    if (forced_.contains(lane->name())) lane->force_open();
    lane->set_guard(guard_);
    found = known_.emplace(std::move(key), Known{std::move(lane), is_current(link) ? generation_ : 0, identity}).first;
    if (guard_ != nullptr) guard_->on_new_lane(found->first, *found->second.lane);
    // Of a request that began before the upstream went.
    if (is_gone(upstream.name)) forgetting_ = world_.loop.after(k_forget_again, [this] { forget_gone(); });
  }
  Known& known = found->second;
  if (is_current(link) && known.generation != generation_) {
    known.lane->configure(settings_of(link));
    known.generation = generation_;
  }
  return known.lane;
}

std::shared_ptr<Lane> Lanes::new_lane(const Link& link, std::string_view key) {
  const std::string& upstream = link.destination.target->upstream->name;
  const std::string name(key.substr(0, key.find('\n')));
  const std::string model = name.size() > upstream.size() ? name.substr(upstream.size() + 1) : std::string();
  return std::make_shared<Lane>(world_, name, model, settings_of(link), log_);
}

// Is there a place for one more, if need be of the one that was idle longest?
bool Lanes::has_place() {
  if (known_.size() < k_lanes_max) return true;
  auto oldest = known_.end();
  for (auto i = known_.begin(); i != known_.end(); ++i) {
    const Lane& lane = *i->second.lane;
    if (i->second.lane.use_count() > 1 || !lane.is_idle()) continue;
    if (oldest == known_.end() || lane.last_used() < oldest->second.lane->last_used()) oldest = i;
  }
  if (oldest == known_.end()) return false;
  known_.erase(oldest);
  return true;
}

void Lanes::each(const std::function<void(const Lane& lane)>& visit) const {
  for (const auto& [key, known] : known_) visit(*known.lane);
}

void Lanes::set_guard(LaneGuard* guard) {
  guard_ = guard;
  for (const auto& [key, known] : known_) known.lane->set_guard(guard);
}

void Lanes::each_known(const std::function<void(std::string_view key, Lane& lane)>& visit) {
  for (const auto& [key, known] : known_) visit(key, *known.lane);
}

bool Lanes::force_open(std::string_view target) {
  bool any = false;
  for (const auto& [key, known] : known_) {
    if (known.lane->name() != target) continue;
    known.lane->force_open();
    any = true;
  }
  if (any) forced_.emplace(target);
  return any;
}

bool Lanes::force_close(std::string_view target) {
  bool any = false;
  for (const auto& [key, known] : known_) {
    if (known.lane->name() != target) continue;
    known.lane->force_close();
    any = true;
  }
  if (const auto shut = forced_.find(target); shut != forced_.end()) forced_.erase(shut);
  return any;
}

}  // namespace outrigger::proxy
