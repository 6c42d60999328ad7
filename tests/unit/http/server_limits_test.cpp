// Clients that misbehave: malformed, too large, too slow.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "unit/http/server_bench.h"

namespace outrigger::http {
namespace {

using test::body_of;
using test::Record;
using test::ServerBench;

constexpr std::string_view k_get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

std::string post_head(std::size_t length) {
  return "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

void check_refused(ServerBench& bench, sim::Peer& client, ErrorCode code) {
  const std::string name(traits(code).name);
  INFO(name << ": " << client.received());
  CHECK(bench.refusals == std::vector<ErrorCode>{code});
  CHECK(client.received().find("HTTP/1.1 " + std::to_string(traits(code).status) + " ") != std::string::npos);
  CHECK(client.received().find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(client.received().find("Connection: close\r\n") != std::string::npos);
  CHECK(client.received().ends_with("\r\n\r\n{\"error\":\"" + name + "\"}"));
  CHECK(client.eof());
}

TEST_CASE("what is not sound HTTP is refused with 400 and the connection ends") {
  for (const std::string_view text : {
           "hello\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled "
           "HTTP/1.1\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
           "GET / HTTP/1.1\r\n\r\n",
       }) {
    ServerBench bench;
    auto client = bench.connect();
    bench.ask(*client, text);
    check_refused(bench, *client, ErrorCode::bad_request);
    CHECK(bench.records.empty());
  }
}

TEST_CASE("a refusal comes after the answers to the requests before it") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string all = bench.ask(*client, std::string(k_get) + "nonsense\r\n\r\n");
  CHECK(all.find("\r\n\r\n/a") < all.find("HTTP/1.1 400"));
  check_refused(bench, *client, ErrorCode::bad_request);
}

TEST_CASE("CONNECT is refused with 405") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  check_refused(bench, *client, ErrorCode::method_not_allowed);
}

TEST_CASE("a head at the limit passes, one byte more is refused with 431") {
  for (const std::size_t less : {0u, 1u}) {
    ServerLimits limits;
    limits.header_bytes = k_get.size() - less;
    ServerBench bench(limits);
    bench.answer_with_target();
    auto client = bench.connect();
    const std::string answer = bench.ask(*client, k_get);
    if (less == 0) {
      CHECK(body_of(answer) == "/a");
    } else {
      check_refused(bench, *client, ErrorCode::header_too_large);
    }
  }
}

TEST_CASE("an announced body at the limit passes, one byte more is refused with 413 before the application hears of it") {
  ServerLimits limits;
  limits.body_bytes = 10;
  ServerBench bench(limits);
  bench.answer_with_target();
  auto client = bench.connect();
  CHECK(body_of(bench.ask(*client, post_head(9) + "123456789")) == "/p");
  CHECK(body_of(bench.ask(*client, post_head(10) + "1234567890")) == "/p");
  bench.ask(*client, post_head(11) + "12345678901");
  check_refused(bench, *client, ErrorCode::body_too_large);
  CHECK(bench.records.size() == 2);
}

TEST_CASE("a chunked body at the limit passes, one byte more is refused with 413") {
  ServerLimits limits;
  limits.body_bytes = 10;
  ServerBench bench(limits);
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string head = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(body_of(bench.ask(*client, head + "5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n")) == "/p");
  bench.ask(*client, head + "5\r\n12345\r\n6\r\n123456\r\n0\r\n\r\n");
  check_refused(bench, *client, ErrorCode::body_too_large);
  CHECK(bench.last().gone == 1);
  CHECK(bench.last().ends == 0);
  CHECK(bench.last().exchange == nullptr);
}

TEST_CASE("a body that breaks off in its form is refused and the handler hears that it is over") {
  ServerBench bench;
  std::string tried;
  bench.on_gone = [&](Record& r) {
    r.exchange->respond_whole({}, Bytes::literal("too late"));
    r.exchange->abort();
    tried = r.exchange->request().target + (r.exchange->peer().empty() ? "" : " peer");
  };
  auto client = bench.connect();
  bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
  check_refused(bench, *client, ErrorCode::bad_request);
  CHECK(bench.last().body == "abc");
  CHECK(bench.last().gone == 1);
  CHECK(tried == "/p peer");
}

TEST_CASE("a body that breaks off while the answer runs ends the connection without a second answer") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->respond({}, BodyLength::streamed()); };
  auto client = bench.connect();
  bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  CHECK(client->ended());
  CHECK(body_of(client->received()).empty());
  CHECK(bench.refusals.empty());
  CHECK(bench.last().gone == 1);
}

TEST_CASE("a slow head is refused with 408 at its time limit, measured from its first byte") {
  ServerBench bench;
  auto client = bench.connect();
  bench.world.loop.run_for(9s);
  const MonoTime first = bench.world.loop.now();
  bench.ask(*client, "GET /");
  // A byte now and then does not help.
  while (bench.world.loop.now() < first + 9900ms) {
    client->send("E");
    bench.world.loop.run_for(100ms);
  }
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(200ms);
  check_refused(bench, *client, ErrorCode::request_timeout);
}

TEST_CASE("a head that is slow on a kept connection is refused as well") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  bench.ask(*client, k_get);
  bench.world.loop.run_for(50s);
  bench.ask(*client, "GET /");
  bench.world.loop.run_for(9900ms);
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(200ms);
  check_refused(bench, *client, ErrorCode::request_timeout);
}

