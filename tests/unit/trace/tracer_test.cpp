// Whose trace a request belongs to, whether it is told, and what goes on with a call.
#include <catch2/catch_test_macros.hpp>

#include "sim/world/sim_world.h"
#include "trace/tracer.h"

namespace outrigger::trace {
namespace {

struct NoLog final : obs::Log {
  void line(LogLevel, std::string_view) override {}
};

struct Bench {
  explicit Bench(double sample = 1, bool heeds_parent = true) {
    config::Trace settings;
    std::string error;
    settings.endpoint = config::parse_url("http://collector:4318/v1/traces", error);
    settings.sample = sample;
    settings.heeds_parent = heeds_parent;
    tracer.configure(settings);
  }
  std::unique_ptr<Trace> begin(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    http::Headers headers;
    for (const auto& [name, value] : fields) headers.add(name, value);
    return tracer.begin(headers);
  }
  sim::SimWorld world{1};
  http::Client client{world.world(), {}};
  obs::Registry registry;
  NoLog log;
  Tracer tracer{world.world(), client, registry, log, "1"};
};

constexpr std::string_view k_sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view k_unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

TEST_CASE("without a collector nothing is traced, and no random number is drawn") {
  sim::SimWorld world{1};
  sim::SimWorld same{1};
  http::Client client(world.world(), {});
  obs::Registry registry;
  NoLog log;
  Tracer tracer(world.world(), client, registry, log, "1");
  tracer.configure({});
  http::Headers headers;
  headers.add("traceparent", k_sampled);
  CHECK(tracer.begin(headers) == nullptr);
  CHECK(world.world().rng.next() == same.world().rng.next());
}

TEST_CASE("a trace that comes in is gone on with, as its caller has decided") {
  Bench b(0);
  const auto told = b.begin({{"TraceParent", k_sampled}, {"tracestate", "a=1"}, {"tracestate", "b=2"}});
  REQUIRE(told);
  CHECK(obs::hex(told->self.trace) == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(told->parent == 0x00f067aa0ba902b7);
  CHECK(told->self.span != told->parent);
  CHECK(told->is_told());
  CHECK(told->state == "a=1, b=2");
  CHECK_FALSE(b.begin({{"traceparent", k_unsampled}})->is_told());
  CHECK_FALSE(Bench(1).begin({{"traceparent", k_unsampled}})->is_told());
}

TEST_CASE("a sampler that does not heed the parent decides alone") {
  CHECK(Bench(1, false).begin({{"traceparent", k_unsampled}})->is_told());
  CHECK_FALSE(Bench(0, false).begin({{"traceparent", k_sampled}})->is_told());
}

TEST_CASE("what cannot be understood begins a new trace, without the state") {
  Bench b;
  const std::initializer_list<std::pair<std::string_view, std::string_view>> rows[] = {
      {},
      {{"traceparent", "rubbish"}, {"tracestate", "a=1"}},
      {{"traceparent", k_sampled}, {"traceparent", k_sampled}, {"tracestate", "a=1"}},
      {{"tracestate", "a=1"}}};
  for (const auto& row : rows) {
    const auto trace = b.begin(row);
    REQUIRE(trace);
    CHECK(trace->parent == 0);
    CHECK(trace->self.is_valid());
    CHECK(obs::hex(trace->self.trace) != "4bf92f3577b34da6a3ce929d0e0e4736");
    CHECK(trace->state.empty());
    CHECK(trace->is_told());
  }
  CHECK(b.begin({{"traceparent", k_sampled}, {"tracestate", "NOT ONE"}})->state.empty());
}

TEST_CASE("about the share that is asked for is told") {
  Bench b(0.25);
  int told = 0;
  for (int i = 0; i < 4000; ++i) told += b.begin({})->is_told() ? 1 : 0;
  CHECK(told > 850);
  CHECK(told < 1150);
}

TEST_CASE("a call's headers name the span that it is made in") {
  Bench b;
  http::Headers headers;
  headers.add("traceparent", k_unsampled);
  headers.add("tracestate", "a=1");
  headers.add("X-Other", "1");
  const auto trace = b.begin({{"traceparent", k_sampled}, {"tracestate", "a=1"}});
  const obs::SpanContext call = b.tracer.child_of(trace->self);
  CHECK(call.trace == trace->self.trace);
  CHECK(call.span != trace->self.span);
  pass_on(headers, call, trace->state);
  CHECK(headers.get("traceparent") == obs::format_traceparent(call));
  CHECK(headers.get("tracestate") == "a=1");
  pass_on(headers, call, "");
  CHECK_FALSE(headers.get("tracestate"));
  CHECK(headers.size() == 2);
}

TEST_CASE("a trace's times are one clock's, whatever the wall's does") {
  Bench b;
  b.world.loop.run_for(5s);
  const auto trace = b.begin({});
  const MonoTime later = b.world.loop.now() + 1500us;
  CHECK(trace->at(later) - obs::UnixNanos(trace->wall) == 1500us);
}

}  // namespace
}  // namespace outrigger::trace
