// RequestTrace: what a Flow or DifyFlow remembers for the spans that it tells when it has finished: its own, and the cache's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/reasons.h"
#include "proxy/call_trace.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class RequestTrace {
 public:
  RequestTrace(trace::Tracer& tracer, std::unique_ptr<trace::Trace> trace) : tracer_(tracer), trace_(std::move(trace)) {}

  [[nodiscard]] trace::Tracer& tracer() const { return tracer_; }
  [[nodiscard]] const trace::Trace& trace() const { return *trace_; }

  // The first tier of the cache, asked by the loop's running clock: it answers at once.
  void begin_lookup() { asked_ = tracer_.loop().stopwatch(); }
  void end_lookup() { answered_ = tracer_.loop().stopwatch(); }
  // It waits for an answer that another request has begun.
  void link_to(const CallTrace& its) {
    if (its.context().is_valid()) links_.push_back(its.context());
  }

  // What the request came to.
  struct End {
    std::string_view method, path;
    std::string_view route;  // one of a few; empty: none that is known
    bool is_tls = false;
    int status = 0;          // 0: there was no answer
    std::string_view error;  // ErrorCode's name; empty: none
    Outcome outcome = Outcome::ok;
    CacheResult cache = CacheResult::bypass;
    std::string_view cache_reason;
  };
  // Tells the cache's span, if it was asked, and the request's own, to which `more` is added.
  void end(const End& end, obs::Attributes more);

  CallTrace call;  // the last that it began

 private:
  void tell_lookup(const End& end);

  trace::Tracer& tracer_;
  std::unique_ptr<trace::Trace> trace_;
  MonoTime asked_{}, answered_{};
  std::vector<obs::SpanContext> links_;
};

// Null: the request is not traced. `tracer` may be null.
std::unique_ptr<RequestTrace> begin_trace(trace::Tracer* tracer, const http::Headers& headers);
// For the log: that of the request, or what its caller named. Empty: neither.
std::string trace_id_of(const RequestTrace* trace, const http::Headers& headers);

}  // namespace outrigger::proxy
