#include "chat/reasons.h"

#include <array>
#include <cstddef>

namespace outrigger::chat {
namespace {

constexpr std::array<std::string_view, k_bypass_reasons> k_bypass{
    "cache_off",      "endpoint",    "not_json",        "not_understood", "too_large",   "encoded_body", "no_store",
    "ping",           "temperature", "several_answers", "hosted_tool",    "mutable_url", "audio",        "stateful",
    "no_scope_value", "overloaded",  "refused",         "conversation",   "files"};
static_assert(k_bypass.size() == static_cast<std::size_t>(BypassReason::files) + 1);

constexpr std::array<std::string_view, k_no_store_reasons> k_no_store{
    "error_status", "error_in_answer", "cut",       "abandoned", "length",     "filtered", "refused", "empty",
    "unfinished",   "not_understood",  "too_large", "purged",    "downgraded", "files"};
static_assert(k_no_store.size() == static_cast<std::size_t>(NoStoreReason::files) + 1);

}  // namespace

std::string_view name(BypassReason reason) { return k_bypass[static_cast<std::size_t>(reason)]; }
std::string_view name(NoStoreReason reason) { return k_no_store[static_cast<std::size_t>(reason)]; }

}  // namespace outrigger::chat
