#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "providers/signals.h"
#include "providers/told_times.h"

namespace outrigger::providers {
namespace {

const WallTime k_now{std::chrono::sys_days(std::chrono::year(2025) / 8 / 21) + 12h + 41min};

using Headers = std::map<std::string, std::string, std::less<>>;

Limits limits_of(const Headers& headers, std::uint32_t& ignored) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = headers.find(name);
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  };
  return read_limits(lookup, k_now, ignored);
}

TEST_CASE("durations") {
  CHECK(read_duration("1s") == 1s);
  CHECK(read_duration("6m0s") == 6min);
  CHECK(read_duration("17ms") == 17ms);
  CHECK(read_duration("1h2m3s") == 1h + 2min + 3s);
  CHECK(read_duration("2m59.56s") == 2min + 59560ms);
  CHECK(read_duration("1d") == 24h);
  for (const std::string_view useless : {"", "s", "1", "1x", "-1s", "1s!", "1s 2", "1..2s", ".5s", "100d", "1e3s"}) {
    INFO(useless);
    CHECK_FALSE(read_duration(useless).has_value());
  }
}

TEST_CASE("dates") {
  CHECK(read_rfc3339("2025-08-21T12:41:30Z") == k_now + 30s);
  CHECK(read_rfc3339("2025-08-21T20:41:30.250+08:00") == k_now + 30s);
  CHECK(read_http_date("Thu, 21 Aug 2025 12:41:30 GMT") == k_now + 30s);
  for (const std::string_view useless :
       {"", "2025", "2025-08-21", "2025-08-21T12:41:30", "2025-13-21T12:41:30Z", "2025-02-30T12:41:30Z",
        "2025-08-21T25:41:30Z", "2025-08-21T12:41:30+8", "2025-08-21T12:41:30Zx", "20x5-08-21T12:41:30Z"}) {
    INFO(useless);
    CHECK_FALSE(read_rfc3339(useless).has_value());
  }
  for (const std::string_view useless : {"", "Thu, 21 Aug", "Thu, 21 Xug 2025 12:41:30 GMT", "Thu, 21 anF 2025 12:41:30 GMT",
                                         "Thu, 32 Aug 2025 12:41:30 GMT", "Thu, 21 Aug 2025 12:41:30 CET"}) {
    INFO(useless);
    CHECK_FALSE(read_http_date(useless).has_value());
  }
}

TEST_CASE("resets: durations, seconds, dates, the epoch in seconds and milliseconds; what has passed is zero") {
  const std::int64_t now = unix_seconds(k_now);
  CHECK(read_reset("6m0s", k_now) == 6min);
  CHECK(read_reset("59.70", k_now) == 59700ms);
  CHECK(read_reset("0", k_now) == 0s);
  CHECK(read_reset(std::to_string(now + 20), k_now) == 20s);
  CHECK(read_reset(std::to_string(now * 1000 + 1500), k_now) == 1500ms);
  CHECK(read_reset(std::to_string(now - 20), k_now) == 0s);
  CHECK(read_reset("2025-08-21T12:40:59Z", k_now) == 0s);
  CHECK(read_reset("2025-08-21T12:42:00Z", k_now) == 60s);
  for (const std::string_view useless : {"", "-1", "soon", "2035-08-21T12:42:00Z", "5000000", "99999999999999999999"}) {
    INFO(useless);
    CHECK_FALSE(read_reset(useless, k_now).has_value());
  }
}

TEST_CASE("hints in sentences") {
  CHECK(read_retry_hint("please try again in 1.2s. visit") == 1200ms);
  CHECK(read_retry_hint("please try again in 6m0s.") == 6min);
  CHECK(read_retry_hint("try again in 174ms") == 174ms);
  CHECK(read_retry_hint("please retry after 7 seconds.") == 7s);
  CHECK(read_retry_hint("try again after 1 second") == 1s);
  CHECK(read_retry_hint("please retry in 11.665902715s.") == 11665902715ns);
  CHECK(read_retry_hint("try again in 2 minutes") == 2min);
  CHECK(read_retry_hint("please retry after 86400 seconds") == 24h);
  for (const std::string_view useless : {"", "try again later", "try again in a while", "try again in ", "retry in 5",
                                         "retry in 5 apples", "retry after 99999999999 seconds"}) {
    INFO(useless);
    CHECK_FALSE(read_retry_hint(useless).has_value());
  }
}

