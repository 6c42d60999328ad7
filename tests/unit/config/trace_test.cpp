// [trace], and OpenTelemetry's own variables where it names no endpoint.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

std::string url_of(const Trace& trace) {
  if (!trace.endpoint) return "none";
  return (trace.endpoint->tls ? "https://" : "http://") + trace.endpoint->authority() + trace.endpoint->path;
}

Trace trace_of(std::string_view toml, const Environment& environment = k_environment) {
  const Loaded loaded = load_with_upstream(toml, environment);
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  return loaded.config->trace;
}

TEST_CASE("without a word about them no spans are sent") {
  CHECK(url_of(trace_of("")) == "none");
  CHECK(url_of(trace_of("[trace]\nexemplars = true\nsample = 0.5\n")) == "none");
  CHECK(trace_of("[trace]\nexemplars = true\n").exemplars);
}

TEST_CASE("the path of OTLP is appended unless it is there") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"http://collector:4318", "http://collector:4318/v1/traces"},
      {"http://collector:4318/", "http://collector:4318/v1/traces"},
      {"http://collector:4318/v1/traces", "http://collector:4318/v1/traces"},
      {"http://collector:4318/v1/traces/", "http://collector:4318/v1/traces"},
      {"https://cloud.langfuse.com/api/public/otel", "https://cloud.langfuse.com/api/public/otel/v1/traces"}};
  for (const auto& [written, meant] : rows) {
    CHECK(url_of(trace_of("[trace]\nendpoint = \"" + std::string(written) + "\"\n")) == meant);
  }
}

TEST_CASE("all that [trace] has") {
  const Trace trace = trace_of(R"([trace]
endpoint = "http://collector:4318"
headers = { authorization = "env:SUPPORT_KEY", x-tenant = "a" }
sample = 0.25
service = "door"
exemplars = true
)");
  REQUIRE(trace.headers.size() == 2);
  CHECK(trace.headers[0].first == "authorization");
  CHECK(trace.headers[0].second.text == "sk-support");
  CHECK(trace.headers[1].second.text == "a");
  CHECK(trace.sample == 0.25);
  CHECK(trace.service == "door");
  CHECK(trace.exemplars);
  CHECK(trace.heeds_parent);
}

TEST_CASE("what cannot be used in [trace] says what to write") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"endpoint = \"collector:4318\"", "`endpoint` cannot be used: "},
      {"endpoint = \"http://user:secret@collector\"", "write the credential in headers"},
      {"endpoint = \"http://collector?x=1\"", "the URL must end before the `?`"},
      {"endpoint = \"\"", "must not be empty"},
      {"endpoint = 4318", "must be text"},
      {"endpiont = \"http://collector\"", "did you mean `endpoint`?"},
      {"sample = 1.5", "`sample`"},
      {"sample = \"all\"", "must be"},
      {"service = \"\"", "must not be empty"},
      {"exemplars = 1", "must be"},
      {"headers = { host = \"x\" }", "is set by outrigger itself"},
      {"headers = { \"a b\" = \"x\" }", "is not the name of a header"},
      {"headers = { a = \"env:NOWHERE\" }", "NOWHERE"}};
  for (const auto& [written, told] : rows) {
    const Loaded loaded = load_with_upstream("[trace]\n" + std::string(written) + "\n");
    INFO(written);
    INFO(all(loaded));
    CHECK_FALSE(loaded.config);
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded)[0].find(told) != std::string::npos);
    CHECK(errors(loaded)[0].find("secret") == std::string::npos);
  }
  CHECK(errors(load_with_upstream("endpoint = \"http://c\"\n"))[0].find("it belongs in [trace]") != std::string::npos);
}

TEST_CASE("a collector's port for gRPC is pointed out") {
  const auto found = warnings(load_with_upstream("[trace]\nendpoint = \"http://collector:4317\"\n"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("4318") != std::string::npos);
}

TEST_CASE("OpenTelemetry's variables name the collector when the file does not") {
  struct Row {
    Environment environment;
    std::string_view url;
  };
  const Row rows[] = {
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}}, "http://c:4318/v1/traces"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/"}}, "http://c:4318/base/v1/traces"},
      {{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/custom"}}, "http://c:4318/custom"},
      {{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318"}}, "http://c:4318"},
      {{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/t"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://d"}}, "http://c/t"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}}, "none"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_SDK_DISABLED", "True"}}, "none"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_SDK_DISABLED", "1"}}, "http://c:4318/v1/traces"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_TRACES_EXPORTER", "none"}}, "none"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_TRACES_EXPORTER", "otlp"}}, "http://c:4318/v1/traces"},
      {{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}},
       "http://c:4318/v1/traces"}};
  for (const Row& row : rows) {
    CAPTURE(row.url);
    CHECK(url_of(trace_of("", row.environment)) == row.url);
    // The file's word is the last.
    CHECK(url_of(trace_of("[trace]\nendpoint = \"http://file:1\"\n", row.environment)) == "http://file:1/v1/traces");
  }
}

