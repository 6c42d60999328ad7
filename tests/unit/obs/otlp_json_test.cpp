// OTLP's JSON, letter by letter. tests/wire has the official protocol's own parser read it.
#include "obs/otlp_json.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::obs {
namespace {

UnixNanos at(std::int64_t nanos) { return UnixNanos(std::chrono::nanoseconds(nanos)); }

std::string json(const Span& span) {
  std::string out;
  append_span(out, span);
  return out;
}

Span plain() {
  Span span;
  span.context = {{0x4bf92f3577b34da6, 0xa3ce929d0e0e4736}, 0x00f067aa0ba902b7, 1};
  span.name = "chat m";
  span.kind = Span::Kind::client;
  span.start = at(1'700'000'000'000'000'001);
  span.end = at(1'700'000'001'000'000'002);
  return span;
}

TEST_CASE("a span with nothing special") {
  CHECK(json(plain()) ==
        R"({"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","flags":257,"name":"chat m","kind":3,)"
        R"("startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000001000000002","attributes":[]})");
}

TEST_CASE("a span with everything") {
  Span span = plain();
  span.parent = 1;
  span.is_parent_remote = true;
  span.state = "rojo=1";
  span.attributes.text("text", "a\"b");
  span.attributes.text("empty", "");
  span.attributes.count("count", std::int64_t{-5});
  span.attributes.number("number", 0.25);
  span.attributes.yes("yes", true);
  span.attributes.texts("texts", {"a", "b"});
  span.events.push_back({"first_token", at(7)});
  span.links.push_back({{0, 1}, 2, 1});
  span.has_failed = true;
  span.problem = "no";
  CHECK(json(span) == R"({"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","traceState":"rojo=1",)"
                      R"("parentSpanId":"0000000000000001","flags":769,"name":"chat m","kind":3,)"
                      R"("startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000001000000002","attributes":[)"
                      R"({"key":"text","value":{"stringValue":"a\"b"}},{"key":"count","value":{"intValue":"-5"}},)"
                      R"({"key":"number","value":{"doubleValue":0.25}},{"key":"yes","value":{"boolValue":true}},)"
                      R"({"key":"texts","value":{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}}],)"
                      R"("events":[{"name":"first_token","timeUnixNano":"7"}],)"
                      R"("links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002","flags":257}],)"
                      R"("status":{"code":2,"message":"no"}})");
}

TEST_CASE("what comes from outside is cut and escaped, and a clock that jumped back makes no negative span") {
  Span span = plain();
  span.end = at(5);
  span.attributes.text("long", std::string(100'000, 'x'));
  span.attributes.text("odd", "\xff\n\x01");
  const std::string text = json(span);
  CHECK(text.size() < 1000);
  CHECK(text.find(R"("endTimeUnixNano":"1700000000000000001")") != std::string::npos);
  CHECK(text.find(R"(\ufffd\n\u0001)") != std::string::npos);
}

TEST_CASE("a request names who tells, once") {
  const Resource resource{{{"service.name", "outrigger"}, {"k", "v"}}, "0.1"};
  const std::vector<std::string> spans{"{1}", "{2}"};
  CHECK(export_request(resource, spans) ==
        R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"outrigger"}},)"
        R"({"key":"k","value":{"stringValue":"v"}}]},"scopeSpans":[{"scope":{"name":"outrigger","version":"0.1"},)"
        R"("spans":[{1},{2}]}]}]})");
}

TEST_CASE("how many spans a collector has refused") {
  const std::pair<std::string_view, std::uint64_t> rows[] = {
      {"", 0},
      {"{}", 0},
      {R"({"partialSuccess":{}})", 0},
      {R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}})", 3},
      {R"({"partialSuccess": {"rejectedSpans" : 12}})", 12},
      {R"({"partialSuccess":{"rejectedSpans":"-1"}})", 0},
      {R"({"partialSuccess":{"rejectedSpans":)", 0},
      {R"({"partialSuccess":{"errorMessage":"\"rejectedSpans\":9"}})", 0},
      {"\"rejectedSpans\":99999999999999999999999", 0}};
  for (const auto& [answer, count] : rows) {
    CAPTURE(answer);
    CHECK(rejected_spans(answer) == count);
  }
}

}  // namespace
}  // namespace outrigger::obs
