// ProviderModel: what a provider makes of one call, given only when it comes and a source of chance. Pure: the actor on the simulated
// net (provider.h) and the baselines that need no net (baselines.h) ask the same object, so that their figures can be compared.
//
// The order in which a call meets trouble: down (everything is), the limit, a brown-out, an error of its own, an answer.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/rng.h"
#include "core/time.h"

namespace outrigger::sim {

struct Span {
  Duration from{}, to{};  // since the start; `to` is outside
};

// So many calls in any `window`; those that are rejected count, too.
struct CallLimit {
  std::uint64_t calls = 0;
  Duration window = 1min;
};

// Shares of the calls, for trouble that has no time of its own.
struct Mishaps {
  double cut_early = 0;    // the connection breaks before the head, or between head and first token
  double cut_late = 0;     // within the answer
  double error_event = 0;  // a 200 whose first event is an error
};

struct ProviderPlan {
  double errors = 0;            // share of 500s
  std::vector<Span> outages{};  // 503s, at once
  std::vector<Span> brown_outs{};
  double hanging = 0.4;       // share of the calls in a brown-out that get a head or nothing, and never a token
  std::vector<Span> tight{};  // when `limit` holds; none: always
  std::optional<CallLimit> limit{};
  Duration retry_after = 1s;  // told with a 429
  std::optional<std::uint32_t> at_once{};
  Duration first_token = 350ms;  // the median; lognormal
  double spread = 0.5;           // sigma
  Mishaps mishaps{};
};

enum class Fate : unsigned char {
  answers,
  fails,     // 500
  down,      // 503
  rejected,  // 429
  hangs,     // not even a head
  stalls,    // a head, and then nothing
  cut_early,
  cut_late,
  error_event,
};
[[nodiscard]] constexpr bool is_hanging(Fate fate) { return fate == Fate::hangs || fate == Fate::stalls; }

struct Verdict {
  Fate fate = Fate::answers;
  Duration after{};  // when the first token comes, or the error
};

class ProviderModel {
 public:
  explicit ProviderModel(ProviderPlan plan) : plan_(std::move(plan)) {}

  // Calls must come in the order of their time. `under_way`: calls that are being answered.
  Verdict on_call(Duration at, Rng& rng, std::size_t under_way = 0);

  [[nodiscard]] const ProviderPlan& plan() const { return plan_; }
  [[nodiscard]] bool is_down(Duration at) const;
  // Of `limit`: how many more a client may send now.
  [[nodiscard]] std::uint64_t remaining(Duration at);
  // When a place of it becomes free, from now.
  [[nodiscard]] Duration reset(Duration at);

 private:
  void forget(Duration at);

  ProviderPlan plan_;
  std::deque<Duration> lately_;  // calls within the limit's window
};

// Exponential, for times between arrivals at random.
[[nodiscard]] Duration exponential(Rng& rng, double per_second);

}  // namespace outrigger::sim
