// What a request at the llm door tells in traces, in virtual time, where every moment is known. tests/wire has a collector read it.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

struct NoLog final : obs::Log {
  void line(LogLevel, std::string_view) override {}
};

// A span as the collector hears it, taken apart as far as these tests look.
struct Told {
  std::string text, name, id, parent;
  std::int64_t start = 0, end = 0;
  [[nodiscard]] std::string member(std::string_view key) const {
    const std::string wanted = "\"" + std::string(key) + "\":\"";
    const std::size_t at = text.find(wanted);
    if (at == std::string::npos) return {};
    return text.substr(at + wanted.size(), text.find('"', at + wanted.size()) - at - wanted.size());
  }
  // Of an attribute that is a text or a whole number.
  [[nodiscard]] std::string attribute(std::string_view key) const {
    const std::size_t at = text.find("{\"key\":\"" + std::string(key) + "\"");
    if (at == std::string::npos) return {};
    const std::size_t value = text.find("Value\":\"", at) + 8;
    return text.substr(value, text.find('"', value) - value);
  }
  [[nodiscard]] Duration took() const { return Duration(end - start); }
};

class TraceBench : public DoorBench {
 public:
  explicit TraceBench(std::string_view toml = k_basic_config, double sample = 1, bool with_redis = false)
      : DoorBench(toml, with_redis),
        collector_(add_upstream("collector")),
        tracer(world.world(), client, registry, quiet_, "1") {
    config::Trace settings;
    std::string error;
    settings.endpoint = config::parse_url("http://collector:9000/v1/traces", error);
    settings.sample = sample;
    tracer.configure(settings);
    door.set_tracer(&tracer);
  }

  // All that is told, in the order in which it ended. Takes the time that a batch waits.
  std::vector<Told> told() {
    world.loop.run_for(3s);
    std::vector<Told> spans;
    for (const Asked& request : asked) {
      if (request.host != "collector") continue;
      const std::string_view body = request.body;
      for (std::size_t at = body.find("{\"traceId\""); at != std::string::npos;) {
        // Links have ids, too, and stand inside.
        std::size_t next = body.find(",{\"traceId\"", at + 1);
        while (next != std::string::npos && body.substr(next, 250).find("\"name\"") == std::string::npos) {
          next = body.find(",{\"traceId\"", next + 1);
        }
        Told& span = spans.emplace_back();
        span.text = body.substr(at, next == std::string::npos ? next : next - at);
        span.name = span.member("name");
        span.id = span.member("spanId");
        span.parent = span.member("parentSpanId");
        span.start = std::stoll(span.member("startTimeUnixNano"));
        span.end = std::stoll(span.member("endTimeUnixNano"));
        at = next == std::string::npos ? next : next + 1;
      }
    }
    return spans;
  }

 private:
  NoLog quiet_;
  sim::ScriptedServer& collector_;

 public:
  trace::Tracer tracer;
};

const Told& one(const std::vector<Told>& spans, std::string_view name) {
  const Told* found = nullptr;
  for (const Told& span : spans) {
    if (!span.name.starts_with(name)) continue;
    INFO(name);
    CHECK(found == nullptr);
    found = &span;
  }
  INFO(name);
  REQUIRE(found != nullptr);
  return *found;
}

constexpr std::string_view k_caller =
    "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nTracestate: a=1\r\n";

