#include "proxy/request_trace.h"

#include <algorithm>
#include <array>

namespace outrigger::proxy {
namespace {

// HTTP's semantic conventions: what is none of these would make as many names as somebody likes.
constexpr std::array<std::string_view, 9> k_methods{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS",
                                                    "PATCH",   "POST",   "PUT", "TRACE"};

bool is_known(std::string_view method) { return std::ranges::find(k_methods, method) != k_methods.end(); }

}  // namespace

std::unique_ptr<RequestTrace> begin_trace(trace::Tracer* tracer, const http::Headers& headers) {
  if (tracer == nullptr || !tracer->is_on()) return nullptr;
  return std::make_unique<RequestTrace>(*tracer, tracer->begin(headers));
}

std::string trace_id_of(const RequestTrace* trace, const http::Headers& headers) {
  if (trace != nullptr) return obs::hex(trace->trace().self.trace);
  const auto caller = trace::incoming(headers);
  return caller ? obs::hex(caller->trace) : std::string();
}

void RequestTrace::tell_lookup(const End& end) {
  if (asked_ == MonoTime{}) return;
  obs::Span span;
  span.context = tracer_.child_of(trace_->self);
  span.parent = trace_->self.span;
  span.state = trace_->state;
  span.name = "cache lookup";
  span.start = trace_->at(asked_);
  const bool asked_second = call.looked_up() != MonoTime{};
  span.end = trace_->at(asked_second ? call.looked_up() : answered_);
  span.attributes.text("outrigger.cache.result", name(end.cache));
  span.attributes.text("outrigger.cache.reason", end.cache_reason);
  span.attributes.text("outrigger.cache.tier", asked_second ? "redis" : "memory");
  tracer_.tell(span);
}

void RequestTrace::end(const End& end, obs::Attributes more) {
  if (!trace_->is_told()) return;
  tell_lookup(end);
  obs::Span span;
  span.context = trace_->self;
  span.parent = trace_->parent;
  span.is_parent_remote = trace_->parent != 0;
  span.state = trace_->state;
  span.kind = obs::Span::Kind::server;
  span.name = is_known(end.method) ? end.method : "HTTP";
  if (!end.route.empty()) span.name.append(" ").append(end.route);
  span.start = trace_->at(trace_->mono);
  // What is answered at once has taken no time by the loop's clock, and some by the running one.
  span.end = trace_->at(tracer_.loop().stopwatch());
  span.attributes = std::move(more);
  obs::Attributes& attributes = span.attributes;
  attributes.text("http.request.method", is_known(end.method) ? end.method : "_OTHER");
  attributes.text("http.route", end.route);
  attributes.text("url.path", end.path);
  attributes.text("url.scheme", end.is_tls ? "https" : "http");
  if (end.status != 0) attributes.count("http.response.status_code", std::int64_t{end.status});
  attributes.text("outrigger.outcome", name(end.outcome));
  attributes.text("outrigger.cache", name(end.cache));
  attributes.text("outrigger.cache.reason", end.cache_reason);
  // A server's span has not failed when its client was wrong, or left.
  span.has_failed = end.status >= 500 || end.outcome == Outcome::cut;
  const bool is_error = span.has_failed || end.outcome == Outcome::client_gone;
  if (is_error) attributes.text("error.type", end.error.empty() ? std::to_string(end.status) : std::string(end.error));
  span.links = std::move(links_);
  tracer_.tell(span);
}

}  // namespace outrigger::proxy
