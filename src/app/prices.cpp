#include "app/prices.h"

#include <fmt/format.h>

#include <algorithm>

#include "obs/prices.h"
#include "proxy/bill.h"

namespace outrigger::app {
namespace {

bool has_budget(const config::Client& client) { return client.budget.usd_per_day || client.budget.usd_per_month; }

bool may_ask_for(const config::Client& client, const std::string& model) {
  return client.models.empty() || std::ranges::any_of(client.models, [&](const std::string& pattern) {
           return config::glob_matches(pattern, model);
         });
}

}  // namespace

std::vector<config::Diagnostic> price_warnings(const config::Config& config, const std::string& file) {
  std::vector<config::Diagnostic> warnings;
  const proxy::Snapshot snapshot(std::make_shared<const config::Config>(config));
  for (const config::Model& model : config.models) {
    if (model.name.find_first_of("*?") != std::string::npos) continue;
    const auto client = std::ranges::find_if(
        config.clients, [&](const config::Client& one) { return has_budget(one) && may_ask_for(one, model.name); });
    if (client == config.clients.end()) continue;
    const auto is_priced = [&](const config::WeightedTarget& target) {
      proxy::Link link;
      if (const std::size_t colon = target.to.find(':'); colon != std::string::npos)
        link.model = target.to.substr(colon + 1);
      return proxy::price_of(snapshot, model.name, link).has_value();
    };
    if (model.target.empty() ? is_priced({}) : std::ranges::all_of(model.target, is_priced)) continue;
    warnings.push_back(
        {file, 0, 0, false,
         fmt::format("the price of [[model]] `{}` is not known, so requests of [[client]] `{}`, which has a "
                     "budget, are refused; write price = {{ input = …, output = … }} (USD per million tokens)",
                     model.name, client->name)});
  }
  return warnings;
}

}  // namespace outrigger::app