TEST_CASE("headers, service, resource and sampler come from the environment, too") {
  Environment environment{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"},
                          {"OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20YTpi, x-a = b=c ,"},
                          {"OTEL_SERVICE_NAME", "from-name"},
                          {"OTEL_RESOURCE_ATTRIBUTES", "service.name=from-list,deployment.environment=a%2Cb"},
                          {"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
                          {"OTEL_TRACES_SAMPLER_ARG", "0.1"}};
  const Trace trace = trace_of("", environment);
  REQUIRE(trace.headers.size() == 2);
  CHECK(trace.headers[0].second.text == "Basic YTpi");
  CHECK(trace.headers[1].first == "x-a");
  CHECK(trace.headers[1].second.text == "b=c");
  CHECK(trace.service == "from-name");
  REQUIRE(trace.resource.size() == 1);
  CHECK(trace.resource[0] == std::pair<std::string, std::string>("deployment.environment", "a,b"));
  CHECK(trace.sample == 0.1);
  CHECK(trace.heeds_parent);

  environment["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = "x-only=1";
  environment.erase("OTEL_SERVICE_NAME");
  CHECK(trace_of("", environment).headers.size() == 1);
  CHECK(trace_of("", environment).service == "from-list");
  // What stands in the file holds, whoever named the collector.
  CHECK(trace_of("[trace]\nsample = 0.5\nservice = \"file\"\n", environment).sample == 0.5);
  CHECK(trace_of("[trace]\nsample = 0.5\nservice = \"file\"\n", environment).service == "file");
}

TEST_CASE("samplers") {
  struct Row {
    std::string_view sampler, arg;
    double sample;
    bool heeds_parent;
  };
  const Row rows[] = {{"always_on", "", 1, false},
                      {"always_off", "", 0, false},
                      {"traceidratio", "0.3", 0.3, false},
                      {"parentbased_always_on", "", 1, true},
                      {"parentbased_always_off", "", 0, true},
                      {"parentbased_traceidratio", "", 1, true}};
  for (const Row& row : rows) {
    const Trace trace = trace_of("", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"},
                                      {"OTEL_TRACES_SAMPLER", std::string(row.sampler)},
                                      {"OTEL_TRACES_SAMPLER_ARG", std::string(row.arg)}});
    CAPTURE(row.sampler);
    CHECK(trace.sample == row.sample);
    CHECK(trace.heeds_parent == row.heeds_parent);
  }
}

TEST_CASE("what is wrong in a variable is a warning, and the program runs") {
  const std::pair<Environment, std::string_view> rows[] = {
      {{{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}, "set it to http/json"},
      {{{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"}}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is \"grpc\""},
      {{{"OTEL_TRACES_EXPORTER", "zipkin"}}, "outrigger knows otlp and none"},
      {{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4318"}}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT cannot be used"},
      {{{"OTEL_EXPORTER_OTLP_HEADERS", "sk-secret"}}, "OTEL_EXPORTER_OTLP_HEADERS has a part that is left out"},
      {{{"OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"}}, "OTEL_EXPORTER_OTLP_HEADERS has a part that is left out"},
      {{{"OTEL_EXPORTER_OTLP_HEADERS", "host=x"}}, "is set by outrigger itself"},
      {{{"OTEL_EXPORTER_OTLP_HEADERS", "a=%0d%0aevil:1"}}, "has a line break"},
      {{{"OTEL_TRACES_SAMPLER", "jaeger_remote"}}, "OTEL_TRACES_SAMPLER cannot be \"jaeger_remote\""},
      {{{"OTEL_TRACES_SAMPLER", "traceidratio"}, {"OTEL_TRACES_SAMPLER_ARG", "2"}}, "not a number from 0 to 1"},
      {{{"HTTP_PROXY", "socks5://p:1"}}, "HTTP_PROXY"}};
  for (auto [environment, told] : rows) {
    environment.emplace("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    const Loaded loaded = load_with_upstream("", environment);
    INFO(all(loaded));
    REQUIRE(loaded.config);
    REQUIRE(warnings(loaded).size() == 1);
    CHECK(warnings(loaded)[0].find(told) != std::string::npos);
    CHECK(all(loaded).find("sk-secret") == std::string::npos);
  }
}

TEST_CASE("spans take the proxy that the environment names") {
  const Environment environment{{"HTTP_PROXY", "http://p:3128"}, {"NO_PROXY", "inside"}};
  REQUIRE(trace_of("[trace]\nendpoint = \"http://outside:4318\"\n", environment).proxy);
  CHECK_FALSE(trace_of("[trace]\nendpoint = \"http://inside:4318\"\n", environment).proxy);
}

}  // namespace
}  // namespace outrigger::config
