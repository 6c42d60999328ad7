// What a Flow tells of itself in traces. Never a prompt, an answer, a credential or who the user is.
#include "proxy/flow.h"
#include "proxy/llm_door.h"

namespace outrigger::proxy {
namespace {

// gen_ai.operation.name; empty: what is asked is no such thing, or not understood.
std::string_view operation_of(chat::Endpoint endpoint) {
  switch (endpoint) {
    case chat::Endpoint::chat_completions:
    case chat::Endpoint::messages:
    case chat::Endpoint::responses:
      return "chat";
    case chat::Endpoint::completions:
      return "text_completion";
    case chat::Endpoint::embeddings:
    case chat::Endpoint::embed:
    case chat::Endpoint::embed_v2:
      return "embeddings";
    case chat::Endpoint::rerank:
      return "rerank";  // no well-known name
    case chat::Endpoint::other:
      break;
  }
  return {};
}

}  // namespace

CallTrace Flow::call_trace(const Chain& chain) const {
  const chat::Request& request = judgement_.request;
  obs::Span span;
  span.kind = obs::Span::Kind::client;
  const std::string_view operation = operation_of(request.endpoint);
  if (!operation.empty() && !request.model.empty()) {
    span.name = operation;
    span.name.append(" ").append(request.model);
    span.attributes.text("gen_ai.operation.name", operation);
    span.attributes.text("gen_ai.request.model", request.model);
    if (request.needs.max_output) span.attributes.count("gen_ai.request.max_tokens", *request.needs.max_output);
    if (request.temperature) span.attributes.number("gen_ai.request.temperature", *request.temperature);
    span.attributes.text("outrigger.target", chain.front().name);
  }
  return {trace_->tracer(), trace_->trace(), std::move(span)};
}

void Flow::end_trace(Outcome outcome) {
  const http::RequestHead& request = exchange_.request();
  RequestTrace::End end;
  end.method = request.method;
  end.path = http::split_target(request.target).path;
  std::string route;
  if (destination_.place.endpoint != chat::Endpoint::other) {
    if (destination_.route != nullptr) route = destination_.route->path;
    route.append("/v1/").append(chat::path_of(destination_.place.endpoint));
  }
  end.route = route;
  end.is_tls = snapshot_->config().listen.tls.has_value();
  end.status = status_;
  if (failed_) end.error = traits(error_).name;
  end.outcome = outcome;
  end.cache = result_;
  if (bypass_) end.cache_reason = chat::name(*bypass_);
  obs::Attributes more;
  more.text("outrigger.request_id", request_id_);
  more.text("outrigger.door", "llm");
  if (client_ != nullptr) more.text("outrigger.client", client_->name);
  more.text("outrigger.served_by", served_by_);
  more.text("outrigger.model", judgement_.request.model);
  more.count("outrigger.attempts", std::int64_t{attempts_});
  if (judgement_.request.stream) more.yes("outrigger.stream", true);
  if (saved_usd_ > 0) more.number("outrigger.saved_usd", saved_usd_);
  trace_->end(end, std::move(more));
}

std::string Flow::trace_id() const { return trace_id_of(trace_.get(), exchange_.request().headers); }

}  // namespace outrigger::proxy
