// The proxy's metrics, with their handles kept: a request looks nothing up by name but its model and its target.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "chat/endpoint.h"
#include "chat/reasons.h"
#include "core/error.h"
#include "core/time.h"
#include "obs/metrics.h"
#include "obs/savings.h"
#include "obs/spending.h"

namespace outrigger::proxy {

// `x-outrigger-cache`.
enum class CacheResult : unsigned char { hit, stale, coalesced, miss, bypass, observe };
inline constexpr std::size_t k_cache_results = 6;
std::string_view name(CacheResult result);
// Of one that was not paid for.
obs::SavedBy saved_by(CacheResult result);

// How a request ended, for `outrigger_requests_total{outcome}`.
enum class Outcome : unsigned char {
  ok,              // an answer below 400
  client_error,    // the request was wrong, or its client may not: 4xx from the upstream or from us
  upstream_error,  // 5xx or 429 from the upstream, or no answer from it
  own_error,       // turned away here: no place in a queue, or a limit or fault of this process
  cut,             // the answer began and could not be completed
  client_gone,
};
inline constexpr std::size_t k_outcomes = 6;
std::string_view name(Outcome outcome);
// Of an answer that is an upstream's own.
Outcome outcome_of(int status);
// Of one that is ours.
Outcome outcome_of(ErrorCode code);

class Metrics {
 public:
  explicit Metrics(obs::Registry& registry);

  // The series of one model at one door.
  struct PerModel {
    std::array<obs::Counter*, k_outcomes> requests{};
    std::array<obs::Counter*, k_cache_results> cache{};
    obs::Histogram* queue_wait = nullptr;
  };
  PerModel& of_model(std::string_view model);

  void count_bypass(chat::BypassReason reason);
  void count_not_stored(chat::NoStoreReason reason);
  // A request that found no place in a queue, or lost it.
  void count_shed(std::string_view target, std::string_view reason);
  // Rate-limit fields of an upstream that made no sense.
  void count_odd_limits(std::uint32_t fields);
  // A target that could not take a request, and why.
  void count_unfit(std::string_view target, std::string_view reason);
  // A request was put into another dialect; `losses` are the names of what was left out or changed.
  void count_translation(chat::Endpoint from, chat::Endpoint to, const std::vector<std::string_view>& losses);
  // Events, blocks and members of an answer that the client's dialect has no place for.
  void count_untranslated(std::uint64_t pieces);
  void count_attempt(std::string_view target, std::string_view outcome);
  void observe_first_token(std::string_view target, Duration time, const obs::Exemplar& exemplar = {});
  void count_tokens(std::string_view target, std::uint64_t prompt, std::uint64_t completion);
  obs::Histogram& overhead() { return overhead_; }
  obs::Savings& savings() { return savings_; }
  obs::Spending& spending() { return spending_; }
  // For families of other doors.
  [[nodiscard]] obs::Registry& registry() { return registry_; }

 private:
  // The series of one target; null until first needed.
  struct PerTarget {
    std::map<std::string, obs::Counter*, std::less<>> attempts;  // by outcome
    obs::Histogram* first_token = nullptr;
    obs::Counter* input = nullptr;
    obs::Counter* output = nullptr;
  };
  using Targets = std::map<std::string, PerTarget, std::less<>>;
  // The target's own, or those of "other" when there are too many.
  Targets::value_type& of_target(std::string_view target);

  obs::Registry& registry_;
  obs::Savings savings_;
  obs::Spending spending_;
  std::map<std::string, PerModel, std::less<>> models_;
  Targets targets_;
  std::array<obs::Counter*, chat::k_bypass_reasons> bypass_{};
  std::array<obs::Counter*, chat::k_no_store_reasons> not_stored_{};
  obs::Histogram& overhead_;
};

}  // namespace outrigger::proxy
