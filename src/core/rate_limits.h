// RateLimits: what an upstream's answer tells of the limits of an account, read and found sane. Spoken by providers/, heard by
// resilience/.
#pragma once

#include <cstdint>
#include <optional>

#include "core/time.h"

namespace outrigger {

struct RateLimits {
  std::optional<std::uint64_t> requests_limit = {};
  std::optional<std::uint64_t> requests_remaining = {};
  std::optional<Duration> requests_reset = {};  // from now on; never negative
  std::optional<std::uint64_t> tokens_limit = {};
  std::optional<std::uint64_t> tokens_remaining = {};
  std::optional<Duration> tokens_reset = {};

  bool operator==(const RateLimits&) const = default;
};

}  // namespace outrigger
