#include "trace/tracer.h"

#include "core/base64.h"

namespace outrigger::trace {
namespace {

Collector collector_of(const config::Trace& settings, const std::string& version) {
  const config::Url& url = *settings.endpoint;
  Collector collector;
  collector.origin.address = {url.host, url.port, false};
  if (url.tls) collector.origin.tls = io::TlsClient{url.host, {}, true};
  if (settings.proxy) {
    http::Origin::Proxy& proxy = collector.origin.proxy.emplace();
    proxy.address = {settings.proxy->host, settings.proxy->port, false};
    if (!settings.proxy->user.empty()) {
      proxy.authorization = "Basic " + base64(settings.proxy->user + ":" + settings.proxy->password);
    }
  }
  http::RequestHead& head = collector.head;
  head.method = "POST";
  head.target = url.path.empty() ? "/" : url.path;
  head.headers.add("Host", url.authority());
  head.headers.add("User-Agent", "outrigger/" + version);
  for (const auto& [name, value] : settings.headers) head.headers.add(name, value.text);
  head.headers.set("Content-Type", "application/json");
  collector.resource.version = version;
  collector.resource.attributes = {{"service.name", settings.service}, {"service.version", version}};
  for (const auto& attribute : settings.resource) collector.resource.attributes.push_back(attribute);
  collector.name = (url.tls ? "https://" : "http://") + url.authority() + url.path;
  return collector;
}

}  // namespace

Tracer::Tracer(io::World world, http::Client& client, obs::Registry& registry, obs::Log& log, std::string version)
    : world_(world), version_(std::move(version)), exporter_(world, client, registry, log) {}

void Tracer::configure(const config::Trace& settings) {
  is_on_ = settings.endpoint.has_value();
  has_exemplars_ = settings.exemplars;
  sample_ = settings.sample;
  heeds_parent_ = settings.heeds_parent;
  exporter_.set_collector(is_on_ ? std::optional(collector_of(settings, version_)) : std::nullopt);
}

std::uint64_t Tracer::fresh() {
  if (!ids_) ids_ = world_.rng.fork();
  for (;;) {
    if (const std::uint64_t id = ids_->next(); id != 0) return id;
  }
}

std::unique_ptr<Trace> Tracer::begin(const http::Headers& headers) {
  if (!is_on_) return nullptr;
  auto trace = std::make_unique<Trace>();
  trace->wall = world_.loop.wall_now();
  trace->mono = world_.loop.now();
  bool is_sampled = false;
  if (const auto caller = incoming(headers)) {
    trace->self = *caller;
    trace->parent = caller->span;
    const auto state = headers.joined("tracestate");
    if (state && obs::is_tracestate(*state)) trace->state = *state;
    is_sampled = heeds_parent_ ? caller->is_sampled() : obs::keeps(caller->trace, sample_);
  } else {
    trace->self.trace = {fresh(), fresh()};
    trace->self.flags = obs::SpanContext::k_random;
    is_sampled = obs::keeps(trace->self.trace, sample_);
  }
  constexpr auto k_sampled = obs::SpanContext::k_sampled;
  trace->self.flags = static_cast<std::uint8_t>((trace->self.flags & ~k_sampled) | (is_sampled ? k_sampled : 0));
  trace->self.span = fresh();
  return trace;
}

obs::SpanContext Tracer::child_of(const obs::SpanContext& parent) { return {parent.trace, fresh(), parent.flags}; }

void Tracer::tell(const obs::Span& span) {
  if (!is_on_ || !span.context.is_sampled()) return;
  std::string text;
  obs::append_span(text, span);
  exporter_.add(std::move(text));
}

std::optional<obs::SpanContext> incoming(const http::Headers& headers) {
  std::optional<std::string_view> found;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (!http::equal_ignoring_case(headers[i].name, "traceparent")) continue;
    if (found) return std::nullopt;  // which one would it be?
    found = headers[i].value;
  }
  return found ? obs::parse_traceparent(*found) : std::nullopt;
}

void pass_on(http::Headers& headers, const obs::SpanContext& context, const std::string& state) {
  headers.set("traceparent", obs::format_traceparent(context));
  if (state.empty()) headers.remove("tracestate");
}

}  // namespace outrigger::trace
