// The exporter in virtual time: batches, a collector that is ill in every way, limits, and the end.
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

#include "sim/world/peer.h"
#include "sim/world/sim_world.h"
#include "trace/exporter.h"
#include "trace/tracer.h"

namespace outrigger::trace {
namespace {

struct Lines final : obs::Log {
  std::vector<std::string> all;
  void line(LogLevel level, std::string_view text) override {
    all.push_back(fmt::format("{} {}", level == LogLevel::warning ? "warning" : "info", text));
  }
};

// A collector that answers each request as the test says.
class Bench {
 public:
  Bench()
      : server_(std::make_unique<sim::ScriptedServer>(world, io::Address{"collector", 4318, false})),
        client(world.world(), {}) {
    server_->on_peer = [this](sim::Peer& peer) { peer.on_receive = [this](sim::Peer& from) { take(from); }; };
    exporter.emplace(world.world(), client, registry, log);
    exporter->set_collector(collector());
  }

  static Collector collector() {
    Collector to;
    to.origin.address = {"collector", 4318, false};
    to.head.method = "POST";
    to.head.target = "/v1/traces";
    to.head.headers.add("Host", "collector:4318");
    to.resource.attributes = {{"service.name", "o"}};
    to.name = "http://collector:4318/v1/traces";
    return to;
  }

  void add(int spans) {
    for (int i = 0; i < spans; ++i) exporter->add(fmt::format("{{\"spanId\":\"{}\"}}", ++added));
  }
  void run(Duration time) { world.loop.run_for(time); }
  sim::ScriptedServer& server() { return *server_; }
  [[nodiscard]] double count(std::string_view outcome) {
    return registry.counter("outrigger_trace_spans_total", {{"outcome", outcome}}).value();
  }
  static std::size_t spans_in(std::string_view body) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = body.find("spanId", at)) != std::string_view::npos; ++at) ++count;
    return count;
  }

  sim::SimWorld world{1};
  std::unique_ptr<sim::ScriptedServer> server_;
  http::Client client;
  obs::Registry registry;
  Lines log;
  std::optional<Exporter> exporter;
  int added = 0;
  std::vector<std::string> bodies;
  std::vector<MonoTime> times;
  // What the n-th request is answered; the last holds on. Empty: nothing at all.
  std::vector<std::string> answers{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"};

 private:
  void take(sim::Peer& peer) {
    std::string& pending = pending_[&peer];
    pending += peer.take();
    const std::size_t end = pending.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::size_t at = pending.find("Content-Length: ");
    const std::size_t size = std::stoul(pending.substr(at + 16));
    if (pending.size() < end + 4 + size) return;
    bodies.push_back(pending.substr(end + 4));
    times.push_back(world.loop.now());
    pending.clear();
    const std::string& answer = answers[std::min(bodies.size(), answers.size()) - 1];
    if (!answer.empty()) peer.send(answer);
  }
  std::map<sim::Peer*, std::string> pending_;
};

std::string status(int code, std::string_view fields = "") {
  return fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: 0\r\n\r\n", code, fields);
}

TEST_CASE("spans wait a moment for others and go together") {
  Bench b;
  b.add(2);
  b.run(Exporter::k_delay - 100ms);
  b.add(1);
  CHECK(b.bodies.empty());
  b.run(200ms);
  REQUIRE(b.bodies.size() == 1);
  CHECK(Bench::spans_in(b.bodies[0]) == 3);
  CHECK(b.bodies[0].starts_with(R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name")"));
  b.run(1s);
  CHECK(b.count("sent") == 3);
  CHECK(b.exporter->is_idle());
  CHECK(b.log.all.empty());
}

TEST_CASE("a full batch goes at once, and each holds no more than it may") {
  Bench b;
  b.add(1300);
  b.run(100ms);
  REQUIRE(b.bodies.size() == 2);
  CHECK(Bench::spans_in(b.bodies[0]) == Exporter::k_batch);
  CHECK(Bench::spans_in(b.bodies[1]) == Exporter::k_batch);
  b.run(Exporter::k_delay);
  REQUIRE(b.bodies.size() == 3);
  b.run(100ms);
  CHECK(b.count("sent") == 1300);
}

