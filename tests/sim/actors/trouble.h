// Trouble: what goes wrong with the world, drawn from the seed: providers, wires, Redis, clocks, processes. One piece of trouble
// after the other, several at once, each with an end; calm() ends them all.
#pragma once

#include <memory>
#include <vector>

#include "sim/actors/node.h"
#include "sim/actors/provider_actor.h"
#include "sim/world/sim_redis.h"

namespace outrigger::sim {

struct TroublePlan {
  bool clocks = false;  // calendar time jumps
  bool kills = false;   // instances are killed and started again
};

class Trouble {
 public:
  Trouble(SimWorld& world, History& history, std::vector<std::unique_ptr<ProviderActor>>& providers,
          std::vector<std::unique_ptr<Node>>& nodes, SimRedis* redis, TroublePlan plan, Rng rng);

  // A new piece of it every `every`, on average.
  void start(Duration every);
  void calm();

 private:
  void strike();
  void strike_provider(std::size_t which);
  void strike_wire(const io::Address& at);
  void strike_redis();
  void strike_process();
  void heal_provider(std::size_t which);
  void heal_wire(const io::Address& at);
  void heal_redis();
  [[nodiscard]] Duration up_to(Duration most);
  void later(Duration after, std::move_only_function<void()> heal);

  SimWorld& world_;
  History& history_;
  std::vector<std::unique_ptr<ProviderActor>>& providers_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  SimRedis* redis_;
  TroublePlan plan_;
  Rng rng_;
  Duration every_{};
  io::Timer next_;
  std::vector<io::Timer> heals_;
};

}  // namespace outrigger::sim
