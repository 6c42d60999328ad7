// What would run, for people: `outrigger check` and the first lines of the log. No secrets.
#include <fmt/format.h>

#include "config/config.h"
#include "config/units.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_listed = 8;  // of each kind; the rest is counted

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void line(std::string& out, std::string_view title, std::string_view text) { out += fmt::format("{:<12}{}\n", title, text); }

std::string key_text(const Upstream& upstream) {
  if (upstream.keys.empty()) return "the client's own key";
  std::string text = plural(upstream.keys.size(), "key");
  if (upstream.keys.size() == 1 && upstream.keys.front().source != "inline") text += " from " + upstream.keys.front().source;
  return text;
}

std::string upstream_text(const Upstream& upstream) {
  std::string text = fmt::format("{}  {}://{}{}  {}, {}", upstream.name, upstream.url.tls ? "https" : "http",
                                 upstream.url.authority(), upstream.url.path, name(upstream.dialect), key_text(upstream));
  for (const Wire wire : upstream.speaks) {
    text += fmt::format("{}{}", wire == upstream.speaks.front() ? ", speaks " : " and ", name(wire));
  }
  if (upstream.proxy) text += fmt::format(", through the proxy {}", host_port(upstream.proxy->host, upstream.proxy->port));
  if (!upstream.verify) text += ", certificate not checked";
  return text;
}

std::string_view sharing(Scope scope) {
  switch (scope) {
    case Scope::credential:
      return "shared per credential";
    case Scope::app:
      return "shared per app";
    case Scope::user:
      return "shared per user";
    case Scope::global:
      return "shared by all";
  }
  return {};
}

std::string cache_text(const Cache& cache) {
  if (cache.mode == CacheMode::off) return "off";
  return fmt::format("{}, answers live {}, normalised {}, {}, {} of memory{}", name(cache.mode), format_duration(cache.ttl),
                     name(cache.normalise), sharing(cache.scope), format_size(cache.memory),
                     cache.stale_if_error > 0s
                         ? fmt::format(", {} longer when all else fails", format_duration(cache.stale_if_error))
                         : std::string());
}

std::string policy_text(const CachePolicy& policy) {
  std::string text;
  if (policy.mode) text += fmt::format(", cache {}", name(*policy.mode));
  if (policy.ttl) text += fmt::format(", answers live {}", format_duration(*policy.ttl));
  if (policy.normalise) text += fmt::format(", normalised {}", name(*policy.normalise));
  if (policy.scope) text += fmt::format(", {}", sharing(*policy.scope));
  return text;
}

// "relay", or the shares of several: "official 95 %, relay 5 %".
std::string target_text(const std::vector<WeightedTarget>& targets) {
  if (targets.empty()) return "the upstream it was sent to";
  if (targets.size() == 1) return targets.front().to;
  double sum = 0;
  for (const WeightedTarget& target : targets) sum += target.weight;
  std::string text;
  for (const WeightedTarget& target : targets) {
    text += fmt::format("{}{} {:.3g} %", text.empty() ? "" : ", ", target.to, 100 * target.weight / sum);
  }
  return text;
}

std::string equals_text(const std::vector<WeightedTarget>& targets) {
  std::string text = "the least busy of ";
  for (const WeightedTarget& target : targets) text += (&target == targets.data() ? "" : ", ") + target.to;
  return text;
}

std::string chain_text(const Model& model) {
  std::string text = target_text(model.target);
  for (const std::string& fallback : model.fallback) text += ", then " + fallback;
  if (model.fixed_answer) text += ", then the fixed answer";
  return text;
}

std::string concurrency_text(const Concurrency& concurrency) {
  if (concurrency.fixed) return fmt::format("{} at once", *concurrency.fixed);
  if (concurrency.adaptive) return fmt::format("{} to {} at once", concurrency.adaptive->min, concurrency.adaptive->max);
  return "any number at once";
}

// Begins with a comma, or is empty.
std::string rate_text(const Rate& rate) {
  std::string text;
  if (rate.requests_per_minute) text += fmt::format(", {} a minute", plural(*rate.requests_per_minute, "request"));
  if (rate.tokens_per_minute) text += fmt::format(", {} a minute", plural(*rate.tokens_per_minute, "token"));
  return text;
}

// Begins with a comma.
std::string queue_text(const Queue& queue) {
  if (queue.depth == 0 || queue.wait == 0s) return ", nobody waits";
  return fmt::format(", {} may wait {}", queue.depth, format_duration(queue.wait));
}

std::string pacing_text(const Model& model) {
  std::string text = concurrency_text(model.concurrency) + rate_text(model.rate) + queue_text(model.queue);
  if (model.hedge) {
    text += fmt::format(", hedged after the {:.4g}th percentile for {:.3g} %", 100 * model.hedge->quantile,
                        100 * model.hedge->budget);
  }
  return text;
}

