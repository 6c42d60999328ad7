// plan(): which target of a chain to try next, or which one to wait for. The whole policy of routing, as one pure function.
//
// The chain's order is the operator's wish: the first target that can be tried now is taken, but a better one that will be free
// in a moment (k_linger) is waited for first. When none can be tried now, the one that will be soonest is waited for, if that
// is in time. Waiting beats failing; failing at once beats waiting in vain.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "core/time.h"

namespace outrigger::resilience {

enum class Readiness : unsigned char {
  ready,
  probe,    // ready, and the try would tell whether the target has recovered
  busy,     // as many in flight as it may have, or others are waiting for it
  paced,    // its rate gate opens at a known time
  resting,  // its breaker opens at a known time
  shut,     // by hand, or no credential is left: until somebody changes something
};
std::string_view name(Readiness readiness);

struct Look {
  Readiness readiness = Readiness::ready;
  // When it will probably be ready: for paced and resting known, for busy an estimate. Meaningless otherwise.
  MonoTime at{};
};

struct Candidate {
  Look look;
  bool is_spent = false;         // tried and of no use any more, or unfit for this request
  bool was_awaited = false;      // lingered for already
  bool was_turned_away = false;  // by its queue: not waited for again, but taken if it is ready when somebody looks
};

struct Choice {
  enum class Kind : unsigned char {
    go,    // try `index` now
    wait,  // wait for `index`, at most until `until`
    late,  // all that could be waited for comes too late: the soonest at `until`
    none,  // nothing left to try; `until`: when the first resting one may be tried again, if any rests
  };
  Kind kind = Kind::none;
  std::size_t index = 0;
  std::optional<MonoTime> until;
};

// So long a better target that is busy or paced is waited for while a worse one is ready. Below what a person notices.
inline constexpr Duration k_linger = 200ms;
// A resting target is waited for when nothing else is left and its probe is this near: a hiccup is shorter than an error
// message's way back, an outage is not.
inline constexpr Duration k_wait_for_probe = 2s;

// `wait_until`: how long this request may wait at the most.
[[nodiscard]] Choice plan(std::span<const Candidate> chain, MonoTime now, MonoTime wait_until);

}  // namespace outrigger::resilience
