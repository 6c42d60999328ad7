#include "proxy/clients.h"

#include <fmt/format.h>

#include <algorithm>

#include "obs/utf8.h"

namespace outrigger::proxy {
namespace {

using resilience::Period;

constexpr std::string_view k_requests = "outrigger_client_requests_total";
constexpr std::string_view k_spent = "outrigger_client_spent_usd_total";
constexpr std::string_view k_budget = "outrigger_client_budget_usd";
constexpr std::string_view k_ratio = "outrigger_client_budget_used_ratio";

constexpr double k_mean_over = 32;  // answers
// What is under way is over soon, mostly.
constexpr Duration k_soon = 1s;
constexpr std::size_t k_model_shown_max = 100;

std::optional<resilience::NanoUsd> amount(const std::optional<double>& usd) {
  return usd ? std::optional(resilience::nano_usd(*usd)) : std::nullopt;
}

}  // namespace

// ---- ClientPermit ----------------------------------------------------------------------------------------------------

ClientPermit::~ClientPermit() {
  if (account_ != nullptr) account_->settle(*this, {}, 0);
}

void ClientPermit::settle(const providers::Usage& used, double usd) {
  if (account_ == nullptr) return;
  account_->settle(*this, used, usd);
  account_.reset();
}

// ---- ClientAccount ---------------------------------------------------------------------------------------------------

ClientAccount::ClientAccount(io::Loop& loop, obs::Registry& registry, std::string name)
    : loop_(loop), registry_(registry), name_(std::move(name)), spent_(registry.counter(k_spent, {{"client", name_}})) {}

void ClientAccount::configure(const config::Client& client) {
  rate_ = {client.rate.requests_per_minute, client.rate.tokens_per_minute};
  limits_ = {amount(client.budget.usd_per_day), amount(client.budget.usd_per_month)};
}

std::optional<ClientRefusal> ClientAccount::enter() {
  const auto until = allowance_.enter(rate_, loop_.now());
  if (!until) return std::nullopt;
  return too_fast("requests", *rate_.requests, *until);
}

std::expected<ClientPermit, ClientRefusal> ClientAccount::ask(const ClientDemand& demand) {
  if (has_budget() && !demand.price) return std::unexpected(unknown_price(demand.model));
  const MonoTime now = loop_.now();
  const std::uint64_t output = expected_output(demand);
  const std::uint64_t tokens = demand.prompt_tokens + output;
  const double usd = demand.price ? obs::cost_usd(*demand.price, demand.prompt_tokens, output) : 0;
  const resilience::NanoUsd estimate = resilience::nano_usd(usd);
  if (const auto refusal = budget_.refuses(limits_, loop_.wall_now(), estimate)) return std::unexpected(too_dear(*refusal));
  const bool is_guess = demand.is_in_words && answers_ < k_known_after;
  if (const auto refusal = allowance_.refuses(rate_, now, tokens, is_guess)) {
    return std::unexpected(too_many_tokens(*refusal));
  }
  budget_.reserve(estimate);
  return ClientPermit(shared_from_this(), estimate, allowance_.reserve(now, tokens), demand.is_typical);
}

std::uint64_t ClientAccount::expected_output(const ClientDemand& demand) const {
  if (!demand.is_in_words) return 0;
  if (answers_ < k_known_after) return demand.max_output.value_or(k_unknown_output);
  const auto usual = static_cast<std::uint64_t>(2 * mean_output_) + 1;
  return std::min(usual, demand.max_output.value_or(usual));
}

void ClientAccount::settle(const ClientPermit& permit, const providers::Usage& used, double usd) {
  budget_.release(permit.estimate_);
  allowance_.settle(loop_.now(), permit.tokens_, used.prompt_tokens + used.completion_tokens);
  if (permit.is_typical_ && used.completion_tokens > 0) {
    ++answers_;
    const double weight = 1 / std::min(static_cast<double>(answers_), k_mean_over);
    mean_output_ += weight * (static_cast<double>(used.completion_tokens) - mean_output_);
  }
  if (usd <= 0) return;
  budget_.book(loop_.wall_now(), resilience::nano_usd(usd));
  spent_.add(usd);
}

void ClientAccount::count(Outcome outcome, bool was_refused) {
  ++requests_;
  if (was_refused) ++refused_;
  const std::string_view word = was_refused ? std::string_view("refused") : proxy::name(outcome);
  obs::Counter*& counter = outcomes_[word];
  if (counter == nullptr) counter = &registry_.counter(k_requests, {{"client", name_}, {"outcome", word}});
  counter->add();
}

double ClientAccount::spent_usd(Period period) const { return resilience::in_usd(budget_.spent(period, loop_.wall_now())); }

std::optional<double> ClientAccount::used_ratio(Period period) const {
  const auto& limit = limits_.of(period);
  if (!limit) return std::nullopt;
  return spent_usd(period) / resilience::in_usd(*limit);
}

ClientRefusal ClientAccount::too_fast(std::string_view what, std::uint64_t limit, MonoTime until) const {
  const Duration wait = until - loop_.now();
  const auto in_words = std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
  return {ErrorCode::client_rate_limited, wait,
          fmt::format(
              "The client `{}` has used the {} {} that it may use in a minute. Try again in {} s; whoever runs Outrigger "
              "can raise the limit.",
              name_, limit, what, in_words.count())};
}

ClientRefusal ClientAccount::too_many_tokens(const resilience::Allowance::Refusal& refusal) const {
  if (refusal.is_used) return too_fast("tokens", *rate_.tokens, refusal.until);
  return {
      ErrorCode::client_rate_limited, k_soon,
      fmt::format("What the client `{}` has under way may take the rest of the {} tokens that it may use in a minute. Try "
                  "again when that is over; whoever runs Outrigger can raise the limit.",
                  name_, *rate_.tokens)};
}

ClientRefusal ClientAccount::too_dear(const resilience::Budget::Refusal& refusal) const {
  const std::string_view period = resilience::name(refusal.period);
  const double usd = resilience::in_usd(refusal.limit);
  if (!refusal.is_spent) {
    return {ErrorCode::client_budget_spent, k_soon,
            fmt::format(
                "What the client `{}` has under way may use up the rest of its budget of {:.2f} USD for this {}. Try again "
                "when that is over; whoever runs Outrigger can raise the budget.",
                name_, usd, period)};
  }
  const std::string next = resilience::period_text(Period::day, resilience::period_at(Period::day, refusal.until));
  return {
      ErrorCode::client_budget_spent, refusal.until - loop_.wall_now(),
      fmt::format("The client `{}` has used its budget of {:.2f} USD for this {}. It begins anew on {} (UTC); whoever runs "
                  "Outrigger can raise it.",
                  name_, usd, period, next)};
}

// Refused instead of guessed: a guess that is too low protects no money, one that is too high uses up a budget of which nothing was
// spent, and both show late. This shows at the first try, and one line of the file puts it right.
ClientRefusal ClientAccount::unknown_price(std::string_view model) const {
  const std::string_view shown = obs::utf8_prefix(model, k_model_shown_max);
  const std::string what = model.empty() ? "What this request costs" : fmt::format("What the model `{}` costs", shown);
  return {ErrorCode::client_price_unknown, Duration::zero(),
          fmt::format(
              "{} is not known here, so the budget of the client `{}` could not be kept. Whoever runs Outrigger can write "
              "down a price in [[model]] (of zero, if it costs nothing).",
              what, name_)};
}

// ---- Clients ---------------------------------------------------------------------------------------------------------

Clients::Clients(io::Loop& loop, obs::Registry& registry) : loop_(loop), registry_(registry) {
  registry.declare_counter(k_requests, "Requests of a client, by how they ended; refused: by its own limits.");
  registry.declare_counter(k_spent, "What a client's requests cost at list price, in USD, at this replica.");
  registry.declare_gauge(k_budget, "What a client may spend in a day or a month, in USD.");
  registry.declare_gauge(k_ratio, "How much of its budget a client has used, all replicas together; 1: all of it.");
}

void Clients::configure(const config::Config& config) {
  for (auto& [name, known] : known_) known.is_configured = false;
  for (const config::Client& client : config.clients) {
    Known& known = known_[client.name];
    if (known.account == nullptr) known.account = std::make_shared<ClientAccount>(loop_, registry_, client.name);
    known.account->configure(client);
    known.is_configured = true;
  }
  std::erase_if(known_, [](const auto& known) {
    return !known.second.is_configured && known.second.account->spent_usd(Period::month) == 0;
  });
}

std::shared_ptr<ClientAccount> Clients::of(const config::Client& client) {
  Known& known = known_[client.name];
  if (known.account == nullptr) {
    // A request that began under an older file, whose client is not in the new one.
    known.account = std::make_shared<ClientAccount>(loop_, registry_, client.name);
    known.account->configure(client);
  }
  return known.account;
}

void Clients::each(const std::function<void(ClientAccount& account)>& visit) const {
  for (const auto& [name, known] : known_) {
    if (known.is_configured) visit(*known.account);
  }
}

bool Clients::has_budgets() const {
  return std::ranges::any_of(
      known_, [](const auto& known) { return known.second.is_configured && known.second.account->has_budget(); });
}

void Clients::refresh_gauges() {
  const auto show = [this](const std::string& name, Period period, double usd, double ratio) {
    const std::string_view word = resilience::name(period);
    registry_.gauge(k_budget, {{"client", name}, {"period", word}}).set(usd);
    registry_.gauge(k_ratio, {{"client", name}, {"period", word}}).set(ratio);
  };
  // Of a budget that is no more.
  for (const auto& [name, period] : shown_) show(name, period, 0, 0);
  each([&](const ClientAccount& account) {
    for (const Period period : resilience::k_periods) {
      const auto& limit = account.limits().of(period);
      if (!limit) continue;
      shown_.emplace(account.name(), period);
      show(account.name(), period, resilience::in_usd(*limit), *account.used_ratio(period));
    }
  });
}

}  // namespace outrigger::proxy
