// Budget: what one client has spent in this day and in this month (both of UTC), and whether it may spend more. Pure.
//
// Money is counted when a request is over, so what is under way is reserved by estimate: of a thousand requests that come at once only
// so many go on as the rest of the budget bears. One at a time goes on as long as anything is left, whatever it may cost; so a budget
// is overrun by what the last requests cost beyond their estimates, and by no more.
//
// Sums belong to the days and months of the calendar. A clock that goes back comes to a day whose sum is known, and a day that a wrong
// clock has been in before keeps what was spent in it: no budget is handed out twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/time.h"

namespace outrigger::resilience {

// 1e-9 USD: a token costs some tens of them at least, and sums of them are exact. Never negative here.
using NanoUsd = std::int64_t;
inline constexpr NanoUsd k_nano_usd_max = 1'000'000'000'000'000'000;  // 1e9 USD: more is not counted
NanoUsd nano_usd(double usd);                                         // rounded; within [0, k_nano_usd_max]
inline double in_usd(NanoUsd amount) { return static_cast<double>(amount) / 1e9; }

enum class Period : unsigned char { day, month };
inline constexpr Period k_periods[] = {Period::day, Period::month};
std::string_view name(Period period);

// Days and months in the order of the calendar; of UTC.
std::int64_t period_at(Period period, WallTime at);
WallTime period_end(Period period, std::int64_t index);
std::string period_text(Period period, std::int64_t index);  // "2026-11-26", "2026-11"

class Budget {
 public:
  struct Limits {
    std::optional<NanoUsd> day, month;
    [[nodiscard]] bool any() const { return day || month; }
    [[nodiscard]] const std::optional<NanoUsd>& of(Period period) const { return period == Period::day ? day : month; }
  };
  // What was spent in one period.
  struct Sum {
    NanoUsd own = 0;     // in this life of this process
    NanoUsd others = 0;  // by other replicas, and in earlier lives, as far as that is known
    [[nodiscard]] NanoUsd all() const { return own + others; }
  };
  using Sums = std::map<std::int64_t, Sum>;  // by period
  // So many days and months are remembered; the ones furthest from the present go first.
  static constexpr std::size_t k_sums_max = 8;

  struct Refusal {
    Period period;
    NanoUsd limit;
    bool is_spent;   // false: what is under way may use up what is left
    WallTime until;  // when the next period begins
  };
  // Nothing: a request that may cost `estimate` may go on. Of two that are spent, the one that lasts longer.
  [[nodiscard]] std::optional<Refusal> refuses(const Limits& limits, WallTime now, NanoUsd estimate) const;

  void reserve(NanoUsd estimate) { reserved_ += estimate; }
  void release(NanoUsd estimate) { reserved_ -= estimate; }
  // In the day and the month of the end of a request.
  void book(WallTime now, NanoUsd cost);
  // What others have spent in that period.
  void learn(Period period, std::int64_t index, NanoUsd others, WallTime now);

  [[nodiscard]] NanoUsd spent(Period period, WallTime now) const;
  [[nodiscard]] NanoUsd reserved() const { return reserved_; }
  [[nodiscard]] const Sums& sums(Period period) const { return sums_[static_cast<std::size_t>(period)]; }

 private:
  Sum& sum(Period period, std::int64_t index, WallTime now);

  Sums sums_[2];
  NanoUsd reserved_ = 0;
};

}  // namespace outrigger::resilience
