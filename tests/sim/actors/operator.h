// Operator: calls the admin doors at random, as dashboards, probes and people do, and notes purges.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/actors/answer_wire.h"
#include "sim/actors/asking.h"
#include "sim/actors/node.h"

namespace outrigger::sim {

class Operator {
 public:
  Operator(SimWorld& world, History& history, std::vector<std::unique_ptr<Node>>& nodes, Rng rng);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // `bold`: reloads, too.
  void start(Duration every, bool bold);
  void stop();
  [[nodiscard]] std::size_t busy() const { return calls_.size(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  class Call;
  void act();
  void call(std::size_t node, std::string wire, int wanted_status, Purge purge);
  void change_settings(Settings& settings);
  [[nodiscard]] std::string explain();
  [[nodiscard]] std::string purge(Purge& purge);

  SimWorld& world_;
  History& history_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  Rng rng_;
  Duration every_{};
  bool bold_ = false;
  std::uint64_t answered_ = 0;
  std::uint64_t next_call_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
  io::Timer timer_;
};

}  // namespace outrigger::sim
