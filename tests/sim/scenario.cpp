#include "sim/scenario.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "sim/actors/crowd.h"
#include "sim/actors/operator.h"
#include "sim/actors/trouble.h"
#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

// What the longest lives of a stored answer are under any settings that the operator draws.
constexpr Duration k_longest_ttl = 18s;
constexpr Duration k_longest_stale = 40s;
// Upstream connections are kept for 55 s, idle clients for 75 s: after it no link of the rough times is left.
constexpr Duration k_settle = 80s;
// And nothing that was learned of providers which refused at random: a pace is forgotten after three minutes.
constexpr Duration k_unlearn = 180s;
// The largest answer has some 50,000 pieces, 0.15 ms apart.
constexpr Duration k_calm_bound = 15s;
constexpr Duration k_watch = 1s;

class Stage {
 public:
  explicit Stage(const ScenarioPlan& plan) : plan_(plan), world_(plan.seed), rng_(world_.rng.fork()) {
    world_.net.default_shape.latency = 100us * static_cast<std::int64_t>(1 + rng_.below(10));
    world_.net.default_shape.chunking = rng_.chance(0.8);
    const bool with_redis = rng_.chance(0.75);
    if (with_redis) redis_ = std::make_unique<SimRedis>(world_);
    for (const std::string name : {"main", "other"}) {
      providers_.push_back(
          std::make_unique<ProviderActor>(world_, history_, name, io::Address{"provider-" + name, 9000, false}));
    }
    const std::size_t count = rng_.chance(0.4) ? 2 : 1;
    const bool secret = rng_.chance(0.5);
    std::vector<io::Address> doors;
    for (std::size_t i = 0; i < count; ++i) {
      nodes_.push_back(
          std::make_unique<Node>(world_, history_, NodePlan{.number = i, .redis = with_redis, .secret = secret}));
      doors.push_back(Node::llm_address(i));
      nodes_.back()->start();
    }
    crowd_ = std::make_unique<Crowd>(world_, history_, doors, rng_.fork());
    operator_ = std::make_unique<Operator>(world_, history_, nodes_, rng_.fork());
    trouble_ = std::make_unique<Trouble>(world_, history_, providers_, nodes_, redis_.get(),
                                         TroublePlan{.clocks = rng_.chance(0.4), .kills = rng_.chance(0.5)}, rng_.fork());
  }

  ScenarioReport run() {
    world_.loop.run_for(1s);
    watch();
    rough();
    calm();
    rest();
    judge();
    return report();
  }

 private:
  void watch() {
    watch_ = world_.loop.after(k_watch, [this] {
      for (const auto& node : nodes_) {
        if (complaints_.size() < k_complaints_max) check_bounds(*node, complaints_);
      }
      watch();
    });
  }

  void rough() {
    crowd_->start({.asking = {}, .per_second = 9});
    operator_->start(3s, true);
    trouble_->start(6s);
    world_.loop.run_for(plan_.rough);
  }

  void calm() {
    trouble_->calm();
    for (const io::Address& at : addresses()) world_.net.site(at).shape = world_.net.default_shape;
    crowd_->disperse();
    operator_->stop();
    for (const auto& node : nodes_) {
      node->settings = {};
      if (const std::string why = node->instance().reload(); !why.empty()) complaints_.push_back("not reloaded: " + why);
    }
    world_.loop.run_for(k_settle + k_unlearn);
    crowd_->start({.asking = {}, .per_second = 15, .steady = true, .calm = true});
    operator_->start(2s, false);
    world_.loop.run_for(plan_.calm);
    crowd_->stop();
    operator_->stop();
    world_.loop.run_until([this] { return crowd_->busy() == 0 && operator_->busy() == 0; }, 60s);
  }

  void rest() {
    crowd_->disperse();
    world_.loop.run_for(k_settle);
    watch_.cancel();
    check_rest(world_, nodes_, redis_.get(), complaints_);
    // Drained and gone.
    for (const auto& node : nodes_) node->instance().drain();
    world_.loop.run_for(6s);
    for (const auto& node : nodes_) {
      if (!node->over()) complaints_.emplace_back("a drained instance with no clients does not end");
      node->kill();
    }
    world_.loop.run_for(10s);
    if (world_.net.open_streams() != 0)
      complaints_.push_back(fmt::format("{} ends of connections outlive all", world_.net.open_streams()));
    if (world_.loop.timers() != 0) complaints_.push_back(fmt::format("{} timers outlive all", world_.loop.timers()));
  }

  void judge() {
    complaints_.insert(complaints_.end(), history_.complaints.begin(), history_.complaints.end());
    check_answers(history_, complaints_);
    check_cached(history_, k_longest_ttl, k_longest_stale, complaints_);
    check_sharing(history_, complaints_);
    check_log(history_, nodes_, complaints_);
    check_calm(history_, k_calm_bound, complaints_);
  }

  [[nodiscard]] std::vector<io::Address> addresses() const {
    std::vector<io::Address> all;
    for (const auto& provider : providers_) all.push_back(provider->address());
    for (std::size_t i = 0; i < nodes_.size(); ++i) all.push_back(Node::llm_address(i));
    if (redis_ != nullptr) all.push_back(redis_->address());
    return all;
  }

  ScenarioReport report() {
    std::map<std::string, std::size_t> ends;
    std::map<std::string, std::size_t> results;
    for (const Request& request : history_.requests) {
      static constexpr std::array<std::string_view, 6> k_ends{"none", "whole",     "broken",
                                                              "left", "impatient", "not connected"};
      ++ends[std::string(k_ends.at(static_cast<std::size_t>(request.end)))];
      if (request.end != Request::End::whole) continue;
      const std::string cache = request.cache.substr(0, request.cache.find(';'));
      ++results[fmt::format("{}xx {}", request.status / 100, cache.empty() ? "-" : cache)];
      if (request.told.error && request.status == 200) ++results["200 with an error"];
    }
    std::string counts = fmt::format("{} instance(s){}, {} requests, {} calls, {} at the admin doors;", nodes_.size(),
                                     redis_ != nullptr ? " with Redis" : "", history_.requests.size(), history_.calls.size(),
                                     operator_->answered());
    for (const auto& [name, count] : ends) counts += fmt::format(" {} {},", count, name);
    counts.back() = ';';
    for (const auto& [name, count] : results) counts += fmt::format(" {}: {},", name, count);
    counts.pop_back();
    return {.complaints = complaints_,
            .digest = world_.digest(),
            .lasted = world_.loop.now().time_since_epoch() - 1h,  // where the virtual clock begins
            .callbacks = world_.loop.callbacks(),
            .counts = counts};
  }

  ScenarioPlan plan_;
  Complaints complaints_;
  History history_;
  SimWorld world_;
  Rng rng_;
  std::unique_ptr<SimRedis> redis_;
  std::vector<std::unique_ptr<ProviderActor>> providers_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<Trouble> trouble_;
  io::Timer watch_;
};

}  // namespace

ScenarioReport run_scenario(const ScenarioPlan& plan) {
  auto stage = std::make_unique<Stage>(plan);
  return stage->run();
}

}  // namespace outrigger::sim
