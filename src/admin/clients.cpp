#include "admin/clients.h"

namespace outrigger::admin {
namespace {

constexpr std::size_t k_models_shown = 20;

void describe(Json& json, Json::Value object, const obs::Totals& totals) {
  json.put(object, "requests", totals.requests);
  json.put(object, "prompt_tokens", totals.prompt_tokens);
  json.put(object, "completion_tokens", totals.completion_tokens);
  json.put(object, "usd", totals.usd);
}

}  // namespace

void describe_spending(Json& json, Json::Value object, const obs::Spending& spending) {
  describe(json, object, spending.total());
  const Json::Value models = json.array(object, "models");
  for (const obs::ModelTotals& row : spending.by_model(k_models_shown)) {
    const Json::Value model = json.append_object(models);
    json.put(model, "model", row.model);
    describe(json, model, row.totals);
  }
}

}  // namespace outrigger::admin
