// RateGate: when a request may go to one account at one upstream without being rejected for its rate. Pure; `now` is a parameter.
//
// Three things hold a request back, and it goes when all of them let it:
//   limits   requests and tokens a minute, from the configuration and from what answers tell (the smaller one): never more in any
//            sliding minute of what was sent, rejected and failed requests too, and little of it at once: a few requests,
//            then evenly
//   closed   after a 429, until its time. Then one request goes ahead, and the others when it is accepted or, since rejections
//            are quick, when a moment has passed
//   pace     learned from 429s, see pace.h: providers count by the second, count the rejected ones, and tell their limits wrongly
//
// A 429 is no evidence about health, and this class is no evidence about anything else.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/rate_limits.h"
#include "core/rng.h"
#include "core/time.h"
#include "resilience/pace.h"
#include "resilience/sliding_count.h"

namespace outrigger::resilience {

class RateGate {
 public:
  using Limits = RateLimits;
  struct Settings {
    std::optional<std::uint64_t> requests_per_minute = {};  // 0 counts as 1
    std::optional<std::uint64_t> tokens_per_minute = {};    // 0 counts as 1
    bool operator==(const Settings&) const = default;
  };
  // What a request was counted as. Settled or cancelled at most once; neither is needed.
  struct Reservation {
    MonoTime at{};
    std::uint64_t tokens = 0;
  };

  // A gate is never closed for longer at once, whatever an upstream or another replica says.
  static constexpr Duration k_closed_max = 10min;
  // A limit that answers no longer tell is forgotten.
  static constexpr Duration k_told_max_age = 10min;

  RateGate() = default;
  explicit RateGate(Settings settings) : settings_(settings) {}

  // What goes first. Limits let it through at their rate; a pace grows, so nobody is told to wait long for that.
  struct Before {
    std::uint64_t requests = 0, tokens = 0;
  };
  // When a request of so many tokens may start if nothing starts before but what is told; `now` when at once. One that is larger
  // than the whole limit goes when no other tokens are counted. Ask again at that time: another may have been quicker.
  [[nodiscard]] MonoTime earliest(MonoTime now, std::uint64_t tokens, Before before) const;
  [[nodiscard]] MonoTime earliest(MonoTime now, std::uint64_t tokens) const { return earliest(now, tokens, {}); }

  // A request starts now. `tokens`: of the prompt, and the most that may be generated.
  Reservation reserve(MonoTime now, std::uint64_t tokens);
  // What it really took: the rest is given back, or what was more is taken.
  void settle(const Reservation& reservation, MonoTime now, std::uint64_t used);
  // It was never sent.
  void cancel(const Reservation& reservation, MonoTime now);

  // `started`: when the request was reserved. Without it, what comes while the gate is closed counts as sent before that.
  void on_accepted(MonoTime now, std::optional<MonoTime> started = {});
  // A 429. Without a usable `retry_after` the gate closes for a second, doubling while it goes on.
  void on_rejected(MonoTime now, std::optional<Duration> retry_after, Rng& rng, std::optional<MonoTime> started = {});

  // What an answer told, whatever its status.
  void learn(MonoTime now, const Limits& limits);
  // Another replica was rejected.
  void close_until(MonoTime now, MonoTime until);
  // Takes effect at once; what was counted and learned stays.
  void configure(Settings settings) { settings_ = settings; }

  [[nodiscard]] Duration closed_for(MonoTime now) const;  // 0: open
  // Does it know any limit or pace, be it one that is about to be forgotten? If not, and it is not closed, everything passes.
  [[nodiscard]] bool limited() const;

  enum class Source : unsigned char { none, configured, told };
  struct Level {
    Source source = Source::none;
    std::uint64_t limit = 0;  // a minute; 0 without a source
    std::uint64_t used = 0;   // in the current window
  };
  // For a status page.
  [[nodiscard]] Level requests(MonoTime now) const;
  [[nodiscard]] Level tokens(MonoTime now) const;
  // Requests a minute; nothing when none was learned from 429s.
  [[nodiscard]] std::optional<double> pace(MonoTime now) const;

 private:
  struct Meter {
    std::optional<std::uint64_t> told;
    MonoTime told_at{};
    SlidingCount count;
    Smoother smoother;

    [[nodiscard]] Level level(MonoTime now, std::optional<std::uint64_t> configured) const;
    [[nodiscard]] MonoTime earliest(MonoTime now, const Level& level, std::uint64_t n, double burst,
                                    std::uint64_t before) const;
    void take(MonoTime now, const Level& level, std::uint64_t n);
    void give_back(MonoTime now, MonoTime at, const Level& level, std::uint64_t n);
    void learn(MonoTime now, std::optional<std::uint64_t> configured, std::optional<std::uint64_t> limit,
               std::optional<std::uint64_t> remaining, std::optional<Duration> reset);
  };
  [[nodiscard]] double token_burst(const Level& level) const;
  [[nodiscard]] Duration probe_patience() const;
  // Requests a second; the one that was sent at `end` was rejected.
  [[nodiscard]] double accepted_rate(MonoTime begin, MonoTime end) const;
  void end_probing(MonoTime now);
  [[nodiscard]] Duration closing_time(std::optional<Duration> retry_after, Rng& rng) const;
  void close(MonoTime now, Duration length);

  Settings settings_;
  Meter requests_, tokens_;
  double usual_tokens_ = 0;  // of a request, a moving average
  Pace pace_;

  MonoTime closed_at_ = MonoTime::min();  // the last time that an open gate closed
  MonoTime closed_until_ = MonoTime::min();
  bool probing_ = false;              // no request has passed since
  std::optional<MonoTime> probe_at_;  // when the one that goes ahead was sent
  std::uint32_t failed_probes_ = 0;   // in a row
  Duration rejection_time_{};         // how long the last rejection took
  MonoTime active_since_ = MonoTime::min();
  MonoTime last_at_ = MonoTime::min();
};

std::string_view name(RateGate::Source source);

}  // namespace outrigger::resilience
