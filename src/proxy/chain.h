// Chain: the targets that a request may be sent to, best first: the one that its [[model]] names (one of several by weight,
// sticky by user), then the fallbacks. Worked out from the configuration and the request alone; whether a target can be tried
// now is its Lane's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

struct Link {
  const Snapshot* snapshot = nullptr;            // whose it is; for its identity, never followed
  Destination destination;                       // upstream, route, path
  std::string model;                             // is put into the request; empty: as it was asked for
  std::string name;                              // see target_name.h: what its Lane is known by
  const config::TargetTraits* traits = nullptr;  // what [[target]] says; null: nothing
  const config::Model* settings = nullptr;       // pace and breaker of the target: [[model]] of the name it is asked by
  bool passes_credential = true;                 // is the client's credential for this upstream?
  bool is_downgrade = false;                     // another model than the first link's: its answers are not kept for it
};
using Chain = std::vector<Link>;

// Never empty. `model` is the [[model]] that matches `asked`,
// or null; `user` a hash of the end user (the same user goes the same way), or anything random where there is none.
// A target that has nothing like the endpoint is left out; one of another wire is not, since requests for words are translated.
Chain chain_for(const Snapshot& snapshot, std::string_view request_target, const config::Model* model,
                std::string_view asked, std::uint64_t user);

// The one of `targets` whose share of the line [0, 1) holds `point`: growing the weight of the last one moves users to it and
// never away from it.
std::size_t weighted_choice(const std::vector<config::WeightedTarget>& targets, double point);

}  // namespace outrigger::proxy
