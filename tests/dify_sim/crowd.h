// Crowd: who asks what, and when: all kinds of requests, conversations that go on, runs that are stopped, clients that leave, dawdle
// or never read.
#pragma once

#include "core/rng.h"
#include "dify_sim/callers.h"

namespace outrigger::dify_sim {

class Crowd {
 public:
  Crowd(sim::SimWorld& world, Callers& callers, Rng rng) : world_(world), callers_(callers), rng_(rng) {}

  // `calm`: nobody leaves or dawdles, and all is to go well.
  void start(double per_second, bool calm);
  void stop() { next_.cancel(); }

 private:
  void arrive();
  [[nodiscard]] Ask any_ask();
  [[nodiscard]] Ask any_run();
  void behave(Ask& ask);
  void send(Ask ask);
  void go_on(const Outcome& first);
  void stop_soon(const Ask& run, const std::string& told);

  sim::SimWorld& world_;
  Callers& callers_;
  Rng rng_;
  double per_second_ = 1;
  bool calm_ = false;
  std::uint64_t last_mark_ = 0;
  io::Timer next_;
  std::vector<io::Timer> later_;
};

}  // namespace outrigger::dify_sim
