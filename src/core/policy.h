// The words with which an operator steers the cache. Shared by config/, chat/ and cache/; the names are the configuration's.
#pragma once

#include <optional>
#include <string_view>

namespace outrigger {

enum class CacheMode : unsigned char { on, observe, off };

// How much of a text's form is ignored in the key. Each level includes the ones before it.
enum class Level : unsigned char { exact, safe, faq, faq_plus, synonyms };

// Who shares an answer.
enum class Scope : unsigned char { credential, app, user, global };

// The token usage that a hit reports.
enum class UsagePolicy : unsigned char { original, zero };

std::string_view name(CacheMode mode);
std::string_view name(Level level);  // "faq+" for faq_plus
std::string_view name(Scope scope);
std::string_view name(UsagePolicy policy);
std::optional<CacheMode> cache_mode_named(std::string_view text);
std::optional<Level> level_named(std::string_view text);
std::optional<Scope> scope_named(std::string_view text);
std::optional<UsagePolicy> usage_policy_named(std::string_view text);

}  // namespace outrigger
