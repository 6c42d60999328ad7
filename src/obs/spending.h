// Spending: the tokens that were paid for and what they cost, by model. Feeds outrigger_spent_usd_total and /api/status. Where a provider
// did not count, the tokens are estimates, and so is the money.
//
// Owned by the composition root; one thread. The Registry must outlive it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "obs/metrics.h"
#include "obs/model_book.h"

namespace outrigger::obs {

class Spending {
 public:
  explicit Spending(Registry& registry);
  Spending(const Spending&) = delete;
  Spending& operator=(const Spending&) = delete;

  // One answer that was paid for, whole or cut. `usd`: 0 where the model has no price.
  void book(std::string_view model, std::uint64_t prompt_tokens, std::uint64_t completion_tokens, double usd);

  [[nodiscard]] const Totals& total() const { return total_; }
  // By model, those that cost most (then had most tokens) first; at most `limit`.
  [[nodiscard]] std::vector<ModelTotals> by_model(std::size_t limit) const { return book_.by_model(limit); }

 private:
  struct Series {
    Counter* usd = nullptr;  // null until first needed
  };

  Registry& registry_;
  Totals total_;
  ModelBook<Series> book_;
};

}  // namespace outrigger::obs
