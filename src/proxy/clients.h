// Clients: what each [[client]] of the llm door has used of what it may, and whether it may go on.
//
//   requests a minute   asked when a request comes, before anything else
//   tokens a minute     asked when a call upstream is about to be made: whatever the cache answers, or another's call, is free
//   budgets             the same
//
// A ClientAccount goes by the client's name and is kept over reloads, so a file that is read again gives nobody a new budget. Limits of
// rate are each replica's own; what was spent is shared by proxy/ClientLedger, if there is a Redis.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "config/config.h"
#include "core/error.h"
#include "io/world.h"
#include "obs/metrics.h"
#include "obs/prices.h"
#include "providers/answer.h"
#include "proxy/metrics.h"
#include "resilience/allowance.h"
#include "resilience/budget.h"

namespace outrigger::proxy {

// Why a client may not go on, in words for its user.
struct ClientRefusal {
  ErrorCode code = ErrorCode::client_rate_limited;
  Duration retry_after{};  // zero: waiting does not help
  std::string message;
};

// What a call upstream may take, as far as can be told before.
struct ClientDemand {
  std::string_view model;
  std::uint64_t prompt_tokens = 0;
  bool is_in_words = true;                  // has output
  std::optional<std::uint64_t> max_output;  // as the client limits it
  std::optional<obs::TokenPrice> price;     // nothing: not known
  bool is_typical = true;                   // what it took shows what to expect of others
};

class ClientAccount;

// Leave to make one call upstream. Destroyed without settle(): it has cost nothing. Move-only.
class ClientPermit {
 public:
  ClientPermit(ClientPermit&& other) noexcept = default;
  ClientPermit& operator=(ClientPermit&&) = delete;
  ~ClientPermit();

  void settle(const providers::Usage& used, double usd);

 private:
  friend class ClientAccount;
  ClientPermit(std::shared_ptr<ClientAccount> account, resilience::NanoUsd estimate, resilience::Allowance::Reserved tokens,
               bool is_typical)
      : account_(std::move(account)), estimate_(estimate), tokens_(tokens), is_typical_(is_typical) {}

  std::shared_ptr<ClientAccount> account_;  // null: settled, or moved from
  resilience::NanoUsd estimate_;
  resilience::Allowance::Reserved tokens_;
  bool is_typical_;
};

class ClientAccount : public std::enable_shared_from_this<ClientAccount> {
 public:
  // How much an answer takes when nothing is known: as much as common models write at most unless told otherwise.
  static constexpr std::uint64_t k_unknown_output = 4096;
  // After so many answers, twice their mean is expected (the last few dozen count most), but not more than the client allows.
  static constexpr std::uint64_t k_known_after = 8;

  ClientAccount(io::Loop& loop, obs::Registry& registry, std::string name);

  void configure(const config::Client& client);

  // A request comes. Nothing: it may go on.
  [[nodiscard]] std::optional<ClientRefusal> enter();
  [[nodiscard]] std::expected<ClientPermit, ClientRefusal> ask(const ClientDemand& demand);
  // A request is over. `was_refused`: by one of the two above.
  void count(Outcome outcome, bool was_refused);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool has_budget() const { return limits_.any(); }
  // What it takes must be known, if only by estimate: it has a budget, or so many tokens a minute.
  [[nodiscard]] bool is_metered() const { return has_budget() || rate_.tokens.has_value(); }
  [[nodiscard]] const resilience::Budget::Limits& limits() const { return limits_; }
  [[nodiscard]] const resilience::Budget& budget() const { return budget_; }
  [[nodiscard]] resilience::Budget& budget() { return budget_; }
  // In USD, in the present day or month, all replicas together.
  [[nodiscard]] double spent_usd(resilience::Period period) const;
  // Of the budget of that period; nothing: there is none. Above 1: overrun.
  [[nodiscard]] std::optional<double> used_ratio(resilience::Period period) const;
  [[nodiscard]] std::uint64_t requests() const { return requests_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  friend class ClientPermit;
  [[nodiscard]] std::uint64_t expected_output(const ClientDemand& demand) const;
  [[nodiscard]] ClientRefusal too_fast(std::string_view what, std::uint64_t limit, MonoTime until) const;
  [[nodiscard]] ClientRefusal too_many_tokens(const resilience::Allowance::Refusal& refusal) const;
  [[nodiscard]] ClientRefusal too_dear(const resilience::Budget::Refusal& refusal) const;
  [[nodiscard]] ClientRefusal unknown_price(std::string_view model) const;
  void settle(const ClientPermit& permit, const providers::Usage& used, double usd);

  io::Loop& loop_;
  obs::Registry& registry_;
  std::string name_;
  resilience::Allowance::Limits rate_;
  resilience::Budget::Limits limits_;
  resilience::Allowance allowance_;
  resilience::Budget budget_;
  double mean_output_ = 0;
  std::uint64_t answers_ = 0, requests_ = 0, refused_ = 0;
  std::map<std::string_view, obs::Counter*> outcomes_;  // by static names
  obs::Counter& spent_;
};

class Clients {
 public:
  // Both must outlive it.
  Clients(io::Loop& loop, obs::Registry& registry);

  // At the start and after a reload. Who is gone from the file is forgotten when nothing was spent this month.
  void configure(const config::Config& config);

  // Of a client of the configuration in force or of an older one.
  [[nodiscard]] std::shared_ptr<ClientAccount> of(const config::Client& client);
  // Those of the configuration in force, in the order of their names.
  void each(const std::function<void(ClientAccount& account)>& visit) const;
  [[nodiscard]] bool has_budgets() const;
  // Before a scrape.
  void refresh_gauges();

 private:
  struct Known {
    std::shared_ptr<ClientAccount> account;
    bool is_configured = false;
  };

  io::Loop& loop_;
  obs::Registry& registry_;
  std::map<std::string, Known, std::less<>> known_;
  std::set<std::pair<std::string, resilience::Period>> shown_;  // gauges that there are
};

}  // namespace outrigger::proxy
