#include "resilience/allowance.h"

#include <algorithm>

namespace outrigger::resilience {

std::optional<MonoTime> Allowance::enter(const Limits& limits, MonoTime now) {
  if (limits.requests && requests_.total(now) >= *limits.requests) return requests_.down_to(now, *limits.requests - 1);
  requests_.add(now, now, 1);
  return std::nullopt;
}

std::optional<MonoTime> Allowance::refuses(const Limits& limits, MonoTime now, std::uint64_t tokens) const {
  if (!limits.tokens) return std::nullopt;
  const std::uint64_t most = *limits.tokens - std::min(tokens, *limits.tokens);
  if (tokens_.total(now) <= most) return std::nullopt;
  return tokens_.down_to(now, most);
}

Allowance::Reserved Allowance::reserve(MonoTime now, std::uint64_t tokens) {
  tokens_.add(now, now, tokens);
  return {now, tokens};
}

void Allowance::settle(MonoTime now, const Reserved& reserved, std::uint64_t tokens) {
  if (tokens < reserved.tokens) {
    tokens_.remove(now, reserved.at, reserved.tokens - tokens);
  } else {
    tokens_.add(now, now, tokens - reserved.tokens);
  }
}

}  // namespace outrigger::resilience
