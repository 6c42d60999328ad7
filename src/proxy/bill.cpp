#include "proxy/bill.h"

#include <utility>

#include "chat/named_model.h"

namespace outrigger::proxy {
namespace {

// The operator's price, else the list's.
std::optional<obs::TokenPrice> price_of_model(const Snapshot& snapshot, std::string_view model) {
  if (const auto told = snapshot.price(model)) return told;
  return obs::built_in_price(model);
}

// Reads of what lies at the provider, and counting, cost nothing.
bool is_free(const PursuitOrder& order) {
  if (order.endpoint != chat::Endpoint::other) return false;
  const http::RequestHead& head = order.head;
  return head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS" || head.method == "DELETE" ||
         chat::only_counts(http::split_target(head.target).path);
}

}  // namespace

std::optional<obs::TokenPrice> price_of(const Snapshot& snapshot, std::string_view asked, std::string_view answering) {
  if (const auto told = snapshot.price(asked)) return told;
  if (const auto known = price_of_model(snapshot, answering)) return known;
  return price_of_model(snapshot, asked);
}

std::optional<obs::TokenPrice> price_of(const Snapshot& snapshot, std::string_view asked, const Link& link) {
  const std::string_view answering = link.model.empty() ? asked : std::string_view(link.model);
  if (link.is_downgrade) {
    if (const auto known = price_of_model(snapshot, answering)) return known;
  }
  return price_of(snapshot, asked, answering);
}

providers::Usage usage_of(const providers::Answer& answer, std::uint64_t prompt_tokens_estimate) {
  const providers::Usage told = answer.usage.value_or(providers::Usage{});
  return {told.prompt_tokens > 0 ? told.prompt_tokens : prompt_tokens_estimate,
          told.completion_tokens > 0 ? told.completion_tokens : answer.estimated_completion_tokens};
}

std::optional<ClientRefusal> Bill::open() {
  if (is_free(order_)) return std::nullopt;
  if (payer_ != nullptr) {
    auto permit = payer_->ask({.model = order_.asked,
                               .prompt_tokens = order_.prompt_tokens,
                               .is_in_words = order_.output_tokens > 0,
                               .max_output = order_.needs.max_output,
                               .price = price_of(*order_.snapshot, order_.asked, order_.chain.front()),
                               .is_typical = order_.endpoint != chat::Endpoint::other && !order_.is_background});
    if (!permit) return std::move(permit.error());
    permit_.emplace(std::move(*permit));
  }
  is_open_ = true;
  return std::nullopt;
}

void Bill::drop() {
  is_open_ = false;
  permit_.reset();
}

double Bill::cost(const Link& by, const providers::Usage& used) const {
  const auto price = price_of(*order_.snapshot, order_.asked, by);
  return price ? obs::cost_usd(*price, used.prompt_tokens, used.completion_tokens) : 0;
}

void Bill::charge(const Link& by, const providers::Usage& used) {
  if (!std::exchange(is_open_, false)) return;
  const double usd = cost(by, used);
  spent_.usd += usd;
  spent_.tokens += used.prompt_tokens + used.completion_tokens;
  if (permit_) permit_->settle(used, usd);
  permit_.reset();
  // Beside what was saved of the same model, unless another one stood in.
  const std::string_view model = by.is_downgrade && !by.model.empty() ? std::string_view(by.model) : order_.asked;
  metrics_.spending().book(model, used.prompt_tokens, used.completion_tokens, usd);
}

}  // namespace outrigger::proxy
