#include "admin/status.h"

#include <algorithm>

#include "admin/clients.h"
#include "admin/verdict.h"

namespace outrigger::admin {
namespace {

constexpr Duration k_lately = 5min;  // over which the share of errors is taken

void describe_level(Json& json, Json::Value object, const char* name, const resilience::RateGate::Level& level) {
  if (level.source == resilience::RateGate::Source::none) return;
  const Json::Value limit = json.object(object, name);
  json.put(limit, "per_minute", level.limit);
  json.put(limit, "used", level.used);
  json.put(limit, "source", resilience::name(level.source));
}

void describe_seconds(Json& json, Json::Value object, const char* name, const std::optional<Duration>& value) {
  if (value) json.put(object, name, seconds(*value));
}

void describe_times(Json& json, Json::Value object, const char* name, const resilience::DecayingQuantile& times) {
  const Json::Value percentiles = json.object(object, name);
  describe_seconds(json, percentiles, "p50", times.at(0.5));
  describe_seconds(json, percentiles, "p95", times.at(0.95));
  describe_seconds(json, percentiles, "p99", times.at(0.99));
}

void describe_lane(Json& json, Json::Value object, const proxy::Lane& lane, MonoTime now) {
  json.put(object, "name", lane.name());
  const resilience::Health& health = lane.health();
  json.put(object, "breaker", resilience::name(health.state(now)));
  json.put(object, "by_hand", health.forced_open());
  if (!lane.last_error().empty()) json.put(object, "last_error", lane.last_error());
  json.put(object, "failures_in_a_row", static_cast<std::uint64_t>(health.failures_in_a_row()));
  json.put(object, "failure_rate", health.failure_rate(now));
  if (const auto at = health.reopens_at()) json.put(object, "retry_in_seconds", std::max(0.0, seconds(*at - now)));
  json.put(object, "in_flight", static_cast<std::uint64_t>(lane.concurrency().in_flight()));
  if (const auto limit = lane.concurrency().limit()) json.put(object, "concurrency", static_cast<std::uint64_t>(*limit));
  const Json::Value queue = json.object(object, "queue");
  json.put(queue, "waiting", static_cast<std::uint64_t>(lane.queue().size()));
  json.put(queue, "depth", static_cast<std::uint64_t>(lane.queue().depth()));
  describe_times(json, object, "first_token_seconds", lane.first_token());
  const Json::Value unfit = json.object(object, "unfit");
  for (const auto& [reason, times] : lane.unfit()) json.put(unfit, reason.data(), times);
  const Json::Value keys = json.array(object, "keys");
  for (const proxy::Lane::Key& key : lane.keys()) {
    const Json::Value one = json.append_object(keys);
    json.put(one, "gate_closed_seconds", seconds(key.gate.closed_for(now)));
    describe_level(json, one, "requests", key.gate.requests(now));
    describe_level(json, one, "tokens", key.gate.tokens(now));
    if (const auto pace = key.gate.pace(now)) json.put(one, "paced_to_per_minute", *pace);
    const bool is_refused = key.is_set_aside(now);
    json.put(one, "refused", is_refused);
    if (is_refused) json.put(one, "why", key.why);
  }
}

// What a backend of the dify door has made of its runs; how it is now stands among the targets.
void describe_backend(Json& json, Json::Value object, const std::string& name, const proxy::DifyMetrics& metrics) {
  static const proxy::DifyMetrics::Backend k_unused;
  const auto found = metrics.backends().find(name);
  const proxy::DifyMetrics::Backend& backend = found != metrics.backends().end() ? found->second : k_unused;
  json.put(object, "name", name);
  const Json::Value runs = json.object(object, "runs");
  for (std::size_t i = 0; i < proxy::k_outcomes; ++i) {
    json.put(runs, proxy::name(static_cast<proxy::Outcome>(i)).data(), backend.runs[i]);
  }
  const Json::Value errors = json.object(object, "errors");
  for (const auto& [code, times] : backend.errors) json.put(errors, code.c_str(), times);
  describe_times(json, object, "first_event_seconds", backend.first_event);
  describe_times(json, object, "run_seconds", backend.whole_run);
  json.put(object, "prompt_tokens", backend.prompt_tokens);
  json.put(object, "completion_tokens", backend.completion_tokens);
  const Json::Value price = json.object(object, "price");
  for (const auto& [currency, amount] : backend.price) json.put(price, currency.c_str(), amount);
}

// The dify door's backends, and its apps, each at each backend.
void describe_dify(Json& json, Json::Value object, const proxy::DifyDoor& door, MonoTime now) {
  json.put(object, "requests", static_cast<std::uint64_t>(door.flows()));
  const Json::Value backends = json.array(object, "backends");
  const config::Dify& dify = door.snapshot()->config().dify;
  for (const config::WeightedTarget& target : dify.target) {
    describe_backend(json, json.append_object(backends), target.to, door.dify_metrics());
  }
  for (const std::string& fallback : dify.fallback) {
    if (std::ranges::find(dify.target, fallback, &config::WeightedTarget::to) != dify.target.end()) continue;
    describe_backend(json, json.append_object(backends), fallback, door.dify_metrics());
  }
  const Json::Value apps = json.array(object, "apps");
  door.apps().each([&](const std::string& label, const proxy::Lane& lane) {
    const Json::Value app = json.append_object(apps);
    json.put(app, "app", label);
    json.put(app, "backend", lane.model());
    json.put(app, "breaker", resilience::name(lane.health().state(now)));
    json.put(app, "in_flight", static_cast<std::uint64_t>(lane.concurrency().in_flight()));
    if (const auto limit = lane.concurrency().limit()) json.put(app, "concurrency", static_cast<std::uint64_t>(*limit));
    json.put(app, "waiting", static_cast<std::uint64_t>(lane.queue().size()));
    json.put(app, "too_many_for_seconds", seconds(lane.gate_closed_for()));
  });
}

void describe_verdict(Json& json, Json::Value object, const Verdict& verdict) {
  json.put(object, "state", name(verdict.level));
  const Json::Value reasons = json.array(object, "reasons");
  for (const Verdict::Reason& reason : verdict.reasons) {
    const Json::Value one = json.append_object(reasons);
    json.put(one, "code", reason.code);
    json.put(one, "level", name(reason.level));
    json.put(one, "subject", reason.subject);
    json.put(one, "text", reason.text);
  }
}

void describe_requests(Json& json, Json::Value object, const obs::Journal::Totals& totals) {
  json.put(object, "total", totals.requests);
  const Json::Value outcomes = json.object(object, "outcomes");
  for (std::size_t i = 0; i < totals.outcomes.size(); ++i) {
    json.put(outcomes, obs::k_outcome_words[i].data(), totals.outcomes[i]);
  }
  const Json::Value cache = json.object(object, "cache");
  for (std::size_t i = 0; i < totals.cache.size(); ++i) json.put(cache, obs::k_cache_words[i].data(), totals.cache[i]);
}

Facts::Target facts_of(const proxy::Lane& lane, MonoTime now) {
  Facts::Target target;
  target.name = obs::valid_utf8(lane.name());
  target.breaker = lane.health().state(now);
  target.is_forced_open = lane.health().forced_open();
  if (const auto at = lane.health().reopens_at()) target.retry_in = *at - now;
  target.gate_closed = lane.gate_closed_for();
  target.keys = lane.keys().size();
  for (const proxy::Lane::Key& key : lane.keys()) {
    if (!key.is_set_aside(now)) continue;
    ++target.refused_keys;
    target.why_refused = key.why;
  }
  target.waiting = lane.queue().size();
  target.depth = lane.queue().depth();
  return target;
}

Facts gather_facts(const StatusSources& from) {
  Facts facts;
  facts.is_ready = from.hooks.is_ready();
  facts.is_draining = from.hooks.is_draining && from.hooks.is_draining();
  const cache::StoreStats stats = from.door.store().stats();
  facts.has_redis = stats.redis_configured;
  facts.redis_is_up = stats.redis_up;
  facts.redis_error = stats.redis_last_error;
  facts.cache_is_off = from.door.snapshot()->config().cache.mode == CacheMode::off;
  if (from.hooks.reload_problem) facts.reload_problem = from.hooks.reload_problem();
  facts.log_lines_lost = from.log_lines_lost;
  const obs::HistoryPoint lately = from.journal.history().last(k_lately, from.loop.wall_now());
  facts.requests = lately.requests;
  facts.errors = lately.errors;
  from.door.lanes().each([&](const proxy::Lane& lane) { facts.targets.push_back(facts_of(lane, from.loop.now())); });
  from.door.clients().each([&](const proxy::ClientAccount& account) {
    for (const resilience::Period period : resilience::k_periods) {
      const auto& budget = account.limits().of(period);
      if (!budget) continue;
      facts.budgets.push_back(
          {account.name(), resilience::name(period), account.spent_usd(period), resilience::in_usd(*budget)});
    }
  });
  return facts;
}

}  // namespace

std::string status_json(const StatusSources& from, JsonForm form) {
  Json json;
  const Json::Value root = json.root();
  json.put(root, "version", from.version);
  json.put(root, "ready", from.hooks.is_ready());
  json.put(root, "uptime_seconds", seconds(from.loop.wall_now() - from.started));
  describe_verdict(json, json.object(root, "health"), judge(gather_facts(from)));
  describe_requests(json, json.object(root, "requests"), from.journal.totals());

  const cache::StoreStats stats = from.door.store().stats();
  const Json::Value cache = json.object(root, "cache");
  const config::Cache& policy = from.door.snapshot()->config().cache;
  json.put(cache, "mode", name(policy.mode));
  json.put(cache, "normalise", name(policy.normalise));
  json.put(cache, "scope", name(policy.scope));
  json.put(cache, "ttl_seconds", seconds(policy.ttl));
  const Json::Value memory = json.object(cache, "memory");
  json.put(memory, "entries", static_cast<std::uint64_t>(stats.entries));
  json.put(memory, "bytes", static_cast<std::uint64_t>(stats.bytes));
  json.put(memory, "capacity", static_cast<std::uint64_t>(stats.capacity));
  json.put(memory, "evictions", stats.evictions);
  const Json::Value redis = json.object(cache, "redis");
  json.put(redis, "configured", stats.redis_configured);
  json.put(redis, "up", stats.redis_up);
  json.put(redis, "hits", stats.redis_hits);
  json.put(redis, "misses", stats.redis_misses);
  json.put(redis, "errors", stats.redis_errors);
  json.put(redis, "timeouts", stats.redis_timeouts);
  json.put(redis, "writes", stats.redis_writes);
  json.put(redis, "dropped", stats.redis_dropped);
  json.put(redis, "rubbish", stats.redis_rubbish);
  json.put(redis, "last_error", stats.redis_last_error);

  const Json::Value fleet = json.object(root, "fleet");
  const proxy::Fleet* others = from.hooks.fleet ? from.hooks.fleet() : nullptr;
  json.put(fleet, "configured", others != nullptr);
  json.put(fleet, "replicas", static_cast<std::uint64_t>(others != nullptr ? others->replicas() : 1));
  json.put(fleet, "redis_up", others != nullptr && others->redis_up());
  json.put(fleet, "last_error", others != nullptr ? others->last_error() : std::string());

  const Json::Value fills = json.object(root, "in_flight");
  json.put(fills, "upstream_calls", static_cast<std::uint64_t>(from.door.fills().size()));
  json.put(fills, "recorded_bytes", static_cast<std::uint64_t>(from.door.fills().recorded_bytes()));

  if (const proxy::DifyDoor* dify = from.hooks.dify ? from.hooks.dify() : nullptr) {
    describe_dify(json, json.object(root, "dify"), *dify, from.loop.now());
  }

  const obs::Savings& saved = from.door.metrics().savings();
  const Json::Value savings = json.object(root, "savings");
  describe_totals(json, savings, saved.total());
  for (const obs::SavedBy by : {obs::SavedBy::hit, obs::SavedBy::coalesced, obs::SavedBy::stale}) {
    describe_totals(json, json.object(savings, obs::name(by).data()), saved.total(by));
  }
  const Json::Value models = json.array(savings, "models");
  for (const obs::Savings::Row& row : saved.by_model(20)) {
    const Json::Value object = json.append_object(models);
    json.put(object, "model", row.model);
    describe_totals(json, object, row.totals);
  }

  describe_spending(json, json.object(root, "spending"), from.door.metrics().spending());
  describe_clients(json, json.array(root, "clients"), from.door.clients());

  const Json::Value upstreams = json.array(root, "upstreams");
  for (const proxy::Target& target : from.door.snapshot()->targets()) {
    const Json::Value object = json.append_object(upstreams);
    json.put(object, "name", target.upstream->name);
    json.put(object, "host", target.host);
    json.put(object, "dialect", config::name(target.upstream->dialect));
    const Json::Value speaks = json.array(object, "speaks");
    for (const config::Wire wire : target.upstream->speaks) json.append(speaks, config::name(wire));
    json.put(object, "keys", static_cast<std::uint64_t>(target.upstream->keys.size()));
  }
  // What has been asked so far; one for each credential that is passed on.
  const Json::Value targets = json.array(root, "targets");
  from.door.lanes().each(
      [&](const proxy::Lane& lane) { describe_lane(json, json.append_object(targets), lane, from.loop.now()); });
  return json.text(form);
}

}  // namespace outrigger::admin
