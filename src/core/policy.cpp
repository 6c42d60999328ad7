#include "core/policy.h"

#include <array>
#include <cstddef>

namespace outrigger {
namespace {

constexpr std::array<std::string_view, 3> k_modes{"on", "observe", "off"};
constexpr std::array<std::string_view, 5> k_levels{"exact", "safe", "faq", "faq+", "synonyms"};
constexpr std::array<std::string_view, 4> k_scopes{"credential", "app", "user", "global"};
constexpr std::array<std::string_view, 2> k_usages{"original", "zero"};

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(CacheMode mode) { return k_modes[static_cast<std::size_t>(mode)]; }
std::string_view name(Level level) { return k_levels[static_cast<std::size_t>(level)]; }
std::string_view name(Scope scope) { return k_scopes[static_cast<std::size_t>(scope)]; }
std::string_view name(UsagePolicy policy) { return k_usages[static_cast<std::size_t>(policy)]; }
std::optional<CacheMode> cache_mode_named(std::string_view text) { return find<CacheMode>(k_modes, text); }
std::optional<Level> level_named(std::string_view text) { return find<Level>(k_levels, text); }
std::optional<Scope> scope_named(std::string_view text) { return find<Scope>(k_scopes, text); }
std::optional<UsagePolicy> usage_policy_named(std::string_view text) { return find<UsagePolicy>(k_usages, text); }

}  // namespace outrigger
