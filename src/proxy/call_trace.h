// CallTrace: what a trace is told of one answer that is sought upstream: the operation as a whole, the waits for a turn, and each
// attempt, whose id goes with it as `traceparent`. What has ended is told at once, so an answer that others still wait for is told
// to its end when the one who began it has long gone.
//
//   (the request's span) ─┬─ the operation ("chat gpt-4o"), if it has a name ─┬─ queue wait
//                         │                                                   └─ attempt relay:gpt-4o
//                         └─ without a name: the attempts themselves
//
// A handle; copies are of the same answer. Of an empty one, and that is every one when nothing is traced, all methods do nothing.
// begin(), end() and all between them need the Tracer alive; a handle that lies about afterwards does not.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"
#include "obs/metrics.h"
#include "obs/span.h"
#include "providers/answer.h"
#include "proxy/chain.h"
#include "trace/tracer.h"

namespace outrigger::proxy {

class CallTrace {
 public:
  CallTrace() = default;
  // `operation`: its name, kind and what is known of it beforehand.
  CallTrace(trace::Tracer& tracer, const trace::Trace& parent, obs::Span operation);

  // For those who link to it. Not valid: it is not told.
  [[nodiscard]] obs::SpanContext context() const;
  // For what is measured in it.
  [[nodiscard]] obs::Exemplar exemplar() const;

  // The second tier of the cache.
  void begin_lookup() const;
  void end_lookup() const;
  [[nodiscard]] MonoTime looked_up() const;  // the epoch: it was not asked

  // Somebody is asked. Again: it goes on.
  void begin() const;
  // `outcome`: empty: its turn came.
  void note_wait(MonoTime since, std::string_view target, std::string_view outcome) const;
  // Puts the attempt's context into its head; returns which one it is.
  std::size_t begin_attempt(const Link& link, http::RequestHead& head) const;
  // Once; later words about the same attempt are not heard. `status` 0, `first_token` the epoch: none came.
  void end_attempt(std::size_t number, std::string_view outcome, int status, MonoTime first_token) const;
  void note_usage(const providers::Usage& usage) const;
  void note_model(std::string_view model) const;  // that answered, as the provider names it
  void fail(std::string_view why) const;          // error.type
  // What has not begun is not told.
  void end() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// `gen_ai.provider.name` of an upstream: one of the well-known names where its host tells, else that of its dialect.
std::string_view provider_name(const config::Upstream& upstream);

}  // namespace outrigger::proxy