TEST_CASE("what a collector says that passes is tried again, and nothing else is") {
  struct Row {
    int status;
    bool is_tried_again;
  };
  const Row rows[] = {{429, true},  {502, true},  {503, true},  {504, true},  {400, false}, {401, false},
                      {404, false}, {413, false}, {500, false}, {501, false}, {301, false}, {204, false}};
  for (const Row& row : rows) {
    CAPTURE(row.status);
    Bench b;
    b.answers = {status(row.status), status(200)};
    b.add(1);
    b.run(60s);
    CHECK(b.bodies.size() == (row.is_tried_again ? 2 : 1));
    const bool is_taken = row.is_tried_again || row.status == 204;
    CHECK(b.count("sent") == (is_taken ? 1 : 0));
    CHECK(b.count("failed") == (is_taken ? 0 : 1));
    CHECK(b.exporter->is_idle());
  }
}

TEST_CASE("the collector's own pause is kept, if it is a sensible one") {
  const std::pair<std::string_view, Duration> rows[] = {
      {"Retry-After: 7\r\n", 7s}, {"Retry-After: 86400\r\n", Exporter::k_retry_after_max}, {"Retry-After: 0\r\n", 0s}};
  for (const auto& [field, pause] : rows) {
    CAPTURE(field);
    Bench b;
    b.answers = {status(503, field), status(200)};
    b.add(1);
    b.run(90s);
    REQUIRE(b.bodies.size() == 2);
    CHECK(b.times[1] - b.times[0] >= pause);
    CHECK(b.times[1] - b.times[0] < pause + 100ms);
  }
  Bench b;
  b.answers = {status(503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"), status(200)};
  b.add(1);
  b.run(90s);
  CHECK(b.bodies.size() == 2);
}

TEST_CASE("a batch is given up after some tries, with growing pauses, and the next one has its own") {
  Bench b;
  b.answers = {status(503)};
  b.add(1);
  b.run(10min);
  CHECK(b.bodies.size() == Exporter::k_tries);
  CHECK(b.count("failed") == 1);
  for (std::size_t i = 1; i < b.times.size(); ++i) CHECK(b.times[i] - b.times[i - 1] >= Exporter::k_backoff_base / 2);
  b.answers = {status(200)};
  b.add(1);
  b.run(10s);
  CHECK(b.count("sent") == 1);
}

TEST_CASE("a collector that is gone costs bounded memory and one line") {
  Bench b;
  b.server().stop();
  for (int second = 0; second < 300; ++second) {
    b.add(100);
    b.run(1s);
    CHECK(b.exporter->waiting() <= Exporter::k_spans_max);
  }
  CHECK(b.exporter->waiting() > Exporter::k_spans_max / 2);
  CHECK(b.count("dropped") > 15'000);
  REQUIRE(b.log.all.size() == 1);
  CHECK(b.log.all[0].starts_with("warning spans cannot be sent to http://collector:4318/v1/traces: connect_refused; "));
  // It comes back: what waits goes, and one more line says so.
  b.server().start();
  b.run(90s);
  CHECK(b.exporter->is_idle());
  CHECK(b.log.all.size() == 2);
  CHECK(b.log.all[1] == "info the collector http://collector:4318/v1/traces takes spans again");
  CHECK(b.count("sent") + b.count("dropped") + b.count("failed") == 30'000);
}

TEST_CASE("trouble that comes back soon is told again") {
  Bench b;
  b.answers = {status(400)};
  b.add(1);
  b.run(5s);
  b.answers = {status(200)};
  b.add(1);
  b.run(40s);
  b.answers = {status(400)};
  b.add(1);
  b.run(5s);
  REQUIRE(b.log.all.size() == 3);
  CHECK(b.log.all[0].starts_with("warning spans cannot be sent"));
  CHECK(b.log.all[1].starts_with("info the collector"));
  CHECK(b.log.all[2].starts_with("warning spans cannot be sent"));
}

TEST_CASE("trouble that comes and goes fills no log, and has the last word when it stays") {
  Bench b;
  for (int i = 0; i < 200; ++i) {
    b.answers = {status(i % 2 == 0 ? 400 : 200)};
    b.add(1);
    b.run(3s);
  }
  CHECK(b.count("failed") == 100);
  CHECK(b.log.all.size() > 10);
  CHECK(b.log.all.size() <= 2 * (600s / Exporter::k_lull + 1));
  b.answers = {status(400)};
  for (int i = 0; i < 20; ++i) {
    b.add(1);
    b.run(3s);
  }
  CHECK(b.log.all.back().starts_with("warning spans cannot be sent"));
}

TEST_CASE("large spans have a limit in bytes") {
  Bench b;
  b.server().stop();
  for (int i = 0; i < 100; ++i) b.exporter->add(std::string(1u << 20, 'x'));
  CHECK(b.exporter->waiting() == Exporter::k_bytes_max >> 20);
}

TEST_CASE("a collector that says nothing is given up in time") {
  Bench b;
  b.answers = {""};
  b.add(1);
  b.run(Exporter::k_delay + Exporter::k_answer_time + 100ms);
  CHECK(b.bodies.size() == 1);
  REQUIRE(b.log.all.size() == 1);
  CHECK(b.log.all[0].contains("it does not answer in time"));
  b.answers = {status(200)};
  b.run(10s);
  CHECK(b.count("sent") == 1);
}

TEST_CASE("rubbish for an answer does no harm") {
  const std::string rows[] = {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                              "HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n"};
  for (const std::string& row : rows) {
    CAPTURE(row);
    Bench b;
    b.answers = {row, row, row, row, row, status(200)};
    b.add(1);
    b.run(5min);
    CHECK(b.count("failed") == 1);
    b.add(1);
    b.run(5min);
    CHECK(b.count("sent") == 1);
  }
}

TEST_CASE("an endless answer is not read to its end") {
  Bench b;
  b.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + std::string(64 * 1024, 'x')};
  b.add(1);
  b.run(5s);
  CHECK(b.exporter->is_idle());
  CHECK(b.count("sent") == 1);
}

TEST_CASE("spans that the collector refuses are counted, and told once") {
  Bench b;
  const std::string body = R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}})";
  b.answers = {fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body)};
  for (int i = 0; i < 3; ++i) {
    b.add(5);
    b.run(5s);
  }
  CHECK(b.count("sent") == 9);
  CHECK(b.count("rejected") == 6);
  REQUIRE(b.log.all.size() == 1);
  CHECK(b.log.all[0].contains("has refused 2 of 5 spans"));
}

