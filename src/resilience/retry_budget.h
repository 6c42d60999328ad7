// RetryBudget: retries are a share of the requests, not so many for each: when everything fails, three tries each would make three
// times the load of what is down already. Counted over the last ten seconds in slots of one, after Finagle's RetryBudget and
// tower's TpsBudget; a reserve lets a quiet service retry at all. One for all the targets of a model.
//
// A fallback to another target is no retry. How often one request may be tried is the caller's to limit.
#pragma once

#include <array>
#include <cstdint>

#include "core/time.h"

namespace outrigger::resilience {

class RetryBudget {
 public:
  struct Settings {
    double ratio = 0.1;        // of the requests; 0 or less: no retries, not even from the reserve
    std::uint32_t burst = 10;  // retries in ten seconds that no request has to earn
  };
  static constexpr std::int64_t k_slots = 10;
  static constexpr Duration k_slot = 1s;

  explicit RetryBudget(Settings settings) : settings_(settings) {}
  // Keeps what was counted; from now on it is weighed by the new settings.
  void configure(Settings settings) { settings_ = settings; }

  // A request has come in.
  void deposit(MonoTime now);
  // May one be retried? If so, it is counted.
  [[nodiscard]] bool withdraw(MonoTime now);
  // Retries that may still be made now. Below zero when more were made than the requests that are remembered have earned.
  [[nodiscard]] std::int64_t balance(MonoTime now) const;

 private:
  struct Slot {
    std::int64_t second = -1;  // since the clock's start; what is older than k_slots counts as empty
    std::int64_t requests = 0;
    std::int64_t retries = 0;
  };
  Slot& slot(MonoTime now);

  Settings settings_;
  std::array<Slot, k_slots> slots_;
};

}  // namespace outrigger::resilience
