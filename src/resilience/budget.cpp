#include "resilience/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace outrigger::resilience {
namespace {

constexpr std::int64_t k_months_of_year = 12;

std::chrono::year_month month_of(std::int64_t index) {
  const std::int64_t year = index / k_months_of_year;
  return {std::chrono::year(static_cast<int>(year)),
          std::chrono::month(static_cast<unsigned>(index % k_months_of_year + 1))};
}

NanoUsd sum_of(NanoUsd one, NanoUsd other) { return std::min(one + other, k_nano_usd_max); }

}  // namespace

NanoUsd nano_usd(double usd) {
  if (!(usd > 0)) return 0;
  return usd >= in_usd(k_nano_usd_max) ? k_nano_usd_max : static_cast<NanoUsd>(std::llround(usd * 1e9));
}

std::string_view name(Period period) { return period == Period::day ? "day" : "month"; }

std::int64_t period_at(Period period, WallTime at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  if (period == Period::day) return day.time_since_epoch().count();
  const std::chrono::year_month_day date(day);
  return std::int64_t{static_cast<int>(date.year())} * k_months_of_year + static_cast<unsigned>(date.month()) - 1;
}

WallTime period_end(Period period, std::int64_t index) {
  if (period == Period::day) return std::chrono::sys_days(std::chrono::days(index + 1));
  return std::chrono::sys_days((month_of(index) + std::chrono::months(1)) / 1);
}

std::string period_text(Period period, std::int64_t index) {
  const std::chrono::year_month_day date = period == Period::day
                                               ? std::chrono::year_month_day(std::chrono::sys_days(std::chrono::days(index)))
                                               : month_of(index) / 1;
  const std::string month = fmt::format("{:04}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()));
  return period == Period::month ? month : fmt::format("{}-{:02}", month, static_cast<unsigned>(date.day()));
}

std::optional<Budget::Refusal> Budget::refuses(const Limits& limits, WallTime now, NanoUsd estimate) const {
  std::optional<Refusal> found;
  for (const Period period : k_periods) {
    const auto& limit = limits.of(period);
    if (!limit) continue;
    const NanoUsd used = spent(period, now);
    const bool is_spent = used >= *limit;
    const bool is_tight = reserved_ > 0 && estimate > *limit - used - reserved_;
    if (is_spent || (is_tight && !found)) {
      found = Refusal{period, *limit, is_spent, period_end(period, period_at(period, now))};
    }
  }
  return found;
}

void Budget::book(WallTime now, NanoUsd cost) {
  for (const Period period : k_periods) {
    Sum& of = sum(period, period_at(period, now), now);
    of.own = sum_of(of.own, cost);
  }
}

void Budget::learn(Period period, std::int64_t index, NanoUsd others, WallTime now) {
  Sum& of = sum(period, index, now);
  of.others = std::clamp<NanoUsd>(others, 0, k_nano_usd_max);
}

NanoUsd Budget::spent(Period period, WallTime now) const {
  const auto found = sums(period).find(period_at(period, now));
  return found != sums(period).end() ? found->second.all() : 0;
}

Budget::Sum& Budget::sum(Period period, std::int64_t index, WallTime now) {
  Sums& known = sums_[static_cast<std::size_t>(period)];
  if (!known.contains(index) && known.size() >= k_sums_max) {
    const std::int64_t present = period_at(period, now);
    const auto first = known.begin(), last = std::prev(known.end());
    known.erase(present - first->first > last->first - present ? first : last);
  }
  return known[index];
}

}  // namespace outrigger::resilience
