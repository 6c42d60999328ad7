#include "resilience/rate_gate.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

// Under random arrivals at 1.2 times the limit, smoothing without slack would use 60 % of a limit; with ten requests of
// slack it uses 99 %. A small limit is not spent in one go for that: a quarter of a minute's worth at most.
constexpr double k_burst_requests = 10;
constexpr double k_burst_share = 0.25;
// No request has more tokens. Keeps sums within 64 bits whatever a client asks for.
constexpr std::uint64_t k_tokens_max = 1'000'000'000;
// A limit that is refilled by the minute is full again after one. Told longer, it is one of the hour or the day.
constexpr Duration k_minute_reset_max = 65s;

// No prediction is longer; keeps sums of times far from their end.
constexpr double k_minutes_max = 24 * 60;
// What is kept free for requests of other replicas that are not known yet: at most this part of the limit.
constexpr std::uint64_t k_most_kept_free = 4;
// How finely what others have sent over a while is spread.
constexpr Duration k_evenly = 1s;
// What others send is known a moment late. With a little too much for each the rate is used up all the same, and the count decides.
constexpr double k_share_slack = 1.05;

constexpr Duration k_close_first = 1s;
constexpr std::uint32_t k_doublings_max = 5;
constexpr std::uint32_t k_full_probes = 2;  // failed in a row: see end_probing()
constexpr double k_jitter = 0.2;            // of a closing time that we choose
constexpr double k_told_jitter = 0.05;      // added to one that we were told: replicas must not come back in step
// A provider that counts rejected requests has no room for the next one when the last was rejected. Wait for some.
constexpr double k_slots = 3;
constexpr Duration k_slots_time_max = 10s;

constexpr Duration k_probe_patience_min = 250ms;
constexpr Duration k_probe_patience_max = 2s;

// Over how long the accepted rate is taken: not less than the shortest window that providers count in.
constexpr Duration k_lately_min = 1s;
constexpr Duration k_lately_max = 10s;
// See Pace::reduce(). With the rounding of the slots it is less than a second.
constexpr Duration k_burst_time = 800ms;

double as_double(Duration d) { return static_cast<double>(d.count()); }

Duration as_duration(double nanoseconds) { return Duration(static_cast<Duration::rep>(nanoseconds)); }

Duration slots_time(double rate) {
  return rate > 0 ? std::min(as_duration(std::min(k_slots / rate, 60.0) * 1e9), k_slots_time_max) : Duration(0);
}

Duration cost_of_all(double n, const RateGate::Level& level) {
  const double limit = static_cast<double>(level.limit);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(60 * std::min(n, limit) / limit));
}

double burst_of(double wanted, const RateGate::Level& level) {
  return std::max(1.0, std::min(wanted, static_cast<double>(level.limit) * k_burst_share));
}

}  // namespace

RateGate::Level RateGate::Meter::level(MonoTime now, std::optional<std::uint64_t> configured) const {
  Level level{Source::none, 0, count.total(now)};
  if (configured) {
    level.source = Source::configured;
    level.limit = std::max<std::uint64_t>(*configured, 1);
  }
  if (told && now - told_at < k_told_max_age && (!configured || *told < level.limit)) {
    level.source = Source::told;
    level.limit = *told;
  }
  return level;
}

MonoTime RateGate::Meter::earliest(MonoTime now, const Level& level, std::uint64_t n, double burst, std::uint64_t before,
                                   std::uint32_t others) const {
  if (level.source == Source::none) return now;
  const std::uint64_t in_all = std::min(n + before, level.limit);
  n = std::min(n, level.limit);
  const auto down_to_room = [&](std::uint64_t unseen) {
    const std::uint64_t kept = std::min({others * (unseen + n), level.limit / k_most_kept_free, level.limit - in_all});
    return count.down_to(now, level.limit - in_all - kept);
  };
  const std::uint64_t unseen = recent.total(now);
  MonoTime when = down_to_room(unseen);
  if (others > 0 && unseen > 0) when = std::min(when, std::max(down_to_room(0), recent.empty_at()));
  const double first = std::min(static_cast<double>(before), static_cast<double>(level.limit) * k_minutes_max);
  return std::max(when, smoother.earliest(now, cost(now, level, burst, others), cost(now, level, first, others)));
}

void RateGate::Meter::note_others(MonoTime now, Duration over, std::uint64_t n) {
  if (n == 0) return;
  over = std::clamp(over, Duration(0), SlidingCount::k_minute);
  const auto parts = static_cast<std::uint64_t>(over / k_evenly) + 1;
  for (std::uint64_t i = 0; i < parts; ++i) {
    const MonoTime at = now - over * static_cast<Duration::rep>(i) / static_cast<Duration::rep>(parts);
    count.add(now, at, n * (i + 1) / parts - n * i / parts);
  }
  flow.add(now, over, n);
}

