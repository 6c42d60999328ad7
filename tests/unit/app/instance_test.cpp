// The whole program in virtual time: what a reload and a stop do to what is under way.
#include "app/instance.h"

#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <deque>

#include "sim/world/peer.h"
#include "sim/world/sim_redis.h"
#include "sim/world/sim_world.h"

namespace outrigger::app {
namespace {

const io::Address k_llm{"outrigger", 8080, false};
const io::Address k_admin{"127.0.0.1", 9090, false};
const io::Address k_provider{"provider", 9000, false};

constexpr std::string_view k_token =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"},\"finish_reason\":null}]}\n\n";
constexpr std::string_view k_last =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

std::string chunk(std::string_view text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); }

struct Log final : obs::Log {
  void line(LogLevel, std::string_view words) override { lines.emplace_back(words); }
  [[nodiscard]] bool has(std::string_view words) const {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.contains(words); });
  }
  std::vector<std::string> lines;
};

struct Sink final : obs::LineSink {
  explicit Sink(std::vector<std::string>& to, std::uint64_t has_lost = 0) : lines(to), lost(has_lost) {}
  void write(std::string_view line) override { lines.emplace_back(line); }
  [[nodiscard]] std::uint64_t dropped() const override { return lost; }
  std::vector<std::string>& lines;
  std::uint64_t lost;
};

class Bench {
 public:
  explicit Bench(std::string_view more = "") : provider(world, k_provider), settings(more) {
    config::Loaded loaded = load();
    for (const auto& diagnostic : loaded.diagnostics) UNSCOPED_INFO(config::to_string(diagnostic));
    REQUIRE(loaded.config != nullptr);
    sink = std::make_unique<Sink>(access);
    instance = std::make_unique<Instance>(
        InstanceParts{.world = world.world(),
                      .config = loaded.config,
                      .log = log,
                      .access = sink.get(),
                      .load = [this] { return load(); },
                      .move_access_log = [this](const config::Log& to) -> Result<obs::LineSink*> {
                        // As the program does: the old one dies here.
                        sink = to.access == "off" ? nullptr : std::make_unique<Sink>(access, losing);
                        return sink.get();
                      },
                      .on_phase = [this](Phase phase, std::string_view) { phases.push_back(phase); },
                      .resident_bytes = {},
                      .fresh_secret = "a secret of the test that is long enough",
                      .version = "test"},
        [this](int code) { over = code; });
    instance->start();
  }
  void serve() {
    REQUIRE(world.loop.run_until([this] { return instance->serving(); }, 5s));
  }

  config::Loaded load() {
    config::Loaded loaded =
        config::load_text(fmt::format("{}\n[listen]\nllm = \"{}\"\nadmin = \"{}\"\n[log]\naccess = \"{}\"\n"
                                      "[[upstream]]\nname = \"main\"\nurl = \"http://provider:9000/v1\"\n",
                                      settings, io::to_string(k_llm), io::to_string(k_admin), access_to),
                          "test.toml", {});
    if (loaded.config != nullptr && certificate_ends) {
      auto with = std::make_shared<config::Config>(*loaded.config);
      with->listen.tls = config::Tls{.cert = {}, .key = {}, .not_after = *certificate_ends};
      loaded.config = std::move(with);
    }
    return loaded;
  }

  std::string admin(std::string_view method, std::string_view path) {
    const auto peer = sim::dial(world, k_admin);
    REQUIRE(peer != nullptr);
    peer->send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", method, path));
    world.loop.run_for(100ms);
    return peer->received();
  }

  // A stream of which the first token has come.
  std::unique_ptr<sim::Peer> begin_stream() {
    auto client = sim::dial(world, k_llm);
    REQUIRE(client != nullptr);
    const std::string body = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]})";
    client->send(
        fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    body.size(), body));
    sim::Peer* asked = provider.wait_for(1);
    REQUIRE(asked != nullptr);
    world.loop.run_for(100ms);
    asked->send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(k_token));
    world.loop.run_for(100ms);
    REQUIRE(client->received().contains("word"));
    return client;
  }

  sim::SimWorld world;
  sim::ScriptedServer provider;
  Log log;
  std::string settings, access_to = "stdout";
  std::optional<WallTime> certificate_ends;
  std::vector<std::string> access;
  std::uint64_t losing = 0;  // what the next access log has lost already
  std::unique_ptr<Sink> sink;
  std::vector<Phase> phases;
  std::optional<int> over;
  std::unique_ptr<Instance> instance;
};

}  // namespace

TEST_CASE("lost lines are told of the access log that is in use") {
  Bench bench;
  bench.serve();
  CHECK_FALSE(bench.admin("GET", "/api/status").contains("access log were lost"));
  bench.access_to = "/var/log/one.log";
  bench.losing = 7;
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.admin("GET", "/api/status").contains("7 lines of the access log were lost"));
  bench.access_to = "off";
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.admin("GET", "/api/status").starts_with("HTTP/1.1 200 "));
  bench.access_to = "/var/log/two.log";
  bench.losing = 5;
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.admin("GET", "/api/status").contains("12 lines of the access log were lost"));
}

