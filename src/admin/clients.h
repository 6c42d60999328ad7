// What /api/status says of money: what was spent, and by whom.
#pragma once

#include "admin/json.h"
#include "obs/spending.h"
#include "proxy/clients.h"

namespace outrigger::admin {

// {"requests", "prompt_tokens", "completion_tokens", "usd"}.
void describe_totals(Json& json, Json::Value object, const obs::Totals& totals);

// The tokens that were paid for and what they cost, in all and by model: {"requests", "prompt_tokens", "completion_tokens", "usd",
// "models": [{"model", …}]}.
void describe_spending(Json& json, Json::Value object, const obs::Spending& spending);

// Each [[client]]: {"name", "requests", "refused", "spent_usd": {"day", "month"}, "budget_usd": {"day", "month"}}. The money is that of all
// replicas; of a budget only what there is.
void describe_clients(Json& json, Json::Value array, const proxy::Clients& clients);

}  // namespace outrigger::admin
