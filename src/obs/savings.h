// Savings: the tokens and the money that were not spent, by model and by how. Feeds the two metrics and /api/status.
//
// Owned by the composition root; one thread. The Registry must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "obs/metrics.h"
#include "obs/model_book.h"

namespace outrigger::obs {

enum class SavedBy : unsigned char { hit, coalesced, stale };
std::string_view name(SavedBy by);

class Savings {
 public:
  using Totals = obs::Totals;
  using Row = ModelTotals;  // however it was saved

  explicit Savings(Registry& registry);
  Savings(const Savings&) = delete;
  Savings& operator=(const Savings&) = delete;

  // Books one answer that cost nothing and returns what it would have cost in USD. `price` overrides the built-in table; of a
  // model that neither knows only the tokens are booked. Costs a map lookup.
  double book(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
              const std::optional<TokenPrice>& price = std::nullopt);

  // The same of an answer whose price is known.
  void book_cost(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                 double usd);

  [[nodiscard]] Totals total() const;
  [[nodiscard]] const Totals& total(SavedBy by) const { return totals_[static_cast<std::size_t>(by)]; }
  // By model, those that saved most money (then most tokens) first; at most `limit`.
  [[nodiscard]] std::vector<Row> by_model(std::size_t limit) const { return book_.by_model(limit); }

 private:
  struct Series {
    std::array<Counter*, 3> tokens{}, usd{};  // by SavedBy; null until first needed
  };

  Registry& registry_;
  std::array<Totals, 3> totals_{};
  ModelBook<Series> book_;
};

}  // namespace outrigger::obs