TEST_CASE("the end of a certificate is told as long as a door shows it") {
  constexpr std::string_view k_sample = "outrigger_certificate_expires_timestamp_seconds{listen=\"tls\"} 2000000000\n";
  Bench bench;
  bench.serve();
  CHECK_FALSE(bench.admin("GET", "/metrics").contains("{listen=\"tls\"}"));
  bench.certificate_ends = WallTime(std::chrono::seconds(2'000'000'000));
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.admin("GET", "/metrics").contains(k_sample));
  bench.certificate_ends.reset();
  REQUIRE(bench.instance->reload().empty());
  CHECK_FALSE(bench.admin("GET", "/metrics").contains("{listen=\"tls\"}"));
}

TEST_CASE("a drain lets streams end, however often it is asked for, and the first signal is no second one") {
  Bench bench;
  bench.serve();
  const auto client = bench.begin_stream();
  CHECK(bench.admin("POST", "/api/drain").starts_with("HTTP/1.1 202 "));
  CHECK(bench.admin("POST", "/api/drain").starts_with("HTTP/1.1 202 "));
  bench.instance->stop();
  bench.world.loop.run_for(5s);
  CHECK_FALSE(bench.over);
  CHECK_FALSE(client->ended());
  bench.provider.peer(0).send(chunk(k_last) + "0\r\n\r\n");
  REQUIRE(bench.world.loop.run_until([&] { return bench.over.has_value(); }, 5s));
  CHECK(client->received().contains("data: [DONE]\n\n"));
  CHECK(bench.over == 0);
  REQUIRE(bench.access.size() == 1);
  CHECK_FALSE(bench.access.front().contains("\"error\""));
}

TEST_CASE("a second signal ends everything at once, and whoever waits is told") {
  for (const std::string_view settings : {"", "drain_delay = \"60s\""}) {
    CAPTURE(settings);
    Bench bench(settings);
    bench.serve();
    const auto client = bench.begin_stream();
    bench.instance->stop();
    bench.world.loop.run_for(1s);
    CHECK_FALSE(client->ended());
    const MonoTime told = bench.world.loop.now();
    bench.instance->stop();
    bench.instance->stop();
    REQUIRE(bench.world.loop.run_until([&] { return bench.over.has_value(); }, 5s));
    CHECK(bench.over == 0);
    CHECK(bench.world.loop.now() - told <= 100ms);
    bench.world.loop.run_for(100ms);
    CHECK(client->received().contains("\"draining\""));
    CHECK(client->received().ends_with("0\r\n\r\n"));
    REQUIRE(bench.access.size() == 1);
    CHECK(bench.access.front().contains("\"error\":\"draining\""));
    CHECK(bench.log.has("told to stop again: ending now"));
  }
}

TEST_CASE("what clients have spent is told to Redis also when a second signal ends everything") {
  Bench bench(
      "[redis]\nurl = \"redis://redis:6379/5\"\n[[client]]\nname = \"one\"\nkey = \"k\"\nbudget = { usd_per_day = 1.0 }\n"
      "[[model]]\nname = \"m\"\nprice = { input = 100.0, output = 100.0 }\n");
  sim::SimRedis redis(bench.world);
  bench.serve();
  bench.world.loop.run_for(3s);
  const auto client = bench.begin_stream();
  const auto written = [&] {
    return redis.count("SET") + redis.count("HSET") + redis.count("EVAL") + redis.count("EVALSHA");
  };
  const std::uint64_t before = written();
  bench.instance->stop();
  bench.instance->stop();
  REQUIRE(bench.world.loop.run_until([&] { return bench.over.has_value(); }, 5s));
  CHECK(written() > before);
}

TEST_CASE("connections that are turned away are counted by door and reason, and spoken of once a minute") {
  Bench bench("[limits]\nconnections = 2");
  bench.serve();
  const auto refused = [&] {
    const auto client = sim::dial(bench.world, k_llm);
    REQUIRE(client != nullptr);
    bench.world.loop.run_for(1s);
    return client->ended();
  };
  const auto told = [&](std::string_view words) {
    return std::ranges::count_if(bench.log.lines, [&](const std::string& line) { return line.contains(words); });
  };
  const auto first = sim::dial(bench.world, k_llm), second = sim::dial(bench.world, k_llm);
  CHECK_FALSE(bench.admin("GET", "/metrics").contains("outrigger_connections_refused_total{"));
  for (int i = 0; i < 3; ++i) CHECK(refused());
  CHECK(bench.admin("GET", "/metrics").contains("outrigger_connections_refused_total{door=\"llm\",reason=\"limit\"} 3\n"));
  CHECK(told("the llm door has turned away a connection: it is full; its 2 are taken, raise [limits] connections") == 1);
  CHECK(told("has turned away") == 1);
  bench.world.loop.run_for(60s);
  // The first two have said nothing for so long that they were closed.
  const auto third = sim::dial(bench.world, k_llm), fourth = sim::dial(bench.world, k_llm);
  CHECK(refused());
  CHECK(told("has turned away 3 connections") == 1);
  bench.instance->note_refused(k_admin, "tls", "it spoke of something else");
  bench.instance->note_refused({"elsewhere", 1, false}, "tls", "");
  CHECK(bench.admin("GET", "/metrics").contains("outrigger_connections_refused_total{door=\"admin\",reason=\"tls\"} 1\n"));
  CHECK(told("the admin door has turned away a connection: no TLS came about; it spoke of something else") == 1);
}

TEST_CASE("a reload is a phase of its own only while the program serves") {
  Bench bench("[redis]\nurl = \"redis://redis:6379/5\"");
  // Redis is asked for the secret, and takes its time.
  bench.world.net.site({"redis", 6379, false}).faults.blackhole = 1;
  bench.world.loop.run_for(100ms);
  REQUIRE_FALSE(bench.instance->serving());
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.phases.empty());
  bench.serve();
  CHECK(bench.phases == std::vector{Phase::ready});
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.phases == std::vector{Phase::ready, Phase::reloading, Phase::ready});
  const auto client = bench.begin_stream();
  bench.instance->drain();
  REQUIRE(bench.instance->reload().empty());
  CHECK(bench.phases == std::vector{Phase::ready, Phase::reloading, Phase::ready, Phase::stopping});
}

}  // namespace outrigger::app