std::string model_text(const Model& model) {
  return fmt::format("{}  to {}{}\n{:14}{}", model.name, chain_text(model), policy_text(model.cache), "",
                     pacing_text(model));
}

std::string traits_text(const TargetTraits& traits) {
  std::string text;
  if (traits.context) text += fmt::format(", {} of context", plural(*traits.context, "token"));
  if (traits.max_output) text += fmt::format(", {} of answer", plural(*traits.max_output, "token"));
  if (!traits.tools) text += ", no tools";
  if (!traits.vision) text += ", no images";
  if (!traits.json_schema) text += ", no JSON schema";
  if (!traits.stream) text += ", no streams";
  for (const std::string& member : traits.drop) text += ", without " + member;
  for (const auto& [ours, theirs] : traits.rename) text += fmt::format(", {} as {}", ours, theirs);
  if (traits.concurrency) text += ", " + concurrency_text(*traits.concurrency);
  if (traits.rate) text += rate_text(*traits.rate);
  return fmt::format("{}  {}", traits.name, text.empty() ? "can do all" : std::string_view(text).substr(2));
}

std::string route_text(const Route& route, const Config& config) {
  const std::string& upstream = route.upstream.empty() ? config.upstreams.front().name : route.upstream;
  return fmt::format("{}  to {}{}", route.path, upstream, policy_text(route.cache));
}

std::string client_text(const Client& client) {
  std::string models;
  for (const std::string& pattern : client.models) models += (models.empty() ? "" : " ") + pattern;
  std::string text = fmt::format("{}  {}", client.name, models.empty() ? "all models" : models);
  if (client.rate.requests_per_minute) text += fmt::format(", {} requests a minute", *client.rate.requests_per_minute);
  if (client.rate.tokens_per_minute) text += fmt::format(", {} tokens a minute", *client.rate.tokens_per_minute);
  if (client.budget.usd_per_day) text += fmt::format(", {:.2f} USD a day", *client.budget.usd_per_day);
  if (client.budget.usd_per_month) text += fmt::format(", {:.2f} USD a month", *client.budget.usd_per_month);
  return text;
}

std::string dify_text(const Dify& dify) {
  std::string text = "to " + (dify.are_equal ? equals_text(dify.target) : target_text(dify.target));
  for (const std::string& fallback : dify.fallback) text += ", then " + fallback;
  const Concurrency& runs = dify.concurrency;
  text += fmt::format("\n{:14}", "");
  if (runs.fixed) text += fmt::format("{} at once", plural(*runs.fixed, "run"));
  if (runs.adaptive) text += fmt::format("{} to {} runs at once", runs.adaptive->min, runs.adaptive->max);
  return text + queue_text(dify.queue);
}

std::string app_text(const App& app) {
  return app.concurrency ? fmt::format("{}  {} at once", app.name, plural(*app.concurrency, "run")) : app.name;
}

std::string trace_text(const Trace& trace) {
  const Url& to = *trace.endpoint;
  return fmt::format("to {}://{}{}, {:.4g} % of what begins here", to.tls ? "https" : "http", to.authority(), to.path,
                     100 * trace.sample);
}

template <class Items, class Describe>
void list(std::string& out, std::string_view title, const Items& items, Describe&& describe) {
  std::size_t shown = 0;
  for (const auto& item : items) {
    if (shown == k_max_listed) {
      line(out, "", fmt::format("and {} more", items.size() - shown));
      return;
    }
    line(out, shown == 0 ? title : std::string_view(), describe(item));
    ++shown;
  }
}

}  // namespace

std::string summary(const Config& config) {
  std::string out;
  line(out, "llm door", fmt::format("{}{}", config.listen.llm, config.listen.tls ? " with TLS" : ""));
  if (config.listen.dify) {
    line(out, "dify door",
         fmt::format("{}{}  {}", *config.listen.dify, config.listen.tls ? " with TLS" : "", dify_text(config.dify)));
  }
  line(out, "admin door", fmt::format("{}{}", config.listen.admin, config.admin_token ? " with a token" : ""));
  list(out, "upstream", config.upstreams, upstream_text);
  line(out, "cache", cache_text(config.cache));
  if (config.redis) {
    line(out, "redis",
         fmt::format("{} database {}{}, at most {} a lookup", host_port(config.redis->host, config.redis->port),
                     config.redis->database, config.redis->tls ? " with TLS" : "", format_duration(config.redis->timeout)));
  }
  if (config.trace.endpoint) line(out, "trace", trace_text(config.trace));
  list(out, "model", config.models, model_text);
  list(out, "target", config.target_traits, traits_text);
  list(out, "route", config.routes, [&](const Route& route) { return route_text(route, config); });
  if (config.listen.dify) list(out, "app", config.apps, app_text);
  if (config.clients.empty()) {
    line(out, "client", "whoever reaches the door");
  } else {
    list(out, "client", config.clients, client_text);
  }
  return out;
}

}  // namespace outrigger::config