TEST_CASE("OpenAI's headers") {
  std::uint32_t ignored = 0;
  const Limits limits = limits_of({{"x-ratelimit-limit-requests", "5000"},
                                   {"x-ratelimit-remaining-requests", "4999"},
                                   {"x-ratelimit-reset-requests", "12ms"},
                                   {"x-ratelimit-limit-tokens", "160000"},
                                   {"x-ratelimit-remaining-tokens", "159976"},
                                   {"x-ratelimit-reset-tokens", "9ms"}},
                                  ignored);
  CHECK(limits == Limits{5000, 4999, 12ms, 160000, 159976, 9ms});
  CHECK(ignored == 0);
}

TEST_CASE("Anthropic's headers: tokens together, or input and output apart") {
  std::uint32_t ignored = 0;
  Headers headers{{"anthropic-ratelimit-requests-limit", "1000"},
                  {"anthropic-ratelimit-requests-remaining", "999"},
                  {"anthropic-ratelimit-requests-reset", "2025-08-21T12:40:59Z"},
                  {"anthropic-ratelimit-input-tokens-limit", "80000"},
                  {"anthropic-ratelimit-input-tokens-remaining", "70000"},
                  {"anthropic-ratelimit-input-tokens-reset", "2025-08-21T12:41:10Z"},
                  {"anthropic-ratelimit-output-tokens-limit", "16000"},
                  {"anthropic-ratelimit-output-tokens-remaining", "15000"},
                  {"anthropic-ratelimit-output-tokens-reset", "2025-08-21T12:41:05Z"}};
  CHECK(limits_of(headers, ignored) == Limits{1000, 999, 0s, 96000, 85000, 10s});
  headers["anthropic-ratelimit-tokens-limit"] = "96001";
  headers["anthropic-ratelimit-tokens-remaining"] = "96000";
  headers["anthropic-ratelimit-tokens-reset"] = "2025-08-21T12:41:01Z";
  CHECK(limits_of(headers, ignored) == Limits{1000, 999, 0s, 96001, 96000, 1s});
  CHECK(ignored == 0);
}

TEST_CASE("Mistral's headers, and none") {
  std::uint32_t ignored = 0;
  CHECK(limits_of({{"x-ratelimit-limit-req-minute", "720"},
                   {"x-ratelimit-remaining-req-minute", "717"},
                   {"x-ratelimit-limit-tokens-minute", "5000000"},
                   {"x-ratelimit-remaining-tokens-minute", "4999911"}},
                  ignored) == Limits{720, 717, {}, 5000000, 4999911, {}});
  CHECK(limits_of({}, ignored) == Limits{});
  CHECK(ignored == 0);
}

TEST_CASE("values that make no sense are ignored and counted") {
  for (const std::string useless : {"-1", "many", "", "1,000", "0x10", "99999999999999999999", "1.2.3", "5 per minute"}) {
    INFO(useless);
    std::uint32_t ignored = 0;
    const Limits limits = limits_of({{"x-ratelimit-limit-requests", useless},
                                     {"x-ratelimit-reset-requests", useless},
                                     {"x-ratelimit-remaining-requests", "7"}},
                                    ignored);
    CHECK(limits == Limits{{}, 7, {}, {}, {}, {}});
    CHECK(ignored == 2);
  }
  std::uint32_t ignored = 0;
  CHECK(limits_of({{"x-ratelimit-remaining-requests", "59.0"}}, ignored).requests_remaining == 59);
  CHECK(ignored == 0);
}

TEST_CASE("a wait that makes no sense is counted, too") {
  const auto ignored_of = [](const Headers& headers) {
    std::uint32_t ignored = 0;
    limits_of(headers, ignored);
    return ignored;
  };
  for (const std::string useless : {"1e9", "1000000000", "-5", "soon", "", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT"}) {
    INFO(useless);
    CHECK(ignored_of({{"retry-after", useless}}) == 1);
    CHECK(ignored_of({{"retry-after", useless}, {"retry-after-ms", "-1"}}) == 2);
  }
  for (const std::string useful : {"0", "1", "0.5", "3600", "Thu, 21 Aug 2025 13:00:00 GMT"}) {
    INFO(useful);
    CHECK(ignored_of({{"retry-after", useful}}) == 0);
  }
  CHECK(ignored_of({{"retry-after-ms", "1500"}}) == 0);
}

}  // namespace
}  // namespace outrigger::providers
