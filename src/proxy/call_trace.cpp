#include "proxy/call_trace.h"

#include <algorithm>
#include <array>
#include <vector>

namespace outrigger::proxy {
namespace {

// OpenTelemetry's registry of attributes, gen_ai.provider.name (semantic conventions 1.41). A host is matched with all below it.
struct Provider {
  std::string_view host, name;
};
constexpr std::array k_providers{Provider{"api.openai.com", "openai"},
                                 Provider{"openai.azure.com", "azure.ai.openai"},
                                 Provider{"inference.ai.azure.com", "azure.ai.inference"},
                                 Provider{"api.anthropic.com", "anthropic"},
                                 Provider{"amazonaws.com", "aws.bedrock"},
                                 Provider{"api.cohere.com", "cohere"},
                                 Provider{"api.cohere.ai", "cohere"},
                                 Provider{"api.deepseek.com", "deepseek"},
                                 Provider{"generativelanguage.googleapis.com", "gcp.gemini"},
                                 Provider{"aiplatform.googleapis.com", "gcp.vertex_ai"},
                                 Provider{"api.groq.com", "groq"},
                                 Provider{"api.mistral.ai", "mistral_ai"},
                                 Provider{"api.moonshot.cn", "moonshot_ai"},
                                 Provider{"api.moonshot.ai", "moonshot_ai"},
                                 Provider{"api.perplexity.ai", "perplexity"},
                                 Provider{"api.x.ai", "x_ai"}};

bool is_below(std::string_view host, std::string_view domain) {
  return host.ends_with(domain) && (host.size() == domain.size() || host[host.size() - domain.size() - 1] == '.');
}

}  // namespace

std::string_view provider_name(const config::Upstream& upstream) {
  for (const Provider& provider : k_providers) {
    if (is_below(upstream.url.host, provider.host)) return provider.name;
  }
  return config::name(upstream.dialect);
}

struct CallTrace::State {
  struct Attempt {
    obs::Span span;
    std::string_view provider;
    bool is_over = false;
  };

  trace::Tracer* tracer;
  trace::Trace of;
  obs::Span operation;
  std::vector<Attempt> attempts;
  std::string_view provider;
  std::string model, problem;
  std::optional<providers::Usage> usage;
  MonoTime lookup_began{}, looked_up{};
  bool has_begun = false, is_over = false;

