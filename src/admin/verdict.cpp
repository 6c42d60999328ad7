#include "admin/verdict.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace outrigger::admin {
namespace {

using Level = Verdict::Level;
using State = resilience::Health::State;

constexpr double k_near = 0.8;  // of a queue, of a budget
constexpr double k_many_errors = 0.05;
constexpr std::uint64_t k_enough_requests = 20;  // to speak of a share of them

class Judge {
 public:
  void say(std::string_view code, Level level, std::string subject, std::string text) {
    if (!said_.emplace(code, subject).second) return;
    verdict_.reasons.push_back({code, level, std::move(subject), std::move(text)});
  }

  void look_at(const Facts& facts) {
    if (facts.is_draining) {
      say("draining", Level::attention, "", "It is going down: running answers may end, no new connections are taken.");
    } else if (!facts.is_ready) {
      say("not_ready", Level::bad, "", "It does not take requests yet.");
    }
    if (facts.has_redis && !facts.redis_is_up) {
      say("redis_down", Level::attention, "",
          fmt::format("Redis does not answer{}{}: each replica has its own memory only.",
                      facts.redis_error.empty() ? "" : ": ", facts.redis_error));
    }
    if (facts.cache_is_off) say("cache_off", Level::attention, "", "The cache is off: nothing is saved.");
    if (!facts.reload_problem.empty()) {
      say("reload_failed", Level::attention, "",
          "The configuration has changed but cannot be used; the one before it stays in force. " + facts.reload_problem);
    }
    if (facts.log_lines_lost > 0) {
      say("access_log_lost", Level::attention, "",
          fmt::format("{} lines of the access log were lost, because whoever reads it is too slow or its disk is full.",
                      facts.log_lines_lost));
    }
    if (facts.requests >= k_enough_requests) {
      const double share = static_cast<double>(facts.errors) / static_cast<double>(facts.requests);
      if (share >= k_many_errors) {
        say("errors_high", Level::bad, "",
            fmt::format("{:.0f} % of the last five minutes' {} requests failed.", share * 100, facts.requests));
      }
    }
    for (const Facts::Target& target : facts.targets) look_at(target);
    for (const Facts::Budget& budget : facts.budgets) look_at(budget);
  }

  Verdict verdict() && {
    std::ranges::stable_sort(verdict_.reasons, [](const Verdict::Reason& left, const Verdict::Reason& right) {
      return left.level > right.level;
    });
    if (!verdict_.reasons.empty()) verdict_.level = verdict_.reasons.front().level;
    if (verdict_.reasons.size() > Verdict::k_reasons_max) verdict_.reasons.resize(Verdict::k_reasons_max);
    return std::move(verdict_);
  }

 private:
  void look_at(const Facts::Target& target) {
    if (target.is_forced_open) {
      say("target_forced_open", Level::attention, target.name,
          fmt::format("{} was taken out by hand: nothing is sent there until it is put back.", target.name));
    } else if (target.breaker == State::open) {
      say("target_open", Level::bad, target.name,
          fmt::format("{} keeps failing: it is left alone and tried again in {:.0f} s.", target.name,
                      std::ceil(std::max(0.0, seconds(target.retry_in)))));
    } else if (target.breaker == State::half_open) {
      say("target_probing", Level::attention, target.name,
          fmt::format("{} failed: one request finds out whether it is well again.", target.name));
    } else if (target.breaker == State::slow_start) {
      say("target_probing", Level::attention, target.name,
          fmt::format("{} is coming back: a few requests are tried there.", target.name));
    }
    if (target.gate_closed > 0s) {
      say("gate_closed", Level::attention, target.name,
          fmt::format("{} limits the rate: it may be asked again in {:.0f} s.", target.name,
                      std::ceil(seconds(target.gate_closed))));
    }
    if (target.refused_keys > 0) {
      const bool are_all = target.refused_keys >= target.keys;
      say("key_refused", are_all ? Level::bad : Level::attention, target.name,
          fmt::format("{} refuses {} of {} keys{}{}.", target.name, target.refused_keys, target.keys,
                      target.why_refused.empty() ? "" : ": ", target.why_refused));
    }
    if (target.depth > 0 && target.waiting >= target.depth) {
      say("queue_full", Level::bad, target.name,
          fmt::format("The queue of {} is full: {} wait, more are refused.", target.name, target.waiting));
    } else if (target.depth > 0 && static_cast<double>(target.waiting) >= k_near * static_cast<double>(target.depth)) {
      say("queue_filling", Level::attention, target.name,
          fmt::format("The queue of {} fills: {} of {} places are taken.", target.name, target.waiting, target.depth));
    }
  }

  void look_at(const Facts::Budget& budget) {
    if (budget.budget_usd <= 0) return;
    if (budget.spent_usd >= budget.budget_usd) {
      say("budget_spent", Level::bad, budget.client,
          fmt::format(
              "The client {} has used its budget of {:.2f} USD for this {}: what the cache cannot answer is refused.",
              budget.client, budget.budget_usd, budget.period));
    } else if (budget.spent_usd >= k_near * budget.budget_usd) {
      say("budget_near", Level::attention, budget.client,
          fmt::format("The client {} has used {:.0f} % of its budget of {:.2f} USD for this {}.", budget.client,
                      std::floor(budget.spent_usd / budget.budget_usd * 100), budget.budget_usd, budget.period));
    }
  }

  Verdict verdict_;
  std::set<std::pair<std::string_view, std::string>> said_;
};

}  // namespace

Verdict judge(const Facts& facts) {
  Judge judge;
  judge.look_at(facts);
  return std::move(judge).verdict();
}

std::string_view name(Verdict::Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::attention:
      return "attention";
    case Level::bad:
      return "bad";
  }
  return {};
}

}  // namespace outrigger::admin
