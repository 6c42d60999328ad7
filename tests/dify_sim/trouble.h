// Trouble: what goes wrong at one Dify, drawn from the seed: its answers, the wire to it. One piece after the other, each with an end.
#pragma once

#include "dify_sim/dify.h"

namespace outrigger::dify_sim {

class Trouble {
 public:
  // `breaks_links`: the wire has faults, too.
  Trouble(sim::SimWorld& world, Dify& dify, bool breaks_links, Rng rng);

  // A new piece of it every `every`, on average, until calm().
  void start(Duration every);
  void calm();

 private:
  void strike();
  void break_wire();
  void heal();
  [[nodiscard]] Duration up_to(Duration most);

  sim::SimWorld& world_;
  Dify& dify_;
  bool breaks_links_;
  Rng rng_;
  Duration every_{};
  io::Timer next_, heal_;
};

// Something that a Dify does wrong, anything.
[[nodiscard]] sim_dify::Fault any_fault(Rng& rng);

}  // namespace outrigger::dify_sim
