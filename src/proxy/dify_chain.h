// The backends that a request at the dify door may be sent to, best first, then the fallbacks. Pure.
//
//   backends with weights       two installations: the one that the user belongs to, always the same
//   backends without weights    replicas of one Dify on one database, where every conversation is at home: all of them, the least
//                               busy first
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/function_ref.h"
#include "proxy/chain.h"
#include "proxy/lane.h"

namespace outrigger::proxy {

// How busy a backend is.
struct DifyLoad {
  enum class State : unsigned char { open, full, out } state = State::open;  // may take one more now, later, or none
  std::size_t runs = 0;                                                      // under way, and waiting
  bool operator==(const DifyLoad&) const = default;
};
// One that is known to be down is out, one that comes back (slow start) takes a few; see resilience/health.
DifyLoad load_of(const Lane& lane);
// The places of `loads`, least busy first. Of equals `turn` decides, so that idle replicas share what comes.
std::vector<std::size_t> by_load(std::span<const DifyLoad> loads, std::uint64_t turn);

// Empty only when a reload took the backends away from a door that is open. `user`: a hash of whoever asks; nothing: the call
// belongs to no user and goes to the first of the targets.
// `load` is asked where it matters.
Chain dify_chain(const Snapshot& snapshot, std::optional<std::uint64_t> user, FunctionRef<DifyLoad(const Link&)> load);
// So many at the front of each chain are replicas of one another.
std::size_t dify_equals(const Snapshot& snapshot);

// FNV-1a, for spreading and fairness only: whoever wants to share somebody's turn may.
std::uint64_t spread_of(std::string_view text);

}  // namespace outrigger::proxy
