// May this answer be stored, and how much did the model write? Pure; asked of the final response object.
#pragma once

#include <yyjson.h>

#include <optional>
#include <string_view>

#include "chat/reasons.h"

namespace outrigger::providers::responses {

// The items of one answer; as a guard, not a limit of the provider.
inline constexpr std::size_t k_items_max = 4096;

// The first reason why it may not be stored; nothing when it may.
std::optional<chat::NoStoreReason> judge(yyjson_val* response);

// Of all that the model wrote: texts, refusals, calls, summaries of its reasoning.
std::uint64_t estimate_output(yyjson_val* response);

}  // namespace outrigger::providers::responses
