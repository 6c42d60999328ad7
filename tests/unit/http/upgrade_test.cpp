// Leaving HTTP, on both sides: who may, what is handed over, and what becomes of those who only say so.
#include "http/upgrade.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <string>

#include "unit/http/client_bench.h"
#include "unit/http/server_bench.h"

namespace outrigger::http {
namespace {

using test::ClientBench;
using test::Record;
using test::ServerBench;

// RFC 6455 §1.3
constexpr std::string_view k_key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view k_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

constexpr std::string_view k_101 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
constexpr std::string_view k_ask =
    "GET /s HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

RequestHead asking(std::string_view key = k_key, std::string_view version = "13") {
  RequestHead head;
  head.method = "GET";
  head.target = "/s";
  head.headers.add("Connection", "Upgrade");
  head.headers.add("Upgrade", "websocket");
  head.headers.add("Sec-WebSocket-Key", key);
  head.headers.add("Sec-WebSocket-Version", version);
  return head;
}

ResponseHead agreeing(std::string_view accept = k_accept) {
  ResponseHead head;
  head.status = 101;
  head.headers.add("Connection", "upgrade");
  head.headers.add("Upgrade", "websocket");
  head.headers.add("Sec-WebSocket-Accept", accept);
  return head;
}

CallOptions upgrading() {
  CallOptions options;
  options.upgrade = k_web_socket;
  return options;
}

// ---- the handshake ----------------------------------------------------------------------------------------------------

TEST_CASE("only a sound request asks for a WebSocket") {
  CHECK(asks_web_socket(asking()));
  RequestHead post = asking();
  post.method = "POST";
  CHECK_FALSE(asks_web_socket(post));
  RequestHead with_body = asking();
  with_body.content_length = 1;
  CHECK_FALSE(asks_web_socket(with_body));
  with_body.content_length = 0;
  CHECK(asks_web_socket(with_body));
  with_body.chunked = true;
  CHECK_FALSE(asks_web_socket(with_body));
  RequestHead old = asking();
  old.minor_version = 0;
  CHECK_FALSE(asks_web_socket(old));
  for (const std::string_view field : {"Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    RequestHead without = asking();
    without.headers.remove(field);
    INFO(field);
    CHECK_FALSE(asks_web_socket(without));
  }
  for (const std::string_view version : {"", "8", "13, 8", "013"}) CHECK_FALSE(asks_web_socket(asking(k_key, version)));
  for (const std::string_view key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQAA",
                                     "dGhlIHNhbXBsZSBub25j ZQ=", "AAAAAAAAAAAAAAAAAAAAAAA=", "dGhlIHNhbXBsZSBub25jZ-=="}) {
    INFO(key);
    CHECK_FALSE(asks_web_socket(asking(key)));
  }
  RequestHead two_keys = asking();
  two_keys.headers.add("Sec-WebSocket-Key", k_key);
  CHECK_FALSE(asks_web_socket(two_keys));
  RequestHead h2c = asking();
  h2c.headers.set("Upgrade", "h2c");
  CHECK_FALSE(asks_web_socket(h2c));
}

TEST_CASE("only a 101 with the proof for that very key agrees") {
  CHECK(web_socket_accept(k_key) == k_accept);
  CHECK(agrees_to_web_socket(asking(), agreeing()));
  CHECK_FALSE(agrees_to_web_socket(asking("AAAAAAAAAAAAAAAAAAAAAA=="), agreeing()));
  CHECK_FALSE(agrees_to_web_socket(asking(), agreeing("")));
  CHECK_FALSE(agrees_to_web_socket(asking(), agreeing("S3PPLMBITXAQ9KYGZZHZRBK+XOO=")));
  ResponseHead twice = agreeing();
  twice.headers.add("Sec-WebSocket-Accept", k_accept);
  CHECK_FALSE(agrees_to_web_socket(asking(), twice));
  ResponseHead ok = agreeing();
  ok.status = 200;
  CHECK_FALSE(agrees_to_web_socket(asking(), ok));
  ResponseHead other = agreeing();
  other.headers.set("Upgrade", "h2c");
  CHECK_FALSE(agrees_to_web_socket(asking(), other));
}

// ---- the client side --------------------------------------------------------------------------------------------------

TEST_CASE("a call asks for the upgrade on a connection of its own, which a 101 hands over") {
  ClientBench bench;
  bench.exchange_once();
  CHECK(bench.client.idle() == 1);
  auto caller = bench.start(upgrading());
  bench.settle();
  REQUIRE(bench.server.accepted() == 2);
  CHECK(bench.peer().received() ==
        "GET /v1/x HTTP/1.1\r\nHost: origin.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  bench.answer(k_101);
  CHECK(caller->head.status == 101);
  CHECK(caller->heads == 1);
  CHECK_FALSE(caller->over());
  Upgraded upgraded = caller->call->take_upgraded();
  caller->call.reset();
  CHECK(upgraded.early.empty());
  sim::Peer peer(std::move(upgraded.stream));
  peer.send("ping");
  bench.answer("pong");
  CHECK(bench.peer().received().ends_with("\r\n\r\nping"));
  CHECK(peer.received() == "pong");
  bench.peer().shutdown();
  bench.settle();
  CHECK(peer.eof());
  peer.send("still");
  bench.settle();
  CHECK(bench.peer().received().ends_with("pingstill"));
}

TEST_CASE("what comes behind a 101 is handed over with it, wherever the bytes are cut, and its end is heard") {
  const std::string text =
      std::string("HTTP/1.1 103 Early Hints\r\n\r\n") + std::string(k_101) + "HTTP/1.1 200 OK\r\n\r\n\x81";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    INFO("cut at " << at);
    ClientBench bench;
    auto caller = bench.start(upgrading());
    std::unique_ptr<sim::Peer> peer;
    std::string early;
    caller->at_head = [&](test::Caller& of) {
      Upgraded upgraded = of.call->take_upgraded();
      of.call.reset();
      early = upgraded.early;
      peer = std::make_unique<sim::Peer>(std::move(upgraded.stream));
    };
    bench.settle();
    bench.answer(text.substr(0, at));
    bench.peer().send(text.substr(at));
    bench.peer().shutdown();
    bench.settle();
    REQUIRE(peer != nullptr);
    REQUIRE(early + peer->received() == "HTTP/1.1 200 OK\r\n\r\n\x81");
    REQUIRE(peer->eof());
  }
}

TEST_CASE("a 101 that nobody takes closes its connection with the call") {
  ClientBench bench;
  auto caller = bench.start(upgrading());
  bench.settle();
  bench.answer(std::string(k_101) + "early");
  CHECK_FALSE(bench.peer().ended());
  caller->call.reset();
  bench.settle();
  CHECK(bench.peer().ended());
  CHECK(bench.client.idle() == 0);
}

TEST_CASE("an upgrade may be answered like any other request, and then the connection goes") {
  ClientBench bench;
  auto caller = bench.start(upgrading());
  bench.settle();
  bench.answer("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nno");
  CHECK(caller->head.status == 426);
  CHECK(caller->body == "no");
  CHECK(caller->ends == 1);
  CHECK(bench.client.idle() == 0);
  CHECK(bench.peer().ended());
}

TEST_CASE("a 101 that was not asked for, or that changes to something else, fails the call") {
  const std::string_view answers[] = {
      "HTTP/1.1 101 S\r\n\r\n",
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
      "HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n",
      "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
      "HTTP/1.0 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
      "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
  };
  for (const std::string_view answer : answers) {
    INFO(answer);
    ClientBench bench;
    auto caller = bench.start(upgrading());
    bench.settle();
    bench.answer(answer);
    CHECK(caller->heads == 0);
    CHECK(caller->error.code == ErrorCode::upstream_protocol);
    CHECK(bench.peer().ended());
  }
  ClientBench bench;
  auto caller = bench.start();
  bench.settle();
  bench.answer(k_101);
  CHECK(caller->heads == 0);
  CHECK(caller->error.code == ErrorCode::upstream_protocol);
}

// ---- the server side --------------------------------------------------------------------------------------------------

// A server whose handlers do nothing by themselves, and a connection that has left HTTP.
struct UpgradedConn {
  explicit UpgradedConn(std::string_view early = "") {
    client = bench.connect();
    bench.ask(*client, std::string(k_ask) + std::string(early));
    Exchange& exchange = *bench.last().exchange;
    ResponseHead head;
    head.status = 101;
    head.headers.add("X-More", "1");
    Upgraded upgraded = exchange.upgrade(head, k_web_socket);
    held = upgraded.early;
    peer = std::make_unique<sim::Peer>(std::move(upgraded.stream));
    bench.settle();
  }
  ServerBench bench;
  std::unique_ptr<sim::Peer> client, peer;
  std::string held;
};

TEST_CASE("an exchange answers 101 and gives its connection away") {
  UpgradedConn conn;
  CHECK(conn.client->take() ==
        "HTTP/1.1 101 Switching Protocols\r\nX-More: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n");
  CHECK(conn.held.empty());
  CHECK(conn.bench.last().exchange->responded());
  CHECK(conn.bench.last().exchange->request().target == "/s");
  CHECK_FALSE(conn.bench.last().exchange->peer().empty());
  conn.peer->send("GET");
  conn.client->send("GET / HTTP/1.1\r\n\r\n");
  conn.bench.settle();
  CHECK(conn.client->take() == "GET");
  CHECK(conn.peer->received() == "GET / HTTP/1.1\r\n\r\n");
  // One half may end before the other.
  conn.client->shutdown();
  conn.bench.settle();
  CHECK(conn.peer->eof());
  conn.peer->send("last");
  conn.bench.settle();
  CHECK(conn.client->take() == "last");
  CHECK(conn.bench.records.size() == 1);
  CHECK(conn.bench.last().gone == 0);
}

TEST_CASE("it stays one of the server's until it is finished, and no limit of HTTP holds for it") {
  const bool finishes = GENERATE(true, false);
  UpgradedConn conn;
  conn.bench.world.loop.run_for(24h);
  conn.bench.server.drain();
  bool idle = false;
  conn.bench.server.when_idle([&] { idle = true; });
  conn.bench.settle();
  CHECK(conn.bench.server.connections() == 1);
  CHECK_FALSE(idle);
  CHECK_FALSE(conn.client->ended());
  finishes ? conn.bench.last().exchange->finish() : conn.bench.last().exchange->abort();
  conn.bench.settle();
  CHECK(idle);
  CHECK(conn.bench.last().exchange == nullptr);
  CHECK(conn.bench.last().gone == 0);
}

TEST_CASE("what a client sends before the 101 is held and handed over, and no more of it is read than one piece") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{1'000'000}}) {
    const std::string early(size, 'e');
    UpgradedConn conn(early);
    CHECK(conn.held.size() <= 128 * 1024);
    CHECK(conn.held.empty() == false);
    CHECK(conn.held + conn.peer->received() == early);
  }
}

TEST_CASE("without the 101 it is the next request, and nothing else") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, std::string(k_ask) + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(bench.records.size() == 1);
  ResponseHead no;
  no.status = 426;
  bench.last().exchange->respond_whole(no, Bytes::literal("no"));
  bench.settle();
  REQUIRE(bench.records.size() == 2);
  CHECK(bench.last().target == "/smuggled");
}

TEST_CASE("a server that goes takes the handler of an upgraded exchange with it") {
  int destroyed = 0;
  {
    UpgradedConn conn;
    conn.bench.on_destroyed = [&](Record&) { ++destroyed; };
  }
  CHECK(destroyed == 1);
}

}  // namespace
}  // namespace outrigger::http
