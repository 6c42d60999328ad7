// [trace]: where spans go. Without an `endpoint` OpenTelemetry's own variables are honoured, so that what a cluster's operator gives
// to every container holds here as well (OpenTelemetry specification 1.57: protocol/exporter.md, configuration/sdk-environment-
// variables.md). What is wrong in a variable is a warning and as if it were not set, as that specification has it: it may be meant
// for another program.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/proxy_env.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

constexpr std::string_view k_path = "/v1/traces";
constexpr std::size_t k_max_service = 128;
constexpr std::size_t k_max_resource = 64;
constexpr std::size_t k_max_value = 1024;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view k_blanks = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(k_blanks), text.size()));
  return text.substr(0, text.find_last_not_of(k_blanks) + 1);
}

// Set to nothing counts as not set.
std::string_view variable(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view() : trimmed(found->second);
}

struct Variable {
  std::string_view name, value;
};
// The first that is set: what is said of traces goes before what is said of all signals.
Variable first_of(const Environment& environment, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const std::string_view value = variable(environment, name); !value.empty()) return {name, value};
  }
  return {};
}

// One that spans can be posted to. A credential in it would stand in no header.
std::optional<Url> usable_url(std::string_view text, std::string& error) {
  auto url = parse_url(text, error);
  if (url && (!url->user.empty() || !url->password.empty())) {
    error = R"(a user or password has no place here; write the credential in headers = { authorization = "env:NAME" })";
    return std::nullopt;
  }
  return url;
}

void append_path(Url& url) {
  if (!url.path.ends_with(k_path)) url.path += k_path;
}

// "name=value,name=value", percent-encoded (W3C Baggage): what can be read of it.
std::vector<std::pair<std::string, std::string>> read_list(Context& context, const Variable& list) {
  std::vector<std::pair<std::string, std::string>> read;
  std::string_view rest = list.value;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view member = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (member.empty()) continue;
    const std::size_t equals = member.find('=');
    const auto name = percent_decode(trimmed(member.substr(0, equals)));
    const auto value = equals == std::string_view::npos ? std::nullopt : percent_decode(trimmed(member.substr(equals + 1)));
    if (!name || name->empty() || !value || value->size() > k_max_value || read.size() == k_max_resource) {
      // It is not shown: it may hold a key.
      context.warning(
          {},
          fmt::format("{} has a part that is left out; write it as name=value,name=value, with %XX for commas", list.name));
      continue;
    }
    read.emplace_back(*name, *value);
  }
  return read;
}

