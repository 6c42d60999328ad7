// WebSockets at the dify door: who gets one, what passes through it, and how it ends; and what is tried with them.
#include "proxy/dify_tunnel.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_bench.h"

namespace outrigger::proxy {
namespace {

using namespace test;

// RFC 6455 §1.3
const std::string k_key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string k_accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const std::string k_upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
const std::string k_version = "Sec-WebSocket-Version: 13\r\n";

std::string asking(std::string_view more = "") {
  return fmt::format("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: dify\r\n{}{}{}{}\r\n", k_upgrade,
                     k_version, k_key, more);
}
std::string agreeing(std::string_view more = "") {
  return fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{}{}\r\n", k_accept,
                     more);
}

constexpr std::string_view k_open = "outrigger_dify_sockets";

// A socket that both sides have agreed on.
struct Socket {
  explicit Socket(const std::string& more = "") : bench(more) {
    client = bench.send(asking());
    REQUIRE(bench.asked.size() == 1);
    backend().send(agreeing());
    bench.settle();
    REQUIRE(client->take().starts_with("HTTP/1.1 101 "));
  }
  sim::Peer& backend() { return *bench.asked.front().peer; }
  [[nodiscard]] std::string heard_by_backend() const { return bench.asked.front().body; }
  [[nodiscard]] bool is_over() { return bench.door.flows() == 0 && bench.metric(k_open) == "0"; }
  [[nodiscard]] std::string outcome() {
    for (const char* outcome : {"ok", "client_gone", "cut"}) {
      const auto series = fmt::format("outrigger_requests_total{{door=\"dify\",app=\"\",outcome=\"{}\"}}", outcome);
      if (bench.metric(series) == "1") return outcome;
    }
    return {};
  }
  DifyBench bench;
  std::unique_ptr<sim::Peer> client;
};

TEST_CASE("a WebSocket passes with its handshake, and what is said in it is not looked at") {
  DifyBench bench;
  auto client = bench.send(asking("Cookie: a=b\r\nOrigin: https://dify.example\r\nSec-WebSocket-Protocol: x, y\r\n"));
  REQUIRE(bench.asked.size() == 1);
  const std::string head = bench.last().head;
  CHECK(head.starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: dify\r\n"));
  CHECK(field_of(head, "Connection") == "Upgrade");
  CHECK(field_of(head, "Upgrade") == "websocket");
  CHECK(head.find(k_key) != std::string::npos);
  CHECK(field_of(head, "Sec-WebSocket-Version") == "13");
  CHECK(field_of(head, "Sec-WebSocket-Protocol") == "x, y");
  CHECK(field_of(head, "Cookie") == "a=b");
  CHECK(field_of(head, "Origin") == "https://dify.example");
  CHECK_FALSE(field_of(head, "X-Forwarded-For").empty());
  CHECK(field_of(head, "X-Forwarded-Host") == "dify");
  CHECK(bench.metric(k_open).empty());

  bench.last().send(agreeing("Sec-WebSocket-Protocol: y\r\nSet-Cookie: c=d\r\n") + "first");
  bench.settle();
  const std::string answer = client->take();
  CHECK(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(answer.find(k_accept) != std::string::npos);
  CHECK(field_of(answer, "Connection") == "Upgrade");
  CHECK(field_of(answer, "Upgrade") == "websocket");
  CHECK(field_of(answer, "Sec-WebSocket-Protocol") == "y");
  CHECK(field_of(answer, "Set-Cookie") == "c=d");
  CHECK(field_of(answer, "x-outrigger-served-by") == "new");
  CHECK(answer.ends_with("\r\n\r\nfirst"));
  CHECK(bench.metric(k_open) == "1");

  const std::string rubbish("\x00\xff HTTP/1.1 200 OK\r\n\r\n", 22);
  client->send(rubbish);
  bench.settle();
  bench.last().send("GET / HTTP/1.1\r\n\r\n");
  bench.settle();
  CHECK(bench.last().body == rubbish);
  CHECK(client->take() == "GET / HTTP/1.1\r\n\r\n");
  CHECK(bench.log.lines.empty());

  bench.pass(1min);
  bench.last().peer->close();
  bench.settle();
  CHECK(client->eof());
  client->close();
  bench.settle();
  CHECK(bench.door.flows() == 0);
  CHECK(bench.server->connections() == 0);
  CHECK(bench.metric(k_open) == "0");
  CHECK(bench.metric("outrigger_requests_total{door=\"dify\",app=\"\",outcome=\"ok\"}") == "1");
  CHECK(bench.metric("outrigger_attempts_total{target=\"new\",outcome=\"ok\"}") == "1");
  REQUIRE(bench.log.lines.size() == 1);
  const std::string& line = bench.log.lines.front();
  CHECK(line.find("\"kind\":\"socket_io\"") != std::string::npos);
  CHECK(line.find("\"status\":101") != std::string::npos);
  CHECK(line.find("\"request_bytes\":22,\"response_bytes\":23") != std::string::npos);
  CHECK(line.find("\"duration_ms\":60") != std::string::npos);
  CHECK(line.find("\"error\"") == std::string::npos);
}

TEST_CASE("a socket waits behind no run") {
  DifyBench bench("[dify]\nconcurrency = 1\n");
  auto running = bench.ask({});
  auto waiting = bench.ask({});
  REQUIRE(bench.asked.size() == 1);
  auto client = bench.send(asking());
  REQUIRE(bench.asked.size() == 2);
  bench.last().send(agreeing());
  bench.settle();
  CHECK(client->received().starts_with("HTTP/1.1 101 "));
  // Nor does it take the place of one.
  bench.asked.front().answer(k_blocking);
  bench.settle();
  CHECK(bench.asked.size() == 3);
}

TEST_CASE("a socket goes past a backend that refuses connections") {
  DifyBench bench;
  bench.backend(0).stop();
  auto client = bench.send(asking());
  bench.pass(100ms);
  REQUIRE(bench.asked.size() == 1);
  CHECK(bench.last().host == "old");
  bench.last().send(agreeing());
  bench.settle();
  CHECK(field_of(client->received(), "x-outrigger-served-by") == "old");
}

// ---- who gets none ----------------------------------------------------------------------------------------------------

TEST_CASE("what is no sound request for a WebSocket passes as if it had not asked") {
  struct Case {
    std::string what, line, fields, body;
  };
  const Case cases[] = {
      {"an old version", "GET /s HTTP/1.1", k_upgrade + k_key + "Sec-WebSocket-Version: 8\r\n", ""},
      {"no version", "GET /s HTTP/1.1", k_upgrade + k_key, ""},
      {"no key", "GET /s HTTP/1.1", k_upgrade + k_version, ""},
      {"a short key", "GET /s HTTP/1.1", k_upgrade + k_version + "Sec-WebSocket-Key: AAAA\r\n", ""},
      {"two keys", "GET /s HTTP/1.1", k_upgrade + k_version + k_key + k_key, ""},
      {"a body", "GET /s HTTP/1.1", k_upgrade + k_version + k_key + "Content-Length: 3\r\n", "abc"},
      {"another method", "POST /s HTTP/1.1", k_upgrade + k_version + k_key + "Content-Length: 3\r\n", "abc"},
      {"HTTP/1.0", "GET /s HTTP/1.0", k_upgrade + k_version + k_key, ""},
      {"no Connection", "GET /s HTTP/1.1", "Upgrade: websocket\r\n" + k_version + k_key, ""},
      {"h2c", "GET /s HTTP/1.1",
       "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n", ""},
      {"TLS", "GET /s HTTP/1.1", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", ""},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    // A backend that is too willing, and one that says no: the first one's answer is a failure, since nobody asked for it.
    const std::pair<std::string, std::string> answers[] = {
        {agreeing(), "HTTP/1.1 502 "},
        {"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno",
         "HTTP/1.1 426 "}};
    for (const auto& [said, heard] : answers) {
      DifyBench bench;
      auto client = bench.send(fmt::format("{}\r\nHost: dify\r\n{}\r\n{}", c.line, c.fields, c.body));
      REQUIRE(bench.asked.size() == 1);
      CHECK(field_of(bench.last().head, "Upgrade").empty());
      CHECK(field_of(bench.last().head, "Connection") == "close");
      CHECK(field_of(bench.last().head, "HTTP2-Settings").empty());
      CHECK(bench.last().body == c.body);
      bench.last().send(said);
      bench.settle();
      const std::string answer = client->take();
      CHECK(answer.starts_with(heard));
      CHECK(field_of(answer, "Upgrade").empty());
      CHECK(bench.metric(k_open).empty());
      // Nothing leads to the backend's connection any more.
      CHECK(bench.last().peer->ended());
      client->send("GET /smuggled HTTP/1.1\r\nHost: dify\r\nConnection: X-Forwarded-For\r\n\r\n");
      bench.settle();
      if (c.line.ends_with("1.0")) continue;
      REQUIRE(bench.asked.size() == 2);
      CHECK(bench.last().head.starts_with("GET /smuggled HTTP/1.1\r\n"));
      CHECK_FALSE(field_of(bench.last().head, "X-Forwarded-For").empty());
    }
  }
}

TEST_CASE("a request behind one for a WebSocket is a request if the backend declines, and part of the socket if it agrees") {
  const std::string smuggled = "GET /console/api/x HTTP/1.1\r\nHost: dify\r\n\r\n";
  const bool agrees = GENERATE(true, false);
  DifyBench bench;
  auto client = bench.send(asking() + smuggled);
  REQUIRE(bench.asked.size() == 1);
  CHECK(bench.last().body.empty());
  if (agrees) {
    bench.last().send(agreeing());
    bench.settle();
    CHECK(bench.asked.size() == 1);
    CHECK(bench.last().body == smuggled);
    return;
  }
  bench.last().answer("no", 400);
  bench.settle();
  CHECK(body_of(client->take()) == "no");
  REQUIRE(bench.asked.size() == 2);
  CHECK(bench.asked.front().body.empty());
  CHECK(bench.last().head.starts_with("GET /console/api/x HTTP/1.1\r\n"));
  CHECK_FALSE(field_of(bench.last().head, "X-Forwarded-For").empty());
}

TEST_CASE("a 101 without the proof that it is for this request is a failed attempt") {
  const std::string answer = GENERATE(std::string("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
                                      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
                                      "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" + k_accept + "\r\n",
                                      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n" + k_accept + "\r\n");
  DifyBench bench;
  auto client = bench.send(asking());
  bench.last().send(answer + "secret");
  bench.settle();
  CHECK(client->received().starts_with("HTTP/1.1 502 "));
  CHECK(client->received().find("secret") == std::string::npos);
  CHECK(bench.last().peer->ended());
  CHECK(bench.asked.size() == 1);
  CHECK(bench.metric(k_open).empty());
  CHECK(bench.metric("outrigger_attempts_total{target=\"new\",outcome=\"upstream_protocol\"}") == "1");
}

TEST_CASE("who leaves before the answer ends the call") {
  DifyBench bench;
  auto client = bench.send(asking());
  client->close();
  bench.settle();
  CHECK(bench.last().peer->ended());
  CHECK(bench.door.flows() == 0);
}

// ---- the flow ---------------------------------------------------------------------------------------------------------

TEST_CASE("a side that does not read stops the other, and loses nothing") {
  const bool slow_client = GENERATE(true, false);
  Socket socket;
  sim::Peer& slow = slow_client ? *socket.client : socket.backend();
  sim::Peer& fast = slow_client ? socket.backend() : *socket.client;
  slow.pause();
  std::string all;
  for (int i = 0; i < 400 && fast.unsent() < (512u << 10); ++i) {
    const std::string piece(10'000, static_cast<char>('a' + i % 26));
    fast.send(piece);
    all += piece;
    socket.bench.settle();
  }
  // Two windows of the simulated kernels and what may lie here.
  CHECK(all.size() - fast.unsent() <= 2 * 64 * 1024 + DifyTunnel::k_unsent_max + 64 * 1024);
  // The other direction is open.
  slow.send("hello");
  socket.bench.settle();
  CHECK((slow_client ? socket.heard_by_backend() : socket.client->take()) == "hello");
  slow.resume();
  socket.bench.pass(1s);
  CHECK((slow_client ? socket.client->take() : socket.heard_by_backend()) == all);
}

TEST_CASE("half a socket may end before the other, and what is on the way arrives") {
  const bool client_first = GENERATE(true, false);
  Socket socket;
  sim::Peer& first = client_first ? *socket.client : socket.backend();
  sim::Peer& second = client_first ? socket.backend() : *socket.client;
  second.pause();
  const std::string last_words(300'000, 'w');
  first.send(last_words);
  first.shutdown();
  socket.bench.pass(1s);
  second.resume();
  socket.bench.pass(1s);
  CHECK((client_first ? socket.heard_by_backend() : socket.client->take()) == last_words);
  CHECK(second.eof());
  second.send("answer");
  socket.bench.settle();
  CHECK((client_first ? socket.client->take() : socket.heard_by_backend()) == "answer");
  CHECK_FALSE(socket.is_over());
  second.shutdown();
  socket.bench.settle();
  CHECK(first.eof());
  CHECK(socket.is_over());
  CHECK(socket.outcome() == "ok");
}

TEST_CASE("who does not answer the other's end is cut") {
  const bool client_first = GENERATE(true, false);
  Socket socket;
  (client_first ? *socket.client : socket.backend()).shutdown();
  sim::Peer& silent = client_first ? socket.backend() : *socket.client;
  socket.bench.pass(DifyTunnel::k_linger - 1s);
  CHECK_FALSE(socket.is_over());
  socket.bench.pass(2s);
  CHECK(socket.is_over());
  silent.send("x");
  socket.bench.settle();
  CHECK(silent.error());
  CHECK(socket.outcome() == "ok");
}

TEST_CASE("a connection that breaks ends the other") {
  const bool backend_breaks = GENERATE(true, false);
  Socket socket;
  // As far as this end is concerned: the other one is told after what it was sent.
  socket.bench.world.net.cut(backend_breaks ? io::Address{"new", 9000, false} : DifyBench::k_door);
  sim::Peer& left = backend_breaks ? *socket.client : socket.backend();
  socket.bench.settle();
  CHECK(left.eof());
  CHECK_FALSE(left.error());
  left.close();
  socket.bench.settle();
  CHECK(socket.is_over());
  CHECK(socket.outcome() == (backend_breaks ? "cut" : "client_gone"));
  const std::string& line = socket.bench.log.lines.back();
  CHECK(line.find(backend_breaks ? "\"error\":\"upstream_cut\"" : "\"error\":\"client_gone\"") != std::string::npos);
}

TEST_CASE("who goes on speaking to somebody who is gone is cut") {
  Socket socket;
  socket.bench.world.net.cut(DifyBench::k_door);
  for (Duration passed{}; passed < DifyTunnel::k_linger; passed += 1s) {
    CHECK_FALSE(socket.is_over());
    socket.backend().send("and another thing");
    socket.bench.pass(1s);
  }
  socket.bench.pass(1s);
  CHECK(socket.is_over());
  CHECK(socket.backend().ended());
}

TEST_CASE("both connections breaking at once end it once") {
  Socket socket;
  socket.bench.world.net.cut({"new", 9000, false});
  socket.bench.world.net.cut(DifyBench::k_door);
  socket.bench.settle();
  CHECK(socket.is_over());
  CHECK(socket.bench.log.lines.size() == 1);
}

TEST_CASE("a socket in which nobody speaks for an hour is closed, and a word in either direction counts") {
  Socket socket;
  socket.bench.pass(DifyTunnel::k_idle - 1min);
  socket.client->send("x");
  socket.bench.pass(DifyTunnel::k_idle - 1min);
  socket.backend().send("x");
  socket.bench.pass(DifyTunnel::k_idle - 1min);
  CHECK_FALSE(socket.is_over());
  socket.bench.pass(2min);
  CHECK(socket.is_over());
  CHECK(socket.client->ended());
  CHECK(socket.backend().ended());
  CHECK(socket.outcome() == "cut");
  CHECK(socket.bench.log.lines.back().find("\"error\":\"stall_timeout\"") != std::string::npos);
}

TEST_CASE("a client that takes nothing is given up; one that takes a little is not") {
  const bool takes_some = GENERATE(true, false);
  Socket socket;
  socket.client->pause();
  socket.backend().send(std::string(1'000'000, 'x'));
  for (int i = 0; i < 12; ++i) {
    socket.bench.pass(10s);
    if (!takes_some) continue;
    socket.client->resume();
    while (socket.client->take().empty()) socket.bench.world.loop.step();
    socket.client->pause();
  }
  CHECK(socket.is_over() == !takes_some);
  if (takes_some) return;
  CHECK(socket.outcome() == "client_gone");
  CHECK(socket.backend().ended());
}

TEST_CASE("a draining door lets sockets be until it abandons them") {
  Socket socket;
  socket.bench.server->drain();
  bool idle = false;
  socket.bench.server->when_idle([&] { idle = true; });
  socket.bench.pass(20s);
  CHECK_FALSE(idle);
  socket.client->send("still there");
  socket.bench.settle();
  CHECK(socket.heard_by_backend() == "still there");
  socket.bench.door.abandon_all(ErrorCode::draining);
  socket.bench.settle();
  CHECK(idle);
  CHECK(socket.client->ended());
  CHECK(socket.backend().ended());
  CHECK(socket.is_over());
  CHECK(socket.bench.log.lines.back().find("\"error\":\"draining\"") != std::string::npos);
}

TEST_CASE("a server that goes closes its sockets") {
  Socket socket;
  socket.bench.server.reset();
  socket.bench.settle();
  CHECK(socket.client->ended());
  CHECK(socket.backend().ended());
  CHECK(socket.is_over());
}

}  // namespace
}  // namespace outrigger::proxy