void RateGate::Meter::take(MonoTime now, const Level& level, std::uint64_t n, std::uint32_t others) {
  count.add(now, now, n);
  recent.add(now, n);
  if (level.source != Source::none) smoother.take(now, cost(now, level, static_cast<double>(n), others));
}

void RateGate::Meter::give_back(MonoTime now, MonoTime at, const Level& level, std::uint64_t n, std::uint32_t others) {
  count.remove(now, at, n);
  if (level.source != Source::none) smoother.give_back(now, cost(now, level, static_cast<double>(n), others));
}

double RateGate::Meter::share(MonoTime now, double per_second, std::uint32_t others) const {
  if (others == 0) return 1;
  return std::clamp(k_share_slack - flow.per_second(now) / per_second, 1.0 / (1.0 + others), 1.0);
}

Duration RateGate::Meter::cost(MonoTime now, const Level& level, double n, std::uint32_t others) const {
  const double of_all = as_double(cost_of_all(n, level));
  return as_duration(of_all / share(now, static_cast<double>(level.limit) / 60, others));
}

void RateGate::Meter::learn(MonoTime now, std::optional<std::uint64_t> configured, std::optional<std::uint64_t> limit,
                            std::optional<std::uint64_t> remaining, std::optional<Duration> reset) {
  if (!limit || *limit == 0) return;
  if (reset && *reset > k_minute_reset_max) {
    told.reset();
    return;
  }
  told = limit;
  told_at = now;
  if (!remaining || level(now, configured).limit != *limit) return;
  // Others use the account, or the provider counts a request as more than we do. Counted as of when it will be free again.
  const std::uint64_t theirs = *limit - std::min(*remaining, *limit);
  const std::uint64_t ours = count.total(now);
  if (theirs <= ours) return;
  const MonoTime as_of = now - SlidingCount::k_minute + std::min<Duration>(reset.value_or(1min), 1min);
  count.add(now, as_of, theirs - ours);
}

MonoTime RateGate::earliest(MonoTime now, std::uint64_t tokens, Before before) const {
  const Level in_requests = requests(now);
  const Level in_tokens = this->tokens(now);
  const std::uint64_t tokens_before = std::min(before.tokens, k_tokens_max);
  MonoTime open = std::max(now, closed_until_);
  if (probing_ && probe_at_) open = std::max(open, *probe_at_ + probe_patience());
  MonoTime when = std::max(open, pace_.earliest(now));
  when = std::max(when, requests_.earliest(open, in_requests, 1, request_burst(in_requests) - 1, before.requests, others_));
  return std::max(when, tokens_.earliest(open, in_tokens, std::min(tokens, k_tokens_max), token_burst(in_tokens),
                                         tokens_before, others_));
}

RateGate::Reservation RateGate::reserve(MonoTime now, std::uint64_t tokens) {
  const Reservation reservation{now, std::min(tokens, k_tokens_max)};
  requests_.take(now, requests(now), 1, others_);
  tokens_.take(now, this->tokens(now), reservation.tokens, others_);
  sent_.requests += 1;
  sent_.tokens += static_cast<std::int64_t>(reservation.tokens);
  const double counted = static_cast<double>(reservation.tokens);
  usual_tokens_ = usual_tokens_ == 0 ? counted : usual_tokens_ + (counted - usual_tokens_) / 16;
  pace_.take(now, weight_in_pace(now));
  note_active(now);
  if (probing_ && now >= closed_until_) {
    if (!probe_at_) {
      probe_at_ = now;
    } else if (now >= *probe_at_ + probe_patience()) {
      end_probing(now);
    }
  }
  return reservation;
}

void RateGate::note_active(MonoTime now) {
  if (last_at_ == MonoTime::min() || now - last_at_ > k_lately_max) active_since_ = now;
  last_at_ = now;
}

void RateGate::note_others(MonoTime now, Duration over, std::uint64_t requests, std::uint64_t tokens) {
  requests_.note_others(now, over, requests);
  tokens_.note_others(now, over, tokens);
  if (requests > 0) note_active(now);
}

double RateGate::weight_in_pace(MonoTime now) const {
  const std::optional<double> rate = pace_.rate(now);
  return rate ? 1 / requests_.share(now, *rate, others_) : 1;
}

void RateGate::settle(const Reservation& reservation, MonoTime now, std::uint64_t used) {
  used = std::min(used, k_tokens_max);
  sent_.tokens += static_cast<std::int64_t>(used) - static_cast<std::int64_t>(reservation.tokens);
  const Level level = tokens(now);
  if (used <= reservation.tokens) {
    tokens_.give_back(now, reservation.at, level, reservation.tokens - used, others_);
  } else {
    tokens_.take(now, level, used - reservation.tokens, others_);
  }
}

void RateGate::cancel(const Reservation& reservation, MonoTime now) {
  settle(reservation, now, 0);
  sent_.requests -= 1;
  requests_.give_back(now, reservation.at, requests(now), 1, others_);
  pace_.give_back(now, weight_in_pace(now));
  if (probe_at_ == reservation.at) probe_at_.reset();
}

