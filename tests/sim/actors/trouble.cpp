#include "sim/actors/trouble.h"

#include <algorithm>

namespace outrigger::sim {

Trouble::Trouble(SimWorld& world, History& history, std::vector<std::unique_ptr<ProviderActor>>& providers,
                 std::vector<std::unique_ptr<Node>>& nodes, SimRedis* redis, TroublePlan plan, Rng rng)
    : world_(world), history_(history), providers_(providers), nodes_(nodes), redis_(redis), plan_(plan), rng_(rng) {}

Duration Trouble::up_to(Duration most) {
  return Duration(static_cast<Duration::rep>(rng_.below(static_cast<std::uint64_t>(most.count()))));
}

void Trouble::start(Duration every) {
  every_ = every;
  next_ = world_.loop.after(up_to(every_ * 2), [this] {
    strike();
    start(every_);
  });
}

void Trouble::later(Duration after, std::move_only_function<void()> heal) {
  std::erase_if(heals_, [](const io::Timer& timer) { return !timer.pending(); });
  heals_.push_back(world_.loop.after(after, std::move(heal)));
}

void Trouble::strike() {
  switch (rng_.below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return strike_provider(rng_.below(providers_.size()));
    case 4:
      return strike_wire(providers_[rng_.below(providers_.size())]->address());
    case 5:
      return strike_wire(Node::llm_address(rng_.below(nodes_.size())));
    case 6:
    case 7:
      if (redis_ != nullptr) return strike_redis();
      return strike_provider(0);
    case 8:
      if (!plan_.clocks) return;
      history_.wall_jumped = true;
      return world_.loop.jump_wall(up_to(2min) - 1min);
    default:
      if (plan_.kills && rng_.chance(0.5)) strike_process();
  }
}

void Trouble::strike_provider(std::size_t which) {
  std::vector<sim_provider::Fault> faults;
  for (std::uint64_t n = 1 + rng_.below(3); n > 0; --n) faults.push_back(any_fault(rng_));
  providers_[which]->provider().set_faults(std::move(faults));
  later(up_to(40s), [this, which] { heal_provider(which); });
}

void Trouble::strike_wire(const io::Address& at) {
  Site& site = world_.net.site(at);
  switch (rng_.below(10)) {
    case 0:
      site.faults.refuse = rng_.unit();
      break;
    case 1:
      site.faults.blackhole = rng_.unit() * 0.5;
      break;
    case 2:
      site.faults.reset_down = rng_.unit();
      break;
    case 3:
      site.faults.reset_up = rng_.unit() * 0.5;
      break;
    case 4:
      site.faults.stall = rng_.unit() * 0.5;
      break;
    case 5:
      site.faults.drip = rng_.unit() * 0.3;
      break;
    case 6:
      world_.net.clog(at, up_to(6s));
      break;
    case 7:
      world_.net.cut(at);
      break;
    case 8:
      site.dns_fails = rng_.chance(0.5);
      site.dns_delay = up_to(4s);
      break;
    default:
      site.shape = LinkShape::any(rng_);
  }
  later(up_to(30s), [this, at] { heal_wire(at); });
}

void Trouble::strike_redis() {
  RedisFaults& faults = redis_->server().faults;
  switch (rng_.below(12)) {
    case 0:
      redis_->freeze();
      break;
    case 1:
      redis_->go_down();
      break;
    case 2:
      redis_->forget();
      break;
    case 3:
      redis_->slow = up_to(60ms);
      break;
    case 4:
      redis_->slow_jitter = up_to(80ms);
      break;
    case 5:
      faults.full = true;
      break;
    case 6:
      faults.loading = true;
      break;
    case 7:
      faults.read_only = true;
      break;
    case 8:
      faults.rubbish = rng_.unit() * 0.2;
      break;
    case 9:
      faults.wrong_type = rng_.unit() * 0.2;
      break;
    case 10:
      faults.corrupt = rng_.unit();
      break;
    default:
      strike_wire(redis_->address());
  }
  later(up_to(30s), [this] { heal_redis(); });
}

void Trouble::strike_process() {
  const std::size_t which = rng_.below(nodes_.size());
  Node& node = *nodes_[which];
  if (!node.running()) return;
  history_.lost_ground = true;
  if (rng_.chance(0.5)) {
    node.instance().drain();
    later(up_to(8s), [&node] { node.kill(); });
  } else {
    node.kill();
  }
  node.settings.broken = false;
  later(8s + up_to(3s), [&node] {
    if (!node.running()) node.start();
  });
}

void Trouble::heal_provider(std::size_t which) { providers_[which]->provider().set_faults({}); }

void Trouble::heal_wire(const io::Address& at) {
  Site& site = world_.net.site(at);
  site.faults = {};
  site.dns_fails = false;
  site.dns_delay = {};
}

void Trouble::heal_redis() {
  redis_->thaw();
  redis_->come_up();
  redis_->slow = {};
  redis_->slow_jitter = {};
  redis_->server().faults = {};
  heal_wire(redis_->address());
}

void Trouble::calm() {
  next_.cancel();
  heals_.clear();
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    heal_provider(i);
    heal_wire(providers_[i]->address());
    world_.net.site(providers_[i]->address()).clogged_until = {};
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    heal_wire(Node::llm_address(i));
    world_.net.site(Node::llm_address(i)).clogged_until = {};
    if (nodes_[i]->running() && nodes_[i]->instance().serving()) continue;
    nodes_[i]->kill();
    nodes_[i]->start();
  }
  if (redis_ != nullptr) heal_redis();
}

}  // namespace outrigger::sim
