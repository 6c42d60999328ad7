#include "obs/savings.h"

namespace outrigger::obs {
namespace {

constexpr std::string_view k_tokens = "outrigger_saved_tokens_total";
constexpr std::string_view k_usd = "outrigger_saved_usd_total";

}  // namespace

std::string_view name(SavedBy by) {
  switch (by) {
    case SavedBy::hit:
      return "hit";
    case SavedBy::coalesced:
      return "coalesced";
    case SavedBy::stale:
      return "stale";
  }
  return {};
}

Savings::Savings(Registry& registry) : registry_(registry) {
  registry_.declare_counter(k_tokens, "Tokens, of prompts and answers, that did not have to be paid for.");
  registry_.declare_counter(k_usd, "What the saved tokens would have cost at list price, in USD.");
}

double Savings::book(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                     const std::optional<TokenPrice>& price) {
  const auto& row = book_.row_of(model).second;
  // Of a model that fell under "other" the name still tells the price.
  const std::optional<TokenPrice> built_in = row.built_in || price ? row.built_in : built_in_price(model);
  const std::optional<TokenPrice>& known = price ? price : built_in;
  const double usd = known ? cost_usd(*known, prompt_tokens, completion_tokens) : 0;
  book_cost(model, by, prompt_tokens, completion_tokens, usd);
  return usd;
}

void Savings::book_cost(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                        double usd) {
  auto& [label, row] = book_.row_of(model);
  const auto at = static_cast<std::size_t>(by);
  if (row.series.tokens[at] == nullptr) {
    row.series.tokens[at] = &registry_.counter(k_tokens, {{"model", label}, {"by", name(by)}});
    row.series.usd[at] = &registry_.counter(k_usd, {{"model", label}, {"by", name(by)}});
  }
  row.series.tokens[at]->add(static_cast<double>(prompt_tokens + completion_tokens));
  row.series.usd[at]->add(usd);
  const Totals one{1, prompt_tokens, completion_tokens, usd};
  row.totals += one;
  totals_[at] += one;
}

Savings::Totals Savings::total() const {
  Totals sum;
  for (const Totals& part : totals_) sum += part;
  return sum;
}

}  // namespace outrigger::obs
