// Exporter: sends spans to a collector over OTLP/HTTP, in batches, beside everything else that the process does.
//
//   idle ──a first span──► gathering ──k_delay, or k_batch of them──► sending ──200──► idle, or the next batch
//                                                                     │    ▲
//                                     429, 502, 503, 504, no answer ──┴────┘ after a while, k_tries times in all (OTLP 1.9,
//                                                                            "OTLP/HTTP Response"); anything else: dropped
//
// Nobody waits for it. What waits to be sent has a limit, in spans and in bytes: a collector that is gone costs that much memory,
// the newest spans, and a line of the log now and then. `outrigger_trace_spans_total` tells what became of each span.
//
// Owned by the Tracer. The client must outlive it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/client.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "obs/otlp_json.h"

namespace outrigger::trace {

struct Collector {
  http::Origin origin;
  http::RequestHead head;  // complete but for the body
  obs::Resource resource;
  std::string name;  // its URL: for the log
};

class Exporter final : private http::CallHandler {
 public:
  static constexpr std::size_t k_batch = 512;           // spans; OpenTelemetry's default
  static constexpr std::size_t k_spans_max = 4096;      // waiting: twice OpenTelemetry's default
  static constexpr std::size_t k_bytes_max = 8u << 20;  // of them
  static constexpr Duration k_delay = 2s;               // the first span of a batch waits so long for others
  static constexpr Duration k_answer_time = 10s;        // OTEL_EXPORTER_OTLP_TIMEOUT's default
  static constexpr int k_tries = 5;                     // of one batch
  static constexpr Duration k_backoff_base = 2s, k_backoff_cap = 30s;
  static constexpr Duration k_retry_after_max = 60s;      // a collector that wants a longer pause gets this one
  static constexpr Duration k_silence = 10min;            // between two lines of the log, of one trouble
  static constexpr Duration k_lull = 30s;                 // from the end of a trouble until the next one may be told
  static constexpr std::size_t k_answer_max = 16 * 1024;  // what is read of an answer

  Exporter(io::World world, http::Client& client, obs::Registry& registry, obs::Log& log);
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // Whom to tell from now on, what is waiting included; a batch under way goes where it went. Nothing: nobody, and what waits is
  // dropped.
  void set_collector(std::optional<Collector> collector);
  // A span as append_span() writes it. Only with a collector.
  void add(std::string span);
  // Sends what there is and calls `done` when that has worked or failed, at the latest after `limit`. One at a time.
  void flush(Duration limit, std::function<void()> done);
  // Nothing waits, and nothing is under way.
  [[nodiscard]] bool is_idle() const { return waiting_.empty() && batch_.empty(); }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  void on_head(http::ResponseHead head) override;
  void on_body(const Bytes& data) override;
  void on_end() override;
  void on_error(Error error) override;
  void on_drained() override {}

  void gather();
  void begin_batch();
  void try_batch();
  void end_batch();
  void judge();
  void fail(std::string_view why, std::optional<Duration> again);
  void speak(LogLevel level, std::string_view words);
  void drop_waiting();
  void end_flush();

  io::World world_;
  http::Client& client_;
  obs::Log& log_;
  obs::Counter& sent_;
  obs::Counter& rejected_;
  obs::Counter& failed_;
  obs::Counter& dropped_;
  std::optional<Rng> rng_;  // made when it is needed: who sends no spans draws nothing
  std::shared_ptr<const Collector> collector_;

  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;

  Bytes batch_;  // being sent; empty: none
  std::size_t batch_spans_ = 0;
  std::shared_ptr<const Collector> batch_for_;
  int tries_ = 0;
  std::unique_ptr<http::Call> call_;
  int status_ = 0;
  std::optional<Duration> retry_after_;
  std::string answer_;
  io::Timer timer_;  // gathering, waiting for the answer, or for the next try

  bool is_troubled_ = false;  // the log has been told so
  MonoTime silent_until_{};
  std::function<void()> flushed_;
  io::Timer flush_limit_;
};

}  // namespace outrigger::trace
