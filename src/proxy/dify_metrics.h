// DifyMetrics: what comes through the dify door, by app and by backend: for Prometheus, and for /api/status, where two backends can
// be compared while users move from one to the other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/time.h"
#include "obs/metrics.h"
#include "providers/answer.h"
#include "providers/dify/call.h"
#include "proxy/metrics.h"
#include "resilience/quantile.h"

namespace outrigger::proxy {

// A run that is over, or one that came to nothing.
struct DifyRun {
  std::string_view app;      // its name
  std::string_view backend;  // empty: none was asked
  providers::dify::RunKind kind = providers::dify::RunKind::none;
  Outcome outcome = Outcome::ok;
  // What went wrong, of a bounded set: providers::dify::known_code() or the name of an ErrorCode. Empty: nothing.
  std::string_view code;
  std::optional<Duration> first_event;    // of a stream, from the start of the call
  Duration took{};                        // from the start of the call to the last byte
  std::optional<providers::Usage> usage;  // as Dify told it
  double price = 0;                       // 0: not told
  std::string_view currency;
};

class DifyMetrics {
 public:
  // Apps are named by Dify, and keys come from clients: later ones fall together as "other". The same holds for currencies.
  static constexpr std::size_t k_apps_max = 200;
  static constexpr std::size_t k_currencies_max = 8;

  // Adds families to those of `metrics`, which must outlive it.
  explicit DifyMetrics(Metrics& metrics);

  void count_request(std::string_view app, Outcome outcome);
  void observe_wait(std::string_view app, Duration waited, const obs::Exemplar& exemplar);
  // A run that Dify was told to stop, or was not.
  void count_stop(std::string_view outcome);
  void count_run(const DifyRun& run, MonoTime now);
  // WebSockets that are open.
  obs::Gauge& sockets() { return registry_.gauge("outrigger_dify_sockets"); }

  // The runs of one backend since the start. The times are those of the last minutes (half weight after k_half_life).
  struct Backend {
    static constexpr Duration k_half_life = 5min;
    std::array<std::uint64_t, k_outcomes> runs{};
    std::map<std::string, std::uint64_t, std::less<>> errors;  // by code
    std::uint64_t prompt_tokens = 0, completion_tokens = 0;
    std::map<std::string, double, std::less<>> price;  // by currency
    resilience::DecayingQuantile first_event{{.half_life = k_half_life, .min_samples = 1}};
    resilience::DecayingQuantile whole_run{{.half_life = k_half_life, .min_samples = 1}};  // that ended well
  };
  [[nodiscard]] const std::map<std::string, Backend, std::less<>>& backends() const { return backends_; }

 private:
  obs::Registry& registry_;
  std::set<std::string, std::less<>> apps_, currencies_;
  std::map<std::string, Backend, std::less<>> backends_;  // named by the configuration
};

}  // namespace outrigger::proxy
