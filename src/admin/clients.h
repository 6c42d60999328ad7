// What /api/status says of money: what was spent, and by whom.
#pragma once

#include "admin/json.h"
#include "obs/spending.h"

namespace outrigger::admin {

// The tokens that were paid for and what they cost, in all and by model: {"requests", "prompt_tokens", "completion_tokens", "usd",
// "models": [{"model", …}]}.
void describe_spending(Json& json, Json::Value object, const obs::Spending& spending);

}  // namespace outrigger::admin
