// Allowance: how many requests and tokens one client may send within a minute, counted exactly over the last sixty seconds (a bucket
// would let twice as many through at times, and operators count). Pure.
//
// Tokens are known when a request is over, so its estimate counts from its start; what it took beyond that counts from its end. A request
// whose estimate is more than all that a minute has goes on when nothing else counts.
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
  // Nothing: so many tokens may be asked for. Else when.
  [[nodiscard]] std::optional<MonoTime> refuses(const Limits& limits, MonoTime now, std::uint64_t tokens) const;
  Reserved reserve(MonoTime now, std::uint64_t tokens);
  void settle(MonoTime now, const Reserved& reserved, std::uint64_t tokens);

  [[nodiscard]] std::uint64_t requests(MonoTime now) const { return requests_.total(now); }
  [[nodiscard]] std::uint64_t tokens(MonoTime now) const { return tokens_.total(now); }

 private:
  SlidingCount requests_, tokens_;
};

}  // namespace outrigger::resilience
