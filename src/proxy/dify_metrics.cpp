#include "proxy/dify_metrics.h"

#include <algorithm>

namespace outrigger::proxy {
namespace {

using Names = std::set<std::string, std::less<>>;

obs::Registry& declare(obs::Registry& registry) {
  registry.declare_counter("outrigger_dify_runs_total", "Runs at the dify door, by app, kind and how they ended.");
  registry.declare_counter("outrigger_dify_errors_total",
                           "What went wrong with runs, by app, in Dify's word for it or ours.");
  registry.declare_histogram("outrigger_dify_first_event_seconds",
                             "From the start of the call of a streaming run to its first event, by app.",
                             {0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 60, 120});
  registry.declare_histogram("outrigger_dify_run_seconds", "How long runs took that ended well, by backend.",
                             {0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600, 1800, 3600});
  registry.declare_counter("outrigger_dify_tokens_total", "Tokens of runs as Dify counted them, by app and direction.");
  registry.declare_counter("outrigger_dify_price_total", "What runs have cost as Dify counted it, by app and currency.");
  registry.declare_gauge("outrigger_dify_sockets", "WebSockets that are open at the dify door.");
  registry.declare_counter("outrigger_dify_stops_total",
                           "Runs whose client left and that Dify was told to stop, by outcome.");
  return registry;
}

std::string_view bounded(Names& names, std::string_view name, std::size_t max) {
  if (const auto found = names.find(name); found != names.end()) return *found;
  return names.size() < max ? std::string_view(*names.emplace(name).first) : "other";
}

}  // namespace

DifyMetrics::DifyMetrics(Metrics& metrics) : registry_(declare(metrics.registry())) {}

void DifyMetrics::count_request(std::string_view app, Outcome outcome) {
  const std::string_view label = bounded(apps_, app, k_apps_max);
  registry_.counter("outrigger_requests_total", {{"door", "dify"}, {"app", label}, {"outcome", name(outcome)}}).add();
}

void DifyMetrics::observe_wait(std::string_view app, Duration waited, const obs::Exemplar& exemplar) {
  const std::string_view label = bounded(apps_, app, k_apps_max);
  registry_.histogram("outrigger_queue_wait_seconds", {{"app", label}}).observe(seconds(waited), exemplar);
}

void DifyMetrics::count_stop(std::string_view outcome) {
  registry_.counter("outrigger_dify_stops_total", {{"outcome", outcome}}).add();
}

void DifyMetrics::count_run(const DifyRun& run, MonoTime now) {
  const std::string_view app = bounded(apps_, run.app, k_apps_max);
  const std::string_view kind = run.kind == providers::dify::RunKind::none ? "other" : providers::dify::name(run.kind);
  registry_.counter("outrigger_dify_runs_total", {{"app", app}, {"kind", kind}, {"outcome", name(run.outcome)}}).add();
  if (!run.code.empty()) registry_.counter("outrigger_dify_errors_total", {{"app", app}, {"code", run.code}}).add();
  if (run.backend.empty()) return;

  Backend& backend = backends_.try_emplace(std::string(run.backend)).first->second;
  ++backend.runs[static_cast<std::size_t>(run.outcome)];
  if (!run.code.empty()) ++backend.errors[std::string(run.code)];
  if (run.first_event) {
    registry_.histogram("outrigger_dify_first_event_seconds", {{"app", app}}).observe(seconds(*run.first_event));
    backend.first_event.add(now, *run.first_event);
  }
  if (run.outcome == Outcome::ok) {
    registry_.histogram("outrigger_dify_run_seconds", {{"backend", run.backend}}).observe(seconds(run.took));
    backend.whole_run.add(now, run.took);
  }
  if (run.usage) {
    const auto count = [&](std::string_view direction, std::uint64_t tokens) {
      registry_.counter("outrigger_dify_tokens_total", {{"app", app}, {"direction", direction}})
          .add(static_cast<double>(tokens));
    };
    count("input", run.usage->prompt_tokens);
    count("output", run.usage->completion_tokens);
    backend.prompt_tokens += run.usage->prompt_tokens;
    backend.completion_tokens += run.usage->completion_tokens;
  }
  if (run.price > 0) {
    const std::string_view currency = bounded(currencies_, run.currency, k_currencies_max);
    registry_.counter("outrigger_dify_price_total", {{"app", app}, {"currency", currency}}).add(run.price);
    backend.price[std::string(currency)] += run.price;
  }
}

}  // namespace outrigger::proxy
