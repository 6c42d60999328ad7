// ModelBook: tokens and money by model: what Savings and Spending have in common. Names of models come from clients, so only so many
// have a row of their own; later ones are booked as "other". `Series` is what else a row holds: the counters that go with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "obs/prices.h"
#include "obs/utf8.h"

namespace outrigger::obs {

struct Totals {
  std::uint64_t requests = 0, prompt_tokens = 0, completion_tokens = 0;
  double usd = 0;

  Totals& operator+=(const Totals& more) {
    requests += more.requests;
    prompt_tokens += more.prompt_tokens;
    completion_tokens += more.completion_tokens;
    usd += more.usd;
    return *this;
  }
};

struct ModelTotals {
  std::string model;
  Totals totals;
};

template <typename Series>
class ModelBook {
 public:
  static constexpr std::size_t k_max_models = 200;
  static constexpr std::size_t k_max_model_name = 128;  // as long as a label's value may be

  struct Row {
    std::optional<TokenPrice> built_in;
    Totals totals;
    Series series{};
  };
  using Rows = std::map<std::string, Row, std::less<>>;

  // The model's own row, or that of "other"; made when it is first asked for. The key is what goes into a label.
  typename Rows::value_type& row_of(std::string_view model) {
    model = utf8_prefix(model, k_max_model_name);
    if (const auto found = rows_.find(model); found != rows_.end()) return *found;
    const auto [added, is_new] = rows_.try_emplace(std::string(rows_.size() < k_max_models ? model : "other"));
    if (is_new) added->second.built_in = built_in_price(added->first);
    return *added;
  }

  // By model, those with most money (then most tokens) first; at most `limit`.
  [[nodiscard]] std::vector<ModelTotals> by_model(std::size_t limit) const {
    std::vector<ModelTotals> rows;
    rows.reserve(rows_.size());
    for (const auto& [model, row] : rows_) rows.push_back({model, row.totals});
    std::stable_sort(rows.begin(), rows.end(), [](const ModelTotals& left, const ModelTotals& right) {
      if (left.totals.usd != right.totals.usd) return left.totals.usd > right.totals.usd;
      return left.totals.prompt_tokens + left.totals.completion_tokens >
             right.totals.prompt_tokens + right.totals.completion_tokens;
    });
    if (rows.size() > limit) rows.resize(limit);
    return rows;
  }

 private:
  Rows rows_;  // at most k_max_models, then "other"
};

}  // namespace outrigger::obs