  [[nodiscard]] bool has_operation() const { return !operation.name.empty(); }
  // Whose children the attempts are.
  [[nodiscard]] const obs::SpanContext& context() const { return has_operation() ? operation.context : of.self; }
  [[nodiscard]] obs::Span child(std::string name, obs::Span::Kind kind, MonoTime start) const {
    obs::Span span;
    span.context = tracer->child_of(context());
    span.parent = context().span;
    span.state = of.state;
    span.name = std::move(name);
    span.kind = kind;
    span.start = of.at(start);
    return span;
  }
};

CallTrace::CallTrace(trace::Tracer& tracer, const trace::Trace& parent, obs::Span operation)
    : state_(std::make_shared<State>()) {
  state_->tracer = &tracer;
  state_->of = parent;
  state_->operation = std::move(operation);
  if (!state_->has_operation()) return;
  state_->operation.context = tracer.child_of(parent.self);
  state_->operation.parent = parent.self.span;
}

obs::SpanContext CallTrace::context() const {
  return state_ && state_->context().is_sampled() ? state_->context() : obs::SpanContext{};
}

obs::Exemplar CallTrace::exemplar() const {
  if (!state_ || !state_->of.is_told() || !state_->tracer->has_exemplars()) return {};
  return {state_->of.self.trace, state_->tracer->loop().wall_now()};
}

void CallTrace::begin_lookup() const {
  if (state_) state_->lookup_began = state_->tracer->loop().now();
}

void CallTrace::end_lookup() const {
  if (state_) state_->looked_up = state_->tracer->loop().now();
}

MonoTime CallTrace::looked_up() const { return state_ ? state_->looked_up : MonoTime{}; }

void CallTrace::begin() const {
  if (!state_ || std::exchange(state_->has_begun, true)) return;
  state_->operation.start = state_->of.at(state_->tracer->loop().now());
}

void CallTrace::note_wait(MonoTime since, std::string_view target, std::string_view outcome) const {
  if (!state_ || !state_->of.is_told()) return;
  obs::Span span = state_->child("queue wait", obs::Span::Kind::internal, since);
  span.end = state_->of.at(state_->tracer->loop().now());
  span.attributes.text("outrigger.target", target);
  span.attributes.text("outrigger.outcome", outcome);
  state_->tracer->tell(span);
}

std::size_t CallTrace::begin_attempt(const Link& link, http::RequestHead& head) const {
  if (!state_) return 0;
  State::Attempt& attempt = state_->attempts.emplace_back();
  const config::Upstream& upstream = *link.destination.target->upstream;
  attempt.span = state_->child("attempt " + link.name, obs::Span::Kind::client, state_->tracer->loop().now());
  attempt.provider = provider_name(upstream);
  trace::pass_on(head.headers, attempt.span.context, state_->of.state);
  if (!state_->of.is_told()) return state_->attempts.size() - 1;
  obs::Attributes& attributes = attempt.span.attributes;
  attributes.text("outrigger.target", link.name);
  attributes.text("http.request.method", head.method);
  attributes.text("server.address", upstream.url.host);
  attributes.count("server.port", std::int64_t{upstream.url.port});
  attributes.text("url.scheme", upstream.url.tls ? "https" : "http");
  if (state_->attempts.size() > 1) attributes.count("http.request.resend_count", state_->attempts.size() - 1);
  return state_->attempts.size() - 1;
}

void CallTrace::end_attempt(std::size_t number, std::string_view outcome, int status, MonoTime first_token) const {
  if (!state_ || std::exchange(state_->attempts[number].is_over, true)) return;
  State::Attempt& attempt = state_->attempts[number];
  if (outcome == "ok") state_->provider = attempt.provider;
  if (!state_->of.is_told()) return;
  obs::Span& span = attempt.span;
  span.end = state_->of.at(state_->tracer->loop().now());
  span.attributes.text("outrigger.outcome", outcome);
  if (status != 0) span.attributes.count("http.response.status_code", std::int64_t{status});
  if (first_token != MonoTime{}) span.events.push_back({"first_token", state_->of.at(first_token)});
  // Those are given up for no fault of their own.
  span.has_failed = outcome != "ok" && outcome != "lost" && outcome != "abandoned";
  if (span.has_failed) span.attributes.text("error.type", status >= 400 ? std::to_string(status) : std::string(outcome));
  state_->tracer->tell(span);
  span = {};
}

void CallTrace::note_usage(const providers::Usage& usage) const {
  if (state_) state_->usage = usage;
}

void CallTrace::note_model(std::string_view model) const {
  if (state_) state_->model = model.substr(0, obs::k_max_attribute);
}

void CallTrace::fail(std::string_view why) const {
  if (state_) state_->problem = why;
}

void CallTrace::end() const {
  if (!state_ || !state_->has_begun || std::exchange(state_->is_over, true)) return;
  if (!state_->has_operation() || !state_->of.is_told()) return;
  obs::Span& span = state_->operation;
  span.state = state_->of.state;
  span.end = state_->of.at(state_->tracer->loop().now());
  obs::Attributes& attributes = span.attributes;
  if (!state_->provider.empty()) {
    attributes.text("gen_ai.provider.name", state_->provider);
    attributes.text("gen_ai.system", state_->provider);  // what it was called up to 1.36, and still is in many tools
  }
  attributes.text("gen_ai.response.model", state_->model);
  if (state_->usage) {
    attributes.count("gen_ai.usage.input_tokens", state_->usage->prompt_tokens);
    attributes.count("gen_ai.usage.output_tokens", state_->usage->completion_tokens);
  }
  attributes.text("error.type", state_->problem);
  span.has_failed = !state_->problem.empty();
  state_->tracer->tell(span);
}

}  // namespace outrigger::proxy