TEST_CASE("at the end what waits is sent, within its time") {
  Bench b;
  b.add(600);
  bool done = false;
  b.exporter->flush(1s, [&] { done = true; });
  CHECK_FALSE(done);
  b.run(100ms);
  CHECK(done);
  CHECK(b.count("sent") == 600);

  // Nothing to send.
  done = false;
  b.exporter->flush(1s, [&] { done = true; });
  CHECK_FALSE(done);
  b.run(1ms);
  CHECK(done);

  // Nobody to take it.
  b.answers = {""};
  b.add(1);
  done = false;
  b.exporter->flush(1s, [&] { done = true; });
  b.run(900ms);
  CHECK_FALSE(done);
  b.run(200ms);
  CHECK(done);
}

TEST_CASE("another collector gets what waits, and none makes it go away") {
  Bench b;
  sim::ScriptedServer other(b.world, io::Address{"other", 4318, false});
  std::string heard;
  other.on_peer = [&](sim::Peer& peer) { peer.on_receive = [&](sim::Peer& from) { heard += from.take(); }; };
  b.add(1);
  Collector to = Bench::collector();
  to.origin.address.host = "other";
  b.exporter->set_collector(to);
  b.run(3s);
  CHECK(b.bodies.empty());
  CHECK(heard.contains("spanId"));

  Bench none;
  none.add(3);
  none.exporter->set_collector(std::nullopt);
  CHECK(none.count("dropped") == 3);
  none.run(10s);
  CHECK(none.bodies.empty());
}

TEST_CASE("an exporter may end in the middle of everything") {
  for (const Duration at : {0ms, 1ms, 2001ms, 2002ms, 2500ms, 4000ms}) {
    Bench b;
    b.answers = {status(503)};
    b.add(1);
    b.run(at);
    b.exporter.reset();
    b.run(1min);
  }
}

}  // namespace
}  // namespace outrigger::trace
