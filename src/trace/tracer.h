// Tracer: begins a request's part of a trace, and takes the spans that it came to.
//
// A request that is not traced has no Trace: without a collector that is every one, and costs a look at a pointer. With one, also
// those that are not sampled have one, because what they call must know it. Owned by the composition root.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "http/message.h"
#include "obs/span.h"
#include "trace/exporter.h"

namespace outrigger::trace {

// One request's part of a trace.
struct Trace {
  obs::SpanContext self;     // of its server span
  std::uint64_t parent = 0;  // the caller's span; 0: the trace begins here
  std::string state;         // tracestate, as it came; empty: none, or none that may be passed on
  WallTime wall{};           // the same moment on both clocks: spans of a trace must not be apart by what a clock jumps
  MonoTime mono{};

  [[nodiscard]] bool is_told() const { return self.is_sampled(); }
  [[nodiscard]] obs::UnixNanos at(MonoTime time) const { return obs::UnixNanos(wall) + (time - mono); }
};

class Tracer {
 public:
  // All referred to must outlive it.
  Tracer(io::World world, http::Client& client, obs::Registry& registry, obs::Log& log, std::string version);

  // Now, and whenever the configuration has changed: for requests that begin after the call.
  void configure(const config::Trace& settings);
  [[nodiscard]] bool is_on() const { return is_on_; }
  [[nodiscard]] bool has_exemplars() const { return has_exemplars_; }

  // Null: it is not traced.
  [[nodiscard]] std::unique_ptr<Trace> begin(const http::Headers& headers);
  // A span below that one.
  [[nodiscard]] obs::SpanContext child_of(const obs::SpanContext& parent);
  void tell(const obs::Span& span);
  void flush(Duration limit, std::function<void()> done) { exporter_.flush(limit, std::move(done)); }
  [[nodiscard]] bool is_idle() const { return exporter_.is_idle(); }
  [[nodiscard]] io::Loop& loop() { return world_.loop; }

 private:
  std::uint64_t fresh();

  io::World world_;
  std::string version_;
  Exporter exporter_;
  std::optional<Rng> ids_;  // made with the first trace: who traces nothing draws nothing
  bool is_on_ = false;
  bool has_exemplars_ = false;
  double sample_ = 1;
  bool heeds_parent_ = true;
};

// What came with a request; nothing: no trace, or none that can be understood.
std::optional<obs::SpanContext> incoming(const http::Headers& headers);
// Makes `headers`, which are the client's, those of a call in `context`.
void pass_on(http::Headers& headers, const obs::SpanContext& context, const std::string& state);

}  // namespace outrigger::trace
