// Lengths of time as upstreams write them: in headers, as a number, a duration or a date, and in the sentences of errors. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.h"

namespace outrigger::providers {

// Longer than any limit's period. What is further away is a mistake, in the number or in a clock.
inline constexpr Duration k_told_max = std::chrono::days(40);

// "1s", "6m0s", "17ms", "1h2m3s", "1.5s". Nothing when anything else stands there, or it is too long.
std::optional<Duration> read_duration(std::string_view text);
// A number of seconds that is not negative, whole or not: "2", "0.5".
std::optional<Duration> read_seconds(std::string_view text);
std::optional<Duration> read_millis(std::string_view text);
// "2025-08-21T12:40:59Z", with a fraction or an offset.
std::optional<WallTime> read_rfc3339(std::string_view text);
// "Wed, 21 Oct 2015 07:28:00 GMT".
std::optional<WallTime> read_http_date(std::string_view text);

// `retry-after`: seconds or a date. A date that has passed is none.
std::optional<Duration> read_retry_after(std::string_view text, WallTime now);
// When a limit is full again: a duration, seconds, a date, or the seconds or milliseconds since 1970. What has passed is zero.
std::optional<Duration> read_reset(std::string_view text, WallTime now);
// "Please try again in 1.2s", "try again in 6m0s", "retry after 20 seconds", "retry in 11.665902715s".
std::optional<Duration> read_retry_hint(std::string_view sentence);

}  // namespace outrigger::providers
