#include "admin/clients.h"

namespace outrigger::admin {
namespace {

constexpr std::size_t k_models_shown = 20;

}  // namespace

void describe_totals(Json& json, Json::Value object, const obs::Totals& totals) {
  json.put(object, "requests", totals.requests);
  json.put(object, "prompt_tokens", totals.prompt_tokens);
  json.put(object, "completion_tokens", totals.completion_tokens);
  json.put(object, "usd", totals.usd);
}

void describe_spending(Json& json, Json::Value object, const obs::Spending& spending) {
  describe_totals(json, object, spending.total());
  const Json::Value models = json.array(object, "models");
  for (const obs::ModelTotals& row : spending.by_model(k_models_shown)) {
    const Json::Value model = json.append_object(models);
    json.put(model, "model", row.model);
    describe_totals(json, model, row.totals);
  }
}

void describe_clients(Json& json, Json::Value array, const proxy::Clients& clients) {
  clients.each([&](const proxy::ClientAccount& account) {
    const Json::Value client = json.append_object(array);
    json.put(client, "name", account.name());
    json.put(client, "requests", account.requests());
    json.put(client, "refused", account.refused());
    const Json::Value spent = json.object(client, "spent_usd");
    const Json::Value budget = json.object(client, "budget_usd");
    for (const resilience::Period period : resilience::k_periods) {
      const char* name = resilience::name(period).data();
      json.put(spent, name, account.spent_usd(period));
      if (const auto& limit = account.limits().of(period)) json.put(budget, name, resilience::in_usd(*limit));
    }
  });
}

}  // namespace outrigger::admin