TEST_CASE("a body that stops coming is refused with 408") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, post_head(10) + "12345");
  bench.world.loop.run_for(59s);
  bench.ask(*client, "6");
  bench.world.loop.run_for(59s);
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(2s);
  check_refused(bench, *client, ErrorCode::request_timeout);
  CHECK(bench.last().gone == 1);
}

TEST_CASE("chunk framing without body does not count as a body that comes") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int second = 0; second < 61; ++second) {
    if (client->ended()) break;
    client->send("0");
    bench.world.loop.run_for(1s);
  }
  check_refused(bench, *client, ErrorCode::request_timeout);
}

TEST_CASE("a body that we do not want to read has no time limit") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->read_body(false); };
  auto client = bench.connect();
  bench.ask(*client, post_head(10) + "12345");
  bench.world.loop.run_for(10min);
  CHECK_FALSE(client->ended());
  bench.last().exchange->read_body(true);
  bench.world.loop.run_for(59s);
  CHECK(bench.last().body == "12345");
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(2s);
  check_refused(bench, *client, ErrorCode::request_timeout);
}

TEST_CASE("an idle connection is closed after keep_alive, silently") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  for (int i = 0; i < 5; ++i) {
    bench.ask(*client, k_get);
    bench.world.loop.run_for(60s);
  }
  bench.ask(*client, k_get);
  bench.world.loop.run_for(74900ms);
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(200ms);
  CHECK(client->eof());
  CHECK(client->take().empty());
  CHECK(bench.refusals.empty());
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("a connection on which nothing ever comes is closed after header_timeout, silently") {
  ServerBench bench;
  auto client = bench.connect();
  bench.world.loop.run_for(9900ms);
  CHECK_FALSE(client->ended());
  bench.world.loop.run_for(200ms);
  CHECK(client->eof());
  CHECK(bench.refusals.empty());
}

TEST_CASE("above the limit of connections a new one is closed at once") {
  ServerLimits limits;
  limits.connections = 2;
  ServerBench bench(limits);
  bench.answer_with_target();
  auto first = bench.connect();
  auto second = bench.connect();
  auto third = bench.connect();
  bench.settle();
  CHECK(third->ended());
  CHECK_FALSE(first->ended());
  first->close();
  bench.settle();
  auto fourth = bench.connect();
  CHECK(body_of(bench.ask(*fourth, k_get)) == "/a");
}

TEST_CASE("where room is made, who has had nothing under way for longest gives his place to a new one") {
  ServerLimits limits;
  limits.connections = 3;
  limits.makes_room = true;
  ServerBench bench(limits);
  bench.answer_with_target();
  auto half = bench.connect();
  bench.ask(*half, "GET / HT");
  bench.world.loop.run_for(1s);
  auto served = bench.connect();
  bench.ask(*served, k_get);
  auto early = bench.connect();
  bench.on_request_hook = [](Record& r) { r.exchange->respond_whole({}, Bytes::literal("no")); };
  bench.ask(*early, post_head(10));
  bench.on_request_hook = nullptr;

  auto first = bench.connect();
  CHECK(body_of(bench.ask(*first, k_get)) == "/a");
  CHECK(half->ended());
  CHECK_FALSE(served->ended());
  bench.world.loop.run_for(1s);
  auto second = bench.connect();
  CHECK(body_of(bench.ask(*second, k_get)) == "/a");
  CHECK(served->ended());
  CHECK_FALSE(early->ended());  // answered, but its request still comes in
  auto third = bench.connect();
  CHECK(body_of(bench.ask(*third, k_get)) == "/a");
  CHECK(early->ended());
  CHECK(bench.server.connections() == 3);
}

TEST_CASE("where room is made, nobody who is being served has to go") {
  ServerLimits limits;
  limits.connections = 2;
  limits.makes_room = true;
  ServerBench bench(limits);
  bench.on_body_end = [](Record& r) {
    if (r.target == "/stream") r.exchange->respond({}, BodyLength::streamed());
  };
  auto waiting = bench.connect();
  bench.ask(*waiting, k_get);
  auto streaming = bench.connect();
  bench.ask(*streaming, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  auto more = bench.connect();
  bench.settle();
  CHECK(more->ended());
  CHECK_FALSE(waiting->ended());
  CHECK_FALSE(streaming->ended());
  bench.records[0]->exchange->respond_whole({}, Bytes::literal("late"));
  bench.settle();
  CHECK(body_of(waiting->take()) == "late");
}

TEST_CASE("new limits apply to requests that begin afterwards") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  bench.ask(*client, post_head(10) + "12345");
  ServerLimits limits;
  limits.body_bytes = 5;
  bench.server.set_limits(limits);
  CHECK(body_of(bench.ask(*client, "67890")) == "/p");
  bench.ask(*client, post_head(10) + "1234567890");
  check_refused(bench, *client, ErrorCode::body_too_large);
}

TEST_CASE("a refusal survives a client that goes on sending, and its connection does not stay") {
  ServerBench bench;
  auto client = bench.connect();
  client->send("nonsense\r\n\r\n");
  bench.settle();
  CHECK(client->eof());
  for (int i = 0; i < 10; ++i) {
    client->send(std::string(1000, 'x'));
    bench.world.loop.run_for(100ms);
  }
  CHECK_FALSE(client->error());
  check_refused(bench, *client, ErrorCode::bad_request);
  CHECK(bench.server.connections() == 1);
  bench.world.loop.run_for(2s);
  CHECK(bench.server.connections() == 0);
}

}  // namespace
}  // namespace outrigger::http
