// The backends that a request at the dify door may be sent to, best first: the one that its user belongs to (sticky, by weight),
// then the fallbacks. Worked out from the configuration and the user alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/chain.h"

namespace outrigger::proxy {

// Empty only when a reload took the backends away from a door that is open. `user`: a hash of whoever asks; nothing: the call
// belongs to no user and goes to the first of the targets.
Chain dify_chain(const Snapshot& snapshot, std::optional<std::uint64_t> user);

// FNV-1a, for spreading and fairness only: whoever wants to share somebody's turn may.
std::uint64_t spread_of(std::string_view text);

}  // namespace outrigger::proxy
