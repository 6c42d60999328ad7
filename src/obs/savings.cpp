#include "obs/savings.h"

#include <algorithm>

#include "obs/utf8.h"

namespace outrigger::obs {
namespace {

constexpr std::string_view k_tokens = "outrigger_saved_tokens_total";
constexpr std::string_view k_usd = "outrigger_saved_usd_total";
constexpr std::size_t k_max_models = 200;      // names come from clients; the rest is booked as "other"
constexpr std::size_t k_max_model_name = 128;  // as long as a label's value may be

void add(Savings::Totals& totals, std::uint64_t prompt_tokens, std::uint64_t completion_tokens, double usd) {
  ++totals.requests;
  totals.prompt_tokens += prompt_tokens;
  totals.completion_tokens += completion_tokens;
  totals.usd += usd;
}

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

Savings::Model& Savings::model_named(std::string_view model) {
  model = utf8_prefix(model, k_max_model_name);
  const auto found = models_.find(model);
  if (found != models_.end()) return found->second;
  if (models_.size() >= k_max_models) return models_["other"];
  Model& added = models_.try_emplace(std::string(model)).first->second;
  added.built_in = built_in_price(model);
  return added;
}

double Savings::book(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                     const std::optional<TokenPrice>& price) {
  const Model& row = model_named(model);
  // Of a model that fell under "other" the name still tells the price.
  const std::optional<TokenPrice> built_in = row.built_in || price ? row.built_in : built_in_price(model);
  const std::optional<TokenPrice>& known = price ? price : built_in;
  const double usd = known ? cost_usd(*known, prompt_tokens, completion_tokens) : 0;
  book_cost(model, by, prompt_tokens, completion_tokens, usd);
  return usd;
}

void Savings::book_cost(std::string_view model, SavedBy by, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                        double usd) {
  Model& row = model_named(model);
  const auto at = static_cast<std::size_t>(by);
  if (row.tokens[at] == nullptr) {
    const std::string_view label = models_.find(utf8_prefix(model, k_max_model_name)) == models_.end() ? "other" : model;
    row.tokens[at] = &registry_.counter(k_tokens, {{"model", label}, {"by", name(by)}});
    row.usd[at] = &registry_.counter(k_usd, {{"model", label}, {"by", name(by)}});
  }
  row.tokens[at]->add(static_cast<double>(prompt_tokens + completion_tokens));
  row.usd[at]->add(usd);
  add(row.totals, prompt_tokens, completion_tokens, usd);
  add(totals_[at], prompt_tokens, completion_tokens, usd);
}

Savings::Totals Savings::total() const {
  Totals sum;
  for (const Totals& part : totals_) {
    sum.requests += part.requests;
    sum.prompt_tokens += part.prompt_tokens;
    sum.completion_tokens += part.completion_tokens;
    sum.usd += part.usd;
  }
  return sum;
}

std::vector<Savings::Row> Savings::by_model(std::size_t limit) const {
  std::vector<Row> rows;
  rows.reserve(models_.size());
  for (const auto& [model, row] : models_) rows.push_back({model, row.totals});
  std::stable_sort(rows.begin(), rows.end(), [](const Row& left, const Row& right) {
    if (left.totals.usd != right.totals.usd) return left.totals.usd > right.totals.usd;
    return left.totals.prompt_tokens + left.totals.completion_tokens >
           right.totals.prompt_tokens + right.totals.completion_tokens;
  });
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

}  // namespace outrigger::obs
