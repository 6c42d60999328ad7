#include "proxy/metrics.h"

#include "obs/utf8.h"
#include "proxy/target_name.h"

namespace outrigger::proxy {
namespace {

constexpr std::array<std::string_view, k_cache_results> k_result_names{"hit",  "stale",  "coalesced",
                                                                       "miss", "bypass", "observe"};
constexpr std::array<std::string_view, k_outcomes> k_outcome_names{"ok",        "client_error", "upstream_error",
                                                                   "own_error", "cut",          "client_gone"};

obs::Registry& declare(obs::Registry& registry) {
  registry.declare_counter("outrigger_requests_total", "Requests, by door, model and how they ended.");
  registry.declare_counter("outrigger_cache_requests_total", "Requests, by what the cache did for them.");
  registry.declare_counter("outrigger_cache_bypass_total", "Requests that the cache stepped aside for, by reason.");
  registry.declare_counter("outrigger_cache_not_stored_total", "Answers that were not stored, by reason.");
  registry.declare_counter("outrigger_attempts_total", "Attempts made upstream, by target and outcome.");
  registry.declare_counter("outrigger_queue_shed_total", "Requests that a queue refused or gave up, by target and reason.");
  registry.declare_counter("outrigger_odd_limits_total", "Rate-limit header fields of upstreams that made no sense.");
  registry.declare_counter("outrigger_unfit_total", "Targets that were passed over because they cannot take a request.");
  registry.declare_counter("outrigger_translations_total", "Requests that were put into another dialect for a target.");
  registry.declare_counter("outrigger_translation_losses_total",
                           "What was left out of translated requests or changed in them, each once a request.");
  registry.declare_counter("outrigger_untranslated_total",
                           "Pieces of translated answers that the client's dialect has no place for.");
  registry.declare_histogram("outrigger_queue_wait_seconds", "How long requests waited for their turn, by model.",
                             {0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160});
  registry.declare_histogram("outrigger_first_token_seconds",
                             "From the start of an attempt to the first byte of its answer.",
                             {0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 60});
  registry.declare_histogram(
      "outrigger_overhead_seconds", "Time that Outrigger itself spent on a request, without waiting for the upstream.",
      {0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1});
  registry.declare_counter("outrigger_tokens_total", "Tokens paid for, by target and direction.");
  return registry;
}

// Label values come from clients: long ones are cut, as obs::Registry would.
std::string_view label(std::string_view model) { return obs::utf8_prefix(model, k_target_name_max); }

// Later models and targets fall together: only that label is lost, and the families stay below obs::Registry's bound.
constexpr std::size_t k_models_max = 150;

}  // namespace

obs::SavedBy saved_by(CacheResult result) {
  switch (result) {
    case CacheResult::stale:
      return obs::SavedBy::stale;
    case CacheResult::coalesced:
      return obs::SavedBy::coalesced;
    default:
      return obs::SavedBy::hit;
  }
}

std::string_view name(CacheResult result) { return k_result_names[static_cast<std::size_t>(result)]; }
std::string_view name(Outcome outcome) { return k_outcome_names[static_cast<std::size_t>(outcome)]; }

// A 429 is about an account's limit: the client has done nothing wrong.
Outcome outcome_of(int status) {
  if (status < 400) return Outcome::ok;
  return status < 500 && status != 429 ? Outcome::client_error : Outcome::upstream_error;
}

Outcome outcome_of(ErrorCode code) {
  const ErrorTraits& error = traits(code);
  if (error.against_target) return Outcome::upstream_error;
  // Their status asks the client to come again; that there was no place is not its doing.
  if (code == ErrorCode::queue_full || code == ErrorCode::queue_wait) return Outcome::own_error;
  return error.status < 500 ? Outcome::client_error : Outcome::own_error;
}

Metrics::Metrics(obs::Registry& registry)
    : registry_(declare(registry)),
      savings_(registry),
      spending_(registry),
      overhead_(registry.histogram("outrigger_overhead_seconds", {{"door", "llm"}})) {}

Metrics::PerModel& Metrics::of_model(std::string_view model) {
  if (const auto found = models_.find(label(model)); found != models_.end()) return found->second;
  const std::string key(models_.size() < k_models_max ? label(model) : "other");
  PerModel& series = models_[key];
  if (series.requests[0] != nullptr) return series;
  for (std::size_t i = 0; i < k_outcomes; ++i) {
    series.requests[i] =
        &registry_.counter("outrigger_requests_total", {{"door", "llm"}, {"model", key}, {"outcome", k_outcome_names[i]}});
  }
  for (std::size_t i = 0; i < k_cache_results; ++i) {
    series.cache[i] = &registry_.counter("outrigger_cache_requests_total", {{"model", key}, {"result", k_result_names[i]}});
  }
  series.queue_wait = &registry_.histogram("outrigger_queue_wait_seconds", {{"model", key}});
  return series;
}

void Metrics::count_bypass(chat::BypassReason reason) {
  obs::Counter*& series = bypass_[static_cast<std::size_t>(reason)];
  if (series == nullptr) series = &registry_.counter("outrigger_cache_bypass_total", {{"reason", chat::name(reason)}});
  series->add();
}

void Metrics::count_not_stored(chat::NoStoreReason reason) {
  obs::Counter*& series = not_stored_[static_cast<std::size_t>(reason)];
  if (series == nullptr) series = &registry_.counter("outrigger_cache_not_stored_total", {{"reason", chat::name(reason)}});
  series->add();
}

Metrics::Targets::value_type& Metrics::of_target(std::string_view target) {
  if (const auto found = targets_.find(target); found != targets_.end()) return *found;
  return *targets_.try_emplace(std::string(targets_.size() < k_models_max ? target : "other")).first;
}

void Metrics::count_shed(std::string_view target, std::string_view reason) {
  registry_.counter("outrigger_queue_shed_total", {{"target", of_target(target).first}, {"reason", reason}}).add();
}

void Metrics::count_odd_limits(std::uint32_t fields) { registry_.counter("outrigger_odd_limits_total").add(fields); }

void Metrics::count_unfit(std::string_view target, std::string_view reason) {
  registry_.counter("outrigger_unfit_total", {{"target", of_target(target).first}, {"reason", reason}}).add();
}

void Metrics::count_translation(chat::Endpoint from, chat::Endpoint to, const std::vector<std::string_view>& losses) {
  registry_.counter("outrigger_translations_total", {{"from", chat::name(from)}, {"to", chat::name(to)}}).add();
  for (const std::string_view what : losses) registry_.counter("outrigger_translation_losses_total", {{"what", what}}).add();
}

void Metrics::count_untranslated(std::uint64_t pieces) {
  registry_.counter("outrigger_untranslated_total").add(static_cast<double>(pieces));
}

void Metrics::count_attempt(std::string_view target, std::string_view outcome) {
  auto& [name, series] = of_target(target);
  auto found = series.attempts.find(outcome);
  if (found == series.attempts.end()) {
    obs::Counter& made = registry_.counter("outrigger_attempts_total", {{"target", name}, {"outcome", outcome}});
    found = series.attempts.emplace(outcome, &made).first;
  }
  found->second->add();
}

void Metrics::observe_first_token(std::string_view target, Duration time, const obs::Exemplar& exemplar) {
  auto& [name, series] = of_target(target);
  if (series.first_token == nullptr) {
    series.first_token = &registry_.histogram("outrigger_first_token_seconds", {{"target", name}});
  }
  series.first_token->observe(seconds(time), exemplar);
}

void Metrics::count_tokens(std::string_view target, std::uint64_t prompt, std::uint64_t completion) {
  auto& [name, series] = of_target(target);
  if (series.input == nullptr) {
    series.input = &registry_.counter("outrigger_tokens_total", {{"target", name}, {"direction", "input"}});
    series.output = &registry_.counter("outrigger_tokens_total", {{"target", name}, {"direction", "output"}});
  }
  series.input->add(static_cast<double>(prompt));
  series.output->add(static_cast<double>(completion));
}

}  // namespace outrigger::proxy
