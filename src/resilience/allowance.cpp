#include "resilience/allowance.h"

#include <algorithm>

namespace outrigger::resilience {

std::optional<MonoTime> Allowance::enter(const Limits& limits, MonoTime now) {
  if (limits.requests && requests_.total(now) >= *limits.requests) return requests_.down_to(now, *limits.requests - 1);
  requests_.add(now, now, 1);
  return std::nullopt;
}

std::optional<Allowance::Refusal> Allowance::refuses(const Limits& limits, MonoTime now, std::uint64_t tokens,
                                                     bool is_guess) const {
  if (!limits.tokens) return std::nullopt;
  const std::uint64_t limit = *limits.tokens;
  const std::uint64_t most = limit - std::min(tokens, limit);
  const std::uint64_t used = used_.total(now), open = open_.total(now);
  if (used + open <= most) return std::nullopt;
  const bool goes_alone = is_guess || tokens > limit;
  const std::uint64_t most_used = goes_alone ? limit - 1 : most;
  if (used > most_used) return Refusal{true, used_.down_to(now, most_used)};
  if (goes_alone && open == 0) return std::nullopt;
  return Refusal{false, now};
}

Allowance::Reserved Allowance::reserve(MonoTime now, std::uint64_t tokens) {
  open_.add(now, now, tokens);
  return {now, tokens};
}

void Allowance::settle(MonoTime now, const Reserved& reserved, std::uint64_t tokens) {
  const std::uint64_t expected = std::min(tokens, reserved.tokens);
  open_.remove(now, reserved.at, reserved.tokens);
  used_.add(now, reserved.at, expected);
  used_.add(now, now, tokens - expected);
}

}  // namespace outrigger::resilience
