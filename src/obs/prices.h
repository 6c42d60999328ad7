// What tokens cost, to tell what was saved.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace outrigger::obs {

// USD per million tokens.
struct TokenPrice {
  double input = 0, output = 0;
};

// The built-in table, by the model's name without its date, snapshot or tag ("gpt-4o-mini-2024-07-18" → "gpt-4o-mini"; a provider's
// prefix such as "openai/" is skipped). A variant that is not in it has no price. List prices change: the file says as of when;
// [[model]] price overrides.
std::optional<TokenPrice> built_in_price(std::string_view model);

inline double cost_usd(const TokenPrice& price, std::uint64_t prompt_tokens, std::uint64_t completion_tokens) {
  return (price.input * static_cast<double>(prompt_tokens) + price.output * static_cast<double>(completion_tokens)) / 1e6;
}

}  // namespace outrigger::obs
