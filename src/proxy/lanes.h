// Lanes: all targets that have been asked, with their live state. Kept over reloads as long as the file has their upstream: what was
// learned about a provider does not depend on our file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "proxy/chain.h"
#include "proxy/lane.h"

namespace outrigger::proxy {

class Lanes {
 public:
  // Model names come from clients, credentials too. Above so many lanes the ones that are idle longest make place; when none is
  // idle, what is new shares one lane for each upstream.
  static constexpr std::size_t k_lanes_max = 1024;

  explicit Lanes(io::World world) : world_(world) {}
  // For what operators should know: targets that are taken out, keys that are refused.
  void set_log(Lane::Log log) { log_ = std::move(log); }
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // The lane of a link for the one whose credential is passed on (`account`, a digest; without effect where the upstream has
  // keys of its own). What was learned at another URL is not about this one: then the lane is new.
  std::shared_ptr<Lane> of(const Link& link, std::string_view account);
  // That configuration is in force from now on: keys that were set aside get another chance, and what requests that began under an
  // older one say about a target's settings counts no more. Targets of upstreams that it does not have are forgotten once nobody uses
  // them any more. Told at the start, too.
  void reconfigure(const Snapshot& current);
  [[nodiscard]] bool is_current(const Link& link) const { return current_ == nullptr || link.snapshot == current_; }

  // In the order of their names; a target that several credentials are used for has a lane for each of them.
  void each(const std::function<void(const Lane& lane)>& visit) const;
  [[nodiscard]] std::size_t size() const { return known_.size(); }

  // For other replicas: `guard` is told of lanes that come; null takes it away. The key is the target and, behind a '\n', the account.
  void set_guard(LaneGuard* guard);
  void each_known(const std::function<void(std::string_view key, Lane& lane)>& visit);

  // By an operator: nothing is sent to the target ("upstream:model") any more, or again as its health allows. Holds for lanes that
  // come later, too. False: nobody has asked for such a target yet.
  bool force_open(std::string_view target);
  bool force_close(std::string_view target);

  // Requests that are passed through take the keys of an upstream in turn.
  [[nodiscard]] std::size_t next_key() { return next_key_++; }

 private:
  struct Known {
    std::shared_ptr<Lane> lane;
    std::uint64_t generation = 0;  // 0: of no configuration that is in force
    std::string identity{};        // of the upstream, its URL included
  };
  [[nodiscard]] bool has_place();
  std::shared_ptr<Lane> new_lane(const Link& link, std::string_view key);
  [[nodiscard]] bool is_gone(std::string_view upstream) const;
  void forget_gone();

  io::World world_;
  Lane::Log log_;
  LaneGuard* guard_ = nullptr;
  std::map<std::string, Known, std::less<>> known_;  // by target and account
  std::set<std::string, std::less<>> forced_;        // targets that an operator shut
  const Snapshot* current_ = nullptr;                // for its identity, never followed; null: whatever comes is current
  std::set<std::string, std::less<>> upstreams_;     // of the current one
  io::Timer forgetting_;
  std::uint64_t generation_ = 1;
  std::size_t next_key_ = 0;
};

}  // namespace outrigger::proxy
