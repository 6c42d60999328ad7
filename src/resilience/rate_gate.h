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
// Replicas that use the same account tell each other what they send, and each counts all of it (note_others). What was sent in the
// last moment (RecentCount::k_span) the others may not know yet. So of the room that is left without that, each of N takes no more
// than an N-th, and as all that is older is known to all, together they take no more than there is. The rooms that they see differ
// by what leaves and comes within such a moment: that much, 0.5 % of the limit, they may be wrong. Up to N - 1 requests of a limit
// stay unused for it, but never more than a quarter of the limit: when so few requests are shared by so many replicas, or a request
// has so many tokens, a collision costs less than the waiting. So that nobody is left with nothing, each sends as fast as the others
// leave room for, and never slower than an N-th of the rate.
//
// A 429 is no evidence about health, and this class is no evidence about anything else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/rate_limits.h"
#include "core/rng.h"
#include "core/time.h"
#include "resilience/pace.h"
#include "resilience/recent_count.h"
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
  static constexpr std::uint32_t k_others_max = 1000;

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
  // Other replicas have sent so much within the last `over`, at most a minute; it counts as sent evenly.
  void note_others(MonoTime now, Duration over, std::uint64_t requests, std::uint64_t tokens);
  // So many others use the account now.
  void set_others(std::uint32_t others) { others_ = std::min(others, k_others_max); }
  // All that was sent from here, less what was cancelled and given back.
  struct Sent {
    std::int64_t requests = 0, tokens = 0;
  };
  [[nodiscard]] const Sent& sent() const { return sent_; }
  // How often a rejection has closed it or kept it closed for longer.
  [[nodiscard]] std::uint64_t rejections() const { return rejections_; }

  // By an operator: whatever closed or slowed it is over. Limits that were configured or told hold on.
  void open();
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
    SlidingCount count;  // of all replicas, as far as known
    RecentCount recent;  // of this one
    Flow flow;           // of the others
    Smoother smoother;

    [[nodiscard]] Level level(MonoTime now, std::optional<std::uint64_t> configured) const;
    [[nodiscard]] MonoTime earliest(MonoTime now, const Level& level, std::uint64_t n, double burst, std::uint64_t before,
                                    std::uint32_t others) const;
    void note_others(MonoTime now, Duration over, std::uint64_t n);
    void take(MonoTime now, const Level& level, std::uint64_t n, std::uint32_t others);
    void give_back(MonoTime now, MonoTime at, const Level& level, std::uint64_t n, std::uint32_t others);
    // Our part of so many a second, between 0 and 1.
    [[nodiscard]] double share(MonoTime now, double per_second, std::uint32_t others) const;
    [[nodiscard]] Duration cost(MonoTime now, const Level& level, double n, std::uint32_t others) const;
    void learn(MonoTime now, std::optional<std::uint64_t> configured, std::optional<std::uint64_t> limit,
               std::optional<std::uint64_t> remaining, std::optional<Duration> reset);
  };
  [[nodiscard]] double request_burst(const Level& level) const;
  [[nodiscard]] double token_burst(const Level& level) const;
  void note_active(MonoTime now);
  // As how many one of ours counts for the pace of all.
  [[nodiscard]] double weight_in_pace(MonoTime now) const;
  [[nodiscard]] Duration probe_patience() const;
  // Requests a second; the one that was sent at `end` was rejected.
  [[nodiscard]] double accepted_rate(MonoTime begin, MonoTime end) const;
  void end_probing(MonoTime now);
  [[nodiscard]] Duration closing_time(std::optional<Duration> retry_after, Rng& rng) const;
  void close(MonoTime now, Duration length);

  Settings settings_;
  Meter requests_, tokens_;
  Sent sent_;
  std::uint32_t others_ = 0;
  double usual_tokens_ = 0;  // of a request, a moving average
  Pace pace_;

  MonoTime closed_at_ = MonoTime::min();  // the last time that an open gate closed
  MonoTime closed_until_ = MonoTime::min();
  bool probing_ = false;              // no request has passed since
  std::optional<MonoTime> probe_at_;  // when the one that goes ahead was sent
  std::uint32_t failed_probes_ = 0;   // in a row
  std::uint64_t rejections_ = 0;
  Duration rejection_time_{};  // how long the last rejection took
  MonoTime active_since_ = MonoTime::min();
  MonoTime last_at_ = MonoTime::min();
};

std::string_view name(RateGate::Source source);

}  // namespace outrigger::resilience
