#include "proxy/bill.h"

#include <utility>

namespace outrigger::proxy {
namespace {

// The operator's price, else the list's.
std::optional<obs::TokenPrice> price_of_model(const Snapshot& snapshot, std::string_view model) {
  if (const auto told = snapshot.price(model)) return told;
  return obs::built_in_price(model);
}

}  // namespace

std::optional<obs::TokenPrice> price_of(const Snapshot& snapshot, std::string_view asked, const Link& link) {
  const std::string_view answering = link.model.empty() ? asked : std::string_view(link.model);
  if (!link.is_downgrade) {
    if (const auto told = snapshot.price(asked)) return told;
  }
  if (const auto known = price_of_model(snapshot, answering)) return known;
  return price_of_model(snapshot, asked);
}

double Bill::cost(const Link& by, const providers::Usage& used) const {
  const auto price = price_of(*order_.snapshot, order_.asked, by);
  return price ? obs::cost_usd(*price, used.prompt_tokens, used.completion_tokens) : 0;
}

void Bill::charge(const Link& by, const providers::Usage& used) {
  if (!std::exchange(is_open_, false)) return;
  const double usd = cost(by, used);
  usd_ += usd;
  // Beside what was saved of the same model, unless another one stood in.
  const std::string_view model = by.is_downgrade && !by.model.empty() ? std::string_view(by.model) : order_.asked;
  metrics_.spending().book(model, used.prompt_tokens, used.completion_tokens, usd);
}

}  // namespace outrigger::proxy