void read_header_variable(Context& context, Trace& trace) {
  const Variable headers =
      first_of(context.environment(), {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"});
  for (auto& [name, value] : read_list(context, headers)) {
    if (const std::string problem = field_problem(name, value); !problem.empty()) {
      context.warning({}, fmt::format("a header in {} {}", headers.name, problem));
    } else {
      trace.headers.emplace_back(std::move(name), Secret{std::move(value), fmt::format("env:{}", headers.name)});
    }
  }
}

void read_resource_variables(Context& context, Trace& trace) {
  const Environment& environment = context.environment();
  for (auto& [name, value] :
       read_list(context, {"OTEL_RESOURCE_ATTRIBUTES", variable(environment, "OTEL_RESOURCE_ATTRIBUTES")})) {
    if (name == "service.name") {
      trace.service = value;
    } else {
      trace.resource.emplace_back(std::move(name), std::move(value));
    }
  }
  const std::string_view service = variable(environment, "OTEL_SERVICE_NAME");
  if (!service.empty()) trace.service = service;
  trace.service.resize(std::min(trace.service.size(), k_max_service));
}

void read_sampler_variables(Context& context, Trace& trace) {
  std::string_view sampler = variable(context.environment(), "OTEL_TRACES_SAMPLER");
  if (sampler.empty()) return;
  constexpr std::string_view k_parent = "parentbased_";
  const bool heeds_parent = sampler.starts_with(k_parent);
  const std::string_view kind = heeds_parent ? sampler.substr(k_parent.size()) : sampler;
  if (kind == "always_on" || kind == "always_off") {
    trace.sample = kind == "always_on" ? 1 : 0;
  } else if (kind == "traceidratio") {
    const std::string_view share = variable(context.environment(), "OTEL_TRACES_SAMPLER_ARG");
    double value = 1;
    const auto [end, problem] = std::from_chars(share.data(), share.data() + share.size(), value);
    const bool is_share = problem == std::errc() && end == share.data() + share.size() && value >= 0 && value <= 1;
    if (!share.empty() && !is_share) {
      context.warning({},
                      "OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1, so every trace is kept; write one such as 0.1");
    }
    trace.sample = is_share ? value : 1;
  } else {
    context.warning({},
                    fmt::format("OTEL_TRACES_SAMPLER cannot be \"{}\" here, so every trace is kept; write one of always_on, "
                                "always_off, traceidratio, or these with parentbased_ in front",
                                sampler));
    return;
  }
  trace.heeds_parent = heeds_parent;
}

// Does the environment ask for spans, and on a wire that is spoken here?
bool is_wanted(Context& context) {
  const Environment& environment = context.environment();
  if (lower(variable(environment, "OTEL_SDK_DISABLED")) == "true") return false;
  const std::string_view exporter = variable(environment, "OTEL_TRACES_EXPORTER");
  if (!exporter.empty() && exporter != "otlp") {
    if (exporter != "none") {
      context.warning(
          {},
          fmt::format("no spans are sent, because OTEL_TRACES_EXPORTER is \"{}\"; outrigger knows otlp and none", exporter));
    }
    return false;
  }
  const Variable protocol = first_of(environment, {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"});
  // Whoever takes protobuf over HTTP takes JSON at the same address.
  if (protocol.value.empty() || protocol.value.starts_with("http/")) return true;
  context.warning({},
                  fmt::format("no spans are sent, because {} is \"{}\" and outrigger speaks OTLP over HTTP; set it to "
                              "http/json, and OTEL_EXPORTER_OTLP_ENDPOINT to the collector's port for HTTP (mostly 4318), "
                              "or write `endpoint` in [trace]",
                              protocol.name, protocol.value));
  return false;
}

void read_variables(Context& context, Trace& trace) {
  const Variable endpoint =
      first_of(context.environment(), {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"});
  if (endpoint.value.empty() || !is_wanted(context)) return;
  std::string error;
  trace.endpoint = usable_url(endpoint.value, error);
  if (!trace.endpoint) {
    context.warning({}, fmt::format("no spans are sent, because {} cannot be used: {}", endpoint.name, error));
    return;
  }
  // The one for traces alone is taken as it is.
  if (endpoint.name == "OTEL_EXPORTER_OTLP_ENDPOINT") append_path(*trace.endpoint);
  if (trace.headers.empty()) read_header_variable(context, trace);
  read_resource_variables(context, trace);
  read_sampler_variables(context, trace);
}

void read_proxy_variable(Context& context, Trace& trace) {
  const auto found = proxy_from_environment(*trace.endpoint, context.environment());
  if (!found) return;
  std::string error;
  trace.proxy = parse_proxy(found->value, error);
  if (trace.proxy) return;
  context.warning(
      {}, fmt::format("the proxy that the environment variable {} names cannot be used on the way to {}, so spans go "
                      "there directly: {}",
                      found->name, trace.endpoint->host, error));
}

void read_endpoint(TableReader& table, Trace& trace) {
  const auto text = table.text("endpoint");
  if (!text) return;
  std::string error;
  trace.endpoint = usable_url(text->value, error);
  if (trace.endpoint) return append_path(*trace.endpoint);
  table.context().error(text->place,
                        fmt::format("`endpoint` cannot be used: {}",
                                    text->problem(error, "an http(s) URL such as \"http://otel-collector:4318\"")));
}

void check_port(TableReader& table, const Trace& trace) {
  constexpr std::uint16_t k_grpc = 4317;
  if (!trace.endpoint || trace.endpoint->port != k_grpc) return;
  table.context().warning(table.place_of("endpoint"),
                          "spans go over HTTP, and a collector takes gRPC at port 4317; its port for HTTP is mostly 4318");
}

}  // namespace

void read_trace(TableReader& top, Config& config) {
  static const Node k_empty;
  const Node* node = top.table("trace");
  Trace& trace = config.trace;
  TableReader table(top.context(), node == nullptr ? k_empty : *node, "[trace]");
  read_endpoint(table, trace);
  trace.headers = read_headers(table, field_problem);
  // What the file says goes before the environment, whichever of the two names the collector.
  if (table.find("endpoint") == nullptr) read_variables(top.context(), trace);
  set(trace.sample, table.number("sample", {0, 1}));
  if (const auto service = table.text("service")) trace.service = service->value.substr(0, k_max_service);
  set(trace.exemplars, table.boolean("exemplars"));
  check_port(table, trace);
  if (trace.endpoint) read_proxy_variable(top.context(), trace);
  table.finish();
}

}  // namespace outrigger::config
