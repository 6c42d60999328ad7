#include "obs/spending.h"

namespace outrigger::obs {
namespace {

constexpr std::string_view k_usd = "outrigger_spent_usd_total";

}  // namespace

Spending::Spending(Registry& registry) : registry_(registry) {
  registry_.declare_counter(k_usd,
                            "What the tokens that were paid for cost at list price, in USD, by the model that answered.");
}

void Spending::book(std::string_view model, std::uint64_t prompt_tokens, std::uint64_t completion_tokens, double usd) {
  auto& [label, row] = book_.row_of(model);
  if (row.series.usd == nullptr) row.series.usd = &registry_.counter(k_usd, {{"model", label}});
  row.series.usd->add(usd);
  const Totals one{1, prompt_tokens, completion_tokens, usd};
  row.totals += one;
  total_ += one;
}

}  // namespace outrigger::obs
