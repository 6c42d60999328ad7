// What a DifyFlow tells of itself in traces. Never a question, an answer, a key or who the user is.
#include "proxy/dify_door.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

// Other paths hold ids, and are not told.
std::string_view route_of(const dify::Call& call) {
  if (call.surface != dify::Surface::service) return {};
  switch (call.run) {
    case dify::RunKind::chat:
      return "/v1/chat-messages";
    case dify::RunKind::completion:
      return "/v1/completion-messages";
    case dify::RunKind::workflow:
      return "/v1/workflows/run";
    case dify::RunKind::none:
      break;
  }
  return {};
}

}  // namespace

CallTrace DifyFlow::call_trace() const {
  obs::Span span;
  span.kind = obs::Span::Kind::client;
  if (call_kind_.run != dify::RunKind::none) {
    // Dify's app is an agent in those conventions; the calls of its models are spans of their own at the llm door.
    span.name = caller_.label.empty() ? "invoke_agent" : "invoke_agent " + caller_.label;
    span.attributes.text("gen_ai.operation.name", "invoke_agent");
    span.attributes.text("gen_ai.agent.name", caller_.label);
    span.attributes.text("outrigger.run", dify::name(call_kind_.run));
  }
  return {trace_->tracer(), trace_->trace(), std::move(span)};
}

void DifyFlow::end_trace(Outcome outcome) {
  const http::RequestHead& request = exchange_.request();
  RequestTrace::End end;
  end.method = request.method;
  end.route = route_of(call_kind_);
  end.path = end.route;
  end.is_tls = snapshot_->config().listen.tls.has_value();
  end.status = status_;
  if (failed_) end.error = traits(error_).name;
  end.outcome = outcome;
  end.cache = result_;
  if (judgement_.bypass) end.cache_reason = chat::name(*judgement_.bypass);
  obs::Attributes more;
  more.text("outrigger.request_id", request_id_);
  more.text("outrigger.door", "dify");
  more.text("outrigger.app", caller_.label);
  more.text("outrigger.kind", dify::name(call_kind_.kind));
  more.text("outrigger.served_by", served_by());
  more.count("outrigger.attempts", std::int64_t{pursuit() != nullptr ? pursuit()->attempts() : 0});
  if (run_.streaming) more.yes("outrigger.stream", true);
  if (saved_usd_ > 0) more.number("outrigger.saved_usd", saved_usd_);
  trace_->end(end, std::move(more));
}

std::string DifyFlow::trace_id() const { return trace_id_of(trace_.get(), exchange_.request().headers); }

}  // namespace outrigger::proxy
