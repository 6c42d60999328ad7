// Allowance: how many requests and tokens one client may send within a minute, counted exactly over the last sixty seconds (a bucket
// would let twice as many through at times, and operators count). Pure.
//
// Tokens are known when a request is over, so its estimate is reserved from its start; what it took counts from there too, and what it
// took beyond that from its end. What is only reserved has not been used, and most of it will be given back: whom it keeps from going may
// ask again in a moment.
//
// An estimate that is a guess, or is more than all that a minute has, says little. Such a request goes on when no other one is under way
// and anything is left; so a limit is overrun by one of them at most.
#pragma once

#include <cstdint>
#include <optional>

#include "resilience/sliding_count.h"

namespace outrigger::resilience {

class Allowance {
 public:
  struct Limits {
    std::optional<std::uint64_t> requests, tokens;  // a minute; at least one
  };
  struct Reserved {
    MonoTime at{};
    std::uint64_t tokens = 0;
  };

  // A request comes. Nothing: it is counted and may go on. Else when another may; what is refused does not count.
  [[nodiscard]] std::optional<MonoTime> enter(const Limits& limits, MonoTime now);
  struct Refusal {
    bool is_used;    // false: only what is under way is in its way
    MonoTime until;  // when enough of what was used has left; of no meaning otherwise
  };
  // Nothing: so many tokens may be asked for. `is_guess`: nobody knows how many.
  [[nodiscard]] std::optional<Refusal> refuses(const Limits& limits, MonoTime now, std::uint64_t tokens,
                                               bool is_guess = false) const;
  Reserved reserve(MonoTime now, std::uint64_t tokens);
  void settle(MonoTime now, const Reserved& reserved, std::uint64_t tokens);

  [[nodiscard]] std::uint64_t requests(MonoTime now) const { return requests_.total(now); }
  // What was used and what is reserved.
  [[nodiscard]] std::uint64_t tokens(MonoTime now) const { return used_.total(now) + open_.total(now); }

 private:
  SlidingCount requests_;
  SlidingCount used_, open_;  // tokens: of requests that are over, and reserved for those under way
};

}  // namespace outrigger::resilience
