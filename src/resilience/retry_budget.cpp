#include "resilience/retry_budget.h"

#include <cmath>

namespace outrigger::resilience {
namespace {

// Ten times a tenth must make one, which it does not in binary.
constexpr double k_rounding = 1e-9;

std::int64_t second_of(MonoTime now) { return now.time_since_epoch() / RetryBudget::k_slot; }

}  // namespace

void RetryBudget::deposit(MonoTime now) { ++slot(now).requests; }

bool RetryBudget::withdraw(MonoTime now) {
  if (balance(now) < 1) return false;
  ++slot(now).retries;
  return true;
}

std::int64_t RetryBudget::balance(MonoTime now) const {
  if (!(settings_.ratio > 0)) return 0;
  const std::int64_t second = second_of(now);
  std::int64_t requests = 0;
  std::int64_t retries = 0;
  for (const Slot& slot : slots_) {
    if (slot.second <= second - k_slots) continue;
    requests += slot.requests;
    retries += slot.retries;
  }
  const double earned = std::floor(settings_.ratio * static_cast<double>(requests) + k_rounding);
  return settings_.burst + static_cast<std::int64_t>(earned) - retries;
}

RetryBudget::Slot& RetryBudget::slot(MonoTime now) {
  const std::int64_t second = second_of(now);
  Slot& slot = slots_[static_cast<std::size_t>(((second % k_slots) + k_slots) % k_slots)];
  if (slot.second != second) slot = {.second = second};
  return slot;
}

}  // namespace outrigger::resilience