TEST_CASE("spans are as long as what they stand for") {
  TraceBench b;
  const auto client = b.ask({.stream = true});
  b.world.loop.run_for(100ms);
  b.last().begin_stream();
  b.last().chunk(event("a"));
  b.world.loop.run_for(400ms);
  for (const auto& piece : {k_stop, k_usage, k_done}) b.last().chunk(piece);
  b.last().end_stream();
  b.settle();
  const auto spans = b.told();
  REQUIRE(spans.size() == 4);
  const Told& top = one(spans, "POST /v1/chat/completions");
  const Told& call = one(spans, "chat m");
  const Told& attempt = one(spans, "attempt main:m");
  CHECK(top.took() > 500ms);
  CHECK(top.took() < 530ms);
  CHECK(call.took() > 500ms);
  CHECK(call.took() <= top.took());
  CHECK(attempt.took() <= call.took());
  CHECK(attempt.parent == call.id);
  CHECK(call.parent == top.id);
  CHECK(one(spans, "cache lookup").parent == top.id);
  CHECK(call.attribute("gen_ai.usage.input_tokens") == "7");
  CHECK(call.attribute("gen_ai.usage.output_tokens") == "2");
  // The first token came a fifth of the way.
  const std::size_t at = attempt.text.find("\"timeUnixNano\":\"");
  REQUIRE(at != std::string::npos);
  const Duration first(std::stoll(attempt.text.substr(at + 16)) - attempt.start);
  CHECK(first > 100ms);
  CHECK(first < 120ms);
}

TEST_CASE("what goes upstream names the attempt, and the state goes with it") {
  TraceBench b;
  b.exchange({.fields = std::string(k_caller)}, "a");
  const std::string head = b.asked.front().head;
  CHECK(field_of(head, "tracestate") == "a=1");
  const auto spans = b.told();
  const Told& attempt = one(spans, "attempt");
  CHECK(field_of(head, "traceparent") == "00-4bf92f3577b34da6a3ce929d0e0e4736-" + attempt.id + "-01");
  CHECK(one(spans, "POST").parent == "00f067aa0ba902b7");
  for (const Told& span : spans) CHECK(span.member("traceState") == "a=1");
}

TEST_CASE("without a collector headers pass as they came, and none is added") {
  DoorBench b;
  b.exchange({.fields = std::string(k_caller)}, "a");
  CHECK(field_of(b.last().head, "Traceparent") == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  CHECK(field_of(b.last().head, "Tracestate") == "a=1");
  CHECK(b.log.lines.back().find("\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"") != std::string::npos);
  b.exchange({.text = "another"}, "a");
  CHECK(field_of(b.last().head, "traceparent").empty());
  CHECK(b.log.lines.back().find("trace_id") == std::string::npos);
}

TEST_CASE("who is not sampled tells nothing, and says so upstream") {
  TraceBench b(k_basic_config, 0);
  b.exchange({}, "a");
  CHECK(field_of(b.asked.front().head, "traceparent").ends_with("-02"));
  CHECK(b.told().empty());
  CHECK(b.log.lines.back().find("\"trace_id\"") != std::string::npos);
}

TEST_CASE("a lookup in Redis has its own length, and says where the answer was") {
  TraceBench b("[redis]\nurl = \"redis://redis\"\n" + k_basic_config, 1, true);
  b.exchange({}, "a");
  const auto miss = b.told();
  CHECK(one(miss, "cache lookup").attribute("outrigger.cache.result") == "miss");
  CHECK(one(miss, "cache lookup").attribute("outrigger.cache.tier") == "redis");
  CHECK(one(miss, "cache lookup").took() > 0ns);
  CHECK(one(miss, "chat").start >= one(miss, "cache lookup").end);
}

TEST_CASE("a client who leaves ends its spans") {
  for (const bool has_begun : {false, true}) {
    TraceBench b;
    auto client = b.ask({.stream = true});
    if (has_begun) {
      b.last().begin_stream();
      b.last().chunk(event("a"));
    }
    b.settle();
    client->close();
    b.settle();
    const auto spans = b.told();
    REQUIRE(spans.size() == 4);
    CHECK(one(spans, "attempt").attribute("outrigger.outcome") == "abandoned");
    CHECK(one(spans, "POST").attribute("error.type") == "client_gone");
    for (const Told& span : spans) CHECK(span.text.find("\"status\"") == std::string::npos);
  }
}

TEST_CASE("requests under way when tracing ends tell nothing more, and when the door ends, too") {
  TraceBench b;
  const auto client = b.ask({});
  b.tracer.configure({});
  b.last().answer(answer_json("a"));
  b.settle();
  CHECK(b.told().empty());
  b.kept.push_back(b.ask({.text = "under way at the end"}));
}

}  // namespace
}  // namespace outrigger::proxy::test