void RateGate::on_accepted(MonoTime now, std::optional<MonoTime> started) {
  if (now < closed_until_ || (started && *started < closed_until_)) return;
  end_probing(now);
}

void RateGate::on_rejected(MonoTime now, std::optional<Duration> retry_after, Rng& rng, std::optional<MonoTime> started) {
  if (retry_after && *retry_after <= 0s) retry_after.reset();
  if (started) rejection_time_ = std::max(now - *started, Duration(0));
  if (now < closed_until_ || (started && *started <= closed_at_)) {
    // Sent before the gate closed: it says nothing new but for the time.
    if (retry_after) {
      close(now, *retry_after);
      ++rejections_;
    }
    return;
  }
  ++rejections_;
  const bool failed_probe = probing_;
  if (failed_probe) failed_probes_ = std::min(failed_probes_ + 1, k_doublings_max);
  const MonoTime end = started.value_or(now);
  const double accepted = accepted_rate(std::max({active_since_, closed_until_, end - k_lately_max}), end);
  close(now, std::max(closing_time(retry_after, rng), slots_time(accepted)));
  closed_at_ = now;
  // What went ahead alone says nothing about the rate.
  if (!failed_probe) pace_.reduce(now, closed_until_, accepted, requests_.count.between(end - k_burst_time, end));
  probing_ = true;
  probe_at_.reset();
}

Duration RateGate::closing_time(std::optional<Duration> retry_after, Rng& rng) const {
  const double jitter = rng.unit();
  const double told = retry_after ? as_double(std::min<Duration>(*retry_after, k_closed_max)) : 0;
  if (retry_after && failed_probes_ == 0) return as_duration(told * (1 + k_told_jitter * jitter));
  const double own = as_double(k_close_first * (1U << failed_probes_)) * (1 + k_jitter * (2 * jitter - 1));
  return as_duration(std::max(own, told * (1 + k_told_jitter * jitter)));
}

void RateGate::learn(MonoTime now, const Limits& limits) {
  requests_.learn(now, settings_.requests_per_minute, limits.requests_limit, limits.requests_remaining,
                  limits.requests_reset);
  tokens_.learn(now, settings_.tokens_per_minute, limits.tokens_limit, limits.tokens_remaining, limits.tokens_reset);
}

void RateGate::close_until(MonoTime now, MonoTime until) {
  if (until <= std::max(now, closed_until_)) return;
  if (now >= closed_until_) {
    closed_at_ = now;
    probing_ = true;
    probe_at_.reset();
  }
  close(now, until - now);
}

void RateGate::close(MonoTime now, Duration length) {
  closed_until_ = std::max(closed_until_, now + std::min(length, k_closed_max));
}

void RateGate::open() {
  closed_until_ = MonoTime::min();
  probing_ = false;
  probe_at_.reset();
  failed_probes_ = 0;
  pace_ = {};
}

Duration RateGate::closed_for(MonoTime now) const { return now < closed_until_ ? closed_until_ - now : Duration(0); }

bool RateGate::limited() const {
  return settings_.requests_per_minute || settings_.tokens_per_minute || requests_.told || tokens_.told || pace_.known();
}

RateGate::Level RateGate::requests(MonoTime now) const { return requests_.level(now, settings_.requests_per_minute); }

RateGate::Level RateGate::tokens(MonoTime now) const { return tokens_.level(now, settings_.tokens_per_minute); }

std::optional<double> RateGate::pace(MonoTime now) const {
  const std::optional<double> rate = pace_.rate(now);
  return rate ? std::optional(*rate * 60) : std::nullopt;
}

double RateGate::request_burst(const Level& level) const { return burst_of(k_burst_requests / (1.0 + others_), level); }

double RateGate::token_burst(const Level& level) const {
  return burst_of(k_burst_requests * usual_tokens_ / (1.0 + others_), level);
}

Duration RateGate::probe_patience() const {
  return std::clamp<Duration>(2 * rejection_time_, k_probe_patience_min, k_probe_patience_max);
}

double RateGate::accepted_rate(MonoTime begin, MonoTime end) const {
  const double sent = static_cast<double>(requests_.count.between(begin, end));
  return std::max(sent - 1, 0.0) / seconds(std::max(end - begin, k_lately_min));
}

void RateGate::end_probing(MonoTime now) {
  // A provider that goes on rejecting one at a time is full for long, so it counts by the minute.
  if (probing_ && failed_probes_ >= k_full_probes) pace_.lower(now, accepted_rate(now - SlidingCount::k_minute, now));
  probing_ = false;
  failed_probes_ = 0;
}

std::string_view name(RateGate::Source source) {
  switch (source) {
    case RateGate::Source::none:
      return "none";
    case RateGate::Source::configured:
      return "configured";
    case RateGate::Source::told:
      return "told";
  }
  return "none";
}

}  // namespace outrigger::resilience
