#include "proxy/dify_chain.h"

#include <algorithm>

#include "core/rng.h"

namespace outrigger::proxy {

std::uint64_t spread_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

Chain dify_chain(const Snapshot& snapshot, std::optional<std::uint64_t> user) {
  const config::Dify& dify = snapshot.config().dify;
  Chain chain;
  const auto add = [&](std::string_view name) {
    const bool is_known = std::ranges::any_of(chain, [&](const Link& link) { return link.name == name; });
    const Target* target = snapshot.target_named(name);
    if (is_known || target == nullptr) return;
    Link link;
    link.destination.target = target;
    link.name = name;
    link.traits = snapshot.config().traits_for(name, {});
    link.settings = &snapshot.dify_pace();
    chain.push_back(std::move(link));
  };
  const std::size_t chosen = user ? weighted_choice(dify.target, Rng(*user).unit()) : 0;
  if (chosen < dify.target.size()) add(dify.target[chosen].to);
  for (const std::string& fallback : dify.fallback) add(fallback);
  return chain;
}

}  // namespace outrigger::proxy
