#include "proxy/dify_chain.h"

#include <algorithm>
#include <tuple>

#include "core/rng.h"

namespace outrigger::proxy {

std::uint64_t spread_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

DifyLoad load_of(const Lane& lane) {
  using State = DifyLoad::State;
  using resilience::Readiness;
  const Readiness readiness = lane.look({}, false).readiness;
  const bool is_out = readiness == Readiness::resting || readiness == Readiness::shut;
  // A probe must be sent by somebody, or nobody would learn that it is well again.
  const bool is_open = readiness == Readiness::ready || readiness == Readiness::probe;
  return {is_out ? State::out : is_open ? State::open : State::full, lane.concurrency().in_flight() + lane.queue().size()};
}

std::vector<std::size_t> by_load(std::span<const DifyLoad> loads, std::uint64_t turn) {
  std::vector<std::size_t> order(loads.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = (i + turn % order.size()) % order.size();
  const auto is_less_busy = [&](std::size_t a, std::size_t b) {
    return std::tie(loads[a].state, loads[a].runs) < std::tie(loads[b].state, loads[b].runs);
  };
  std::ranges::stable_sort(order, is_less_busy);
  return order;
}

std::size_t dify_equals(const Snapshot& snapshot) {
  const config::Dify& dify = snapshot.config().dify;
  return dify.are_equal ? dify.target.size() : 1;
}

Chain dify_chain(const Snapshot& snapshot, std::optional<std::uint64_t> user, FunctionRef<DifyLoad(const Link&)> load) {
  const config::Dify& dify = snapshot.config().dify;
  Chain chain;
  const auto add = [&](std::string_view name) {
    const bool is_known = std::ranges::any_of(chain, [&](const Link& link) { return link.name == name; });
    const Target* target = snapshot.target_named(name);
    if (is_known || target == nullptr) return;
    Link link;
    link.snapshot = &snapshot;
    link.destination.target = target;
    link.name = name;
    link.traits = snapshot.config().traits_for(name, {});
    link.settings = &snapshot.dify_pace();
    chain.push_back(std::move(link));
  };
  if (dify.are_equal) {
    for (const config::WeightedTarget& target : dify.target) add(target.to);
    std::vector<DifyLoad> loads;
    for (const Link& link : chain) loads.push_back(load(link));
    Chain sorted;
    for (const std::size_t i : by_load(loads, user.value_or(0))) sorted.push_back(std::move(chain[i]));
    chain = std::move(sorted);
  } else {
    const std::size_t chosen = user ? weighted_choice(dify.target, Rng(*user).unit()) : 0;
    if (chosen < dify.target.size()) add(dify.target[chosen].to);
  }
  for (const std::string& fallback : dify.fallback) add(fallback);
  return chain;
}

}  // namespace outrigger::proxy
