#include "proxy/client_ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::proxy {
namespace {

using resilience::Period;

// Of a round trip; nobody waits for it.
constexpr Duration k_round_trip = 100ms;
// Beyond the end of a period: for replicas whose clocks are behind, and for people who look.
constexpr Duration k_days_beyond = 48h, k_months_beyond = 24h * 35;

std::string line_of(const std::string& client, Period period, std::int64_t index) {
  return client + ":" + resilience::period_text(period, index);
}

}  // namespace

ClientLedger::ClientLedger(io::World world, cache::RedisSettings settings, Clients& clients)
    : world_(world),
      clients_(clients),
      rng_(world.rng.fork()),
      tally_(world, settings, fmt::format("{:016x}", rng_.next()), std::max(settings.timeout, k_round_trip)) {}

ClientLedger::~ClientLedger() = default;

void ClientLedger::open() {
  tally_.open();
  tick();
}

void ClientLedger::tick() {
  if (!is_asking_) is_asking_ = exchange([this] { is_asking_ = false; });
  // Not in step with the others.
  const double period = static_cast<double>((clients_.has_budgets() ? k_period : k_idle_period).count());
  timer_ = world_.loop.after(Duration(static_cast<Duration::rep>(period * (0.9 + 0.1 * rng_.unit()))), [this] { tick(); });
}

void ClientLedger::save(std::function<void()> done) {
  timer_.cancel();
  // A round under way may have been too early to know all.
  if (!exchange(done)) saving_ = world_.loop.after(0s, std::move(done));
}

bool ClientLedger::exchange(std::function<void()> done) {
  const WallTime now = world_.loop.wall_now();
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  std::map<std::string, resilience::NanoUsd> told;
  clients_.each([&](ClientAccount& account) {
    for (const Period period : resilience::k_periods) {
      const std::int64_t present = resilience::period_at(period, now);
      const auto add = [&](std::int64_t index, resilience::NanoUsd own) {
        const std::string name = line_of(account.name(), period, index);
        const auto before = told_.find(name);
        const bool is_known = before != told_.end() && before->second == own;
        if (is_known) told.emplace(name, own);
        if (index != present && (is_known || own == 0)) return;
        const Duration beyond = period == Period::day ? k_days_beyond : k_months_beyond;
        const Duration life = resilience::period_end(period, index) - now + beyond;
        if (life <= Duration::zero()) return;
        round->entries.push_back({account.shared_from_this(), period, index, own});
        // The present is told again and again: Redis may have lost it.
        round->lines.push_back({name, own > 0 ? std::optional(own) : std::nullopt, life});
      };
      const resilience::Budget::Sums& sums = account.budget().sums(period);
      if (!sums.contains(present)) add(present, 0);
      for (const auto& [index, sum] : sums) add(index, sum.own);
    }
  });
  told_ = std::move(told);
  tally_.keep_only(round->lines);
  return ask_page(round);
}

bool ClientLedger::ask_page(const std::shared_ptr<Round>& round) {
  const std::size_t first = round->asked, count = std::min(round->lines.size() - first, cache::Tally::k_lines_max);
  if (count == 0) return false;
  round->asked += count;
  const auto begin = round->lines.begin() + static_cast<std::ptrdiff_t>(first);
  const std::vector<cache::Tally::Line> page(begin, begin + static_cast<std::ptrdiff_t>(count));
  return tally_.exchange(page, [this, round, first, count](const auto& others) {
    if (others) on_read(std::span(round->entries).subspan(first, count), *others);
    // Without an answer the rest would not have one either.
    if (!others || !ask_page(round)) round->done();
  });
}

void ClientLedger::on_read(std::span<const Entry> entries, std::span<const std::int64_t> others) {
  const WallTime now = world_.loop.wall_now();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.own > 0) told_[line_of(entry.account->name(), entry.period, entry.index)] = entry.own;
    // Sums grow. One that has fallen was lost, and is told anew by those who know of it.
    const auto& sums = entry.account->budget().sums(entry.period);
    const auto known = sums.find(entry.index);
    const resilience::NanoUsd before = known != sums.end() ? known->second.others : 0;
    if (others[i] > before) entry.account->budget().learn(entry.period, entry.index, others[i], now);
  }
}

}  // namespace outrigger::proxy
