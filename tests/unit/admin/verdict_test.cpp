// Is everything well?
#include "admin/verdict.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>

namespace outrigger::admin {
namespace {

using Level = Verdict::Level;
using State = resilience::Health::State;

Facts::Target target(std::string name) {
  Facts::Target target;
  target.name = std::move(name);
  target.keys = 1;
  target.depth = 100;
  return target;
}

// The facts with one thing changed about their only target.
Facts with(const std::function<void(Facts::Target&)>& change) {
  Facts facts;
  facts.targets.push_back(target("relay:gpt-4o"));
  change(facts.targets.back());
  return facts;
}

Facts::Budget budget(double spent, double of) {
  return {.client = "desk", .period = "month", .spent_usd = spent, .budget_usd = of};
}

}  // namespace

TEST_CASE("each fact, and what is made of it") {
  struct Case {
    const char* what;
    Facts facts;
    Level level;
    std::string_view code;  // empty: no reason
    std::string_view word;  // in the text
  };
  Facts draining;
  draining.is_ready = false;
  draining.is_draining = true;
  Facts starting;
  starting.is_ready = false;
  Facts no_redis;
  no_redis.has_redis = true;
  no_redis.redis_error = "refused";
  Facts redis = no_redis;
  redis.redis_is_up = true;
  Facts off;
  off.cache_is_off = true;
  Facts unreadable;
  unreadable.reload_problem = "x.toml:3:1: unknown key";
  Facts lost;
  lost.log_lines_lost = 12;
  const auto failing = [](std::uint64_t requests, std::uint64_t errors) {
    Facts facts;
    facts.requests = requests;
    facts.errors = errors;
    return facts;
  };
  const auto spending = [](double spent, double of) {
    Facts facts;
    facts.budgets.push_back(budget(spent, of));
    return facts;
  };
  const std::vector<Case> cases{
      {"nothing", {}, Level::ok, "", ""},
      {"a healthy target", with([](auto&) {}), Level::ok, "", ""},
      {"starting", starting, Level::bad, "not_ready", "not take"},
      {"draining says more than not ready", draining, Level::attention, "draining", "going down"},
      {"redis is away", no_redis, Level::attention, "redis_down", "refused"},
      {"redis is there", redis, Level::ok, "", ""},
      {"cache off", off, Level::attention, "cache_off", "nothing is saved"},
      {"reload refused", unreadable, Level::attention, "reload_failed", "x.toml:3:1"},
      {"log lines lost", lost, Level::attention, "access_log_lost", "12 lines"},
      {"5 % of errors", failing(20, 1), Level::bad, "errors_high", "5 %"},
      {"just below", failing(21, 1), Level::ok, "", ""},
      {"too few to tell", failing(19, 19), Level::ok, "", ""},
      {"no requests", failing(0, 0), Level::ok, "", ""},
      {"open", with([](auto& t) {
         t.breaker = State::open;
         t.retry_in = 2500ms;
       }),
       Level::bad, "target_open", "again in 3 s"},
      {"open, and overdue", with([](auto& t) {
         t.breaker = State::open;
         t.retry_in = -5s;
       }),
       Level::bad, "target_open", "again in 0 s"},
      {"by hand", with([](auto& t) {
         t.breaker = State::open;
         t.is_forced_open = true;
       }),
       Level::attention, "target_forced_open", "by hand"},
      {"probing", with([](auto& t) { t.breaker = State::half_open; }), Level::attention, "target_probing", "one request"},
      {"untried", with([](auto& t) { t.breaker = State::untried; }), Level::ok, "", ""},
      {"slow start", with([](auto& t) { t.breaker = State::slow_start; }), Level::attention, "target_probing",
       "coming back"},
      {"gate", with([](auto& t) { t.gate_closed = 7100ms; }), Level::attention, "gate_closed", "in 8 s"},
      {"all keys refused", with([](auto& t) {
         t.refused_keys = 1;
         t.why_refused = "insufficient_quota";
       }),
       Level::bad, "key_refused", "1 of 1 keys: insufficient_quota"},
      {"one of two keys refused", with([](auto& t) {
         t.keys = 2;
         t.refused_keys = 1;
       }),
       Level::attention, "key_refused", "1 of 2 keys."},
      {"queue below 80 %", with([](auto& t) { t.waiting = 79; }), Level::ok, "", ""},
      {"queue at 80 %", with([](auto& t) { t.waiting = 80; }), Level::attention, "queue_filling", "80 of 100"},
      {"queue full", with([](auto& t) { t.waiting = 100; }), Level::bad, "queue_full", "100 wait"},
      {"a queue without places", with([](auto& t) { t.depth = 0; }), Level::ok, "", ""},
      {"budget below 80 %", spending(79.9, 100), Level::ok, "", ""},
      {"budget near", spending(80, 100), Level::attention, "budget_near", "80 %"},
      {"budget spent", spending(100, 100), Level::bad, "budget_spent", "100.00 USD for this month"},
      {"no budget", spending(100, 0), Level::ok, "", ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.what);
    const Verdict verdict = judge(one.facts);
    CHECK(verdict.level == one.level);
    if (one.code.empty()) {
      CHECK(verdict.reasons.empty());
      continue;
    }
    REQUIRE(verdict.reasons.size() == 1);
    CHECK(verdict.reasons[0].code == one.code);
    CHECK(verdict.reasons[0].level == one.level);
    CAPTURE(verdict.reasons[0].text);
    CHECK(verdict.reasons[0].text.contains(one.word));
    CHECK(verdict.reasons[0].text.ends_with(one.code == "reload_failed" ? "key" : "."));
  }
}

TEST_CASE("the worst comes first, a target is named once a code, and there is an end") {
  Facts facts;
  facts.cache_is_off = true;
  for (int i = 0; i < 3; ++i) {
    facts.targets.push_back(target("relay:a"));
    facts.targets.back().breaker = State::open;
  }
  Verdict verdict = judge(facts);
  CHECK(verdict.level == Level::bad);
  REQUIRE(verdict.reasons.size() == 2);
  CHECK(verdict.reasons[0].code == "target_open");
  CHECK(verdict.reasons[0].subject == "relay:a");
  CHECK(verdict.reasons[1].code == "cache_off");
  for (int i = 0; i < 500; ++i) {
    facts.targets.push_back(target("relay:" + std::to_string(i)));
    facts.targets.back().breaker = State::half_open;
  }
  verdict = judge(facts);
  CHECK(verdict.reasons.size() == Verdict::k_reasons_max);
  CHECK(verdict.reasons[0].code == "target_open");
}

TEST_CASE("levels have names") {
  CHECK(name(Level::ok) == "ok");
  CHECK(name(Level::attention) == "attention");
  CHECK(name(Level::bad) == "bad");
}

}  // namespace outrigger::admin
