// Savings: the tokens and the money that were not spent, by model and by how. Feeds the two metrics and /api/status.
//
// Owned by the composition root; one thread. The Registry must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "obs/metrics.h"
#include "obs/prices.h"

namespace outrigger::obs {

enum class SavedBy : unsigned char { hit, coalesced, stale };
std::string_view name(SavedBy by);

class Savings {
 public:
  struct Totals {
    std::uint64_t requests = 0, prompt_tokens = 0, completion_tokens = 0;
    double usd = 0;
  };
  struct Row {
    std::string model;
    Totals totals;  // however it was saved
  };

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
  [[nodiscard]] std::vector<Row> by_model(std::size_t limit) const;

 private:
  struct Model {
    std::optional<TokenPrice> built_in;
    Totals totals;
    std::array<Counter*, 3> tokens{}, usd{};  // by SavedBy; null until first needed
  };
  Model& model_named(std::string_view model);

  Registry& registry_;
  std::array<Totals, 3> totals_{};
  std::map<std::string, Model, std::less<>> models_;  // at most k_max_models, then "other"
};

}  // namespace outrigger::obs
