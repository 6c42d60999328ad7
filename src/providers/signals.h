// What an upstream's answer says about the target that gave it: is it ill, is it asked too fast, may this account use it, can it
// serve this request at all? Providers put that into the status, into words of their own and into sentences, and each into
// others. Pure; total: whatever comes, the result is a signal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/function_ref.h"
#include "core/rate_limits.h"
#include "core/time.h"

namespace outrigger::providers {

// A header's value by its name in lower case.
using HeaderLookup = FunctionRef<std::optional<std::string_view>(std::string_view name)>;
using Limits = RateLimits;

enum class SignalKind : unsigned char {
  ok,
  client_fault,  // the request is wrong, wherever it goes
  unfit,  // this target cannot serve this request, another might: too long, unknown model, a filter, a region. No evidence
  rate,   // asked too fast; good again after a while
  quota,  // no money, or an allowance that is used up for hours: not until somebody does something
  credential,  // the key is wrong, or may not do this
  health,      // the target is in trouble
};
std::string_view name(SignalKind kind);

struct Signal {
  static constexpr std::size_t k_code_max = 64;

  SignalKind kind = SignalKind::ok;
  std::string code;  // the provider's own word, letters, digits and `_.:-` only; may be empty
  std::optional<Duration> retry_after;
};

// `body`: all of it, or its beginning. A 2xx of more than k_error_body_max is no error. SSE is not read: see read_event_signal().
Signal read_signal(int status, const HeaderLookup& header, std::string_view body, WallTime now);
inline constexpr std::size_t k_error_body_max = std::size_t{64} << 10;

// The data of an error event in a stream, or of the first event of one that should have been an answer.
Signal read_event_signal(std::string_view data);

// What headers tell of the account's limits: `x-ratelimit-*` as OpenAI and its kin and Mistral send them, `anthropic-ratelimit-*`.
// `ignored` grows by each value that makes no sense, a `retry-after` included.
Limits read_limits(const HeaderLookup& header, WallTime now, std::uint32_t& ignored);

}  // namespace outrigger::providers
