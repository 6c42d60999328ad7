// One exchange after the other: what goes over the wire when everybody behaves.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "http/writer.h"
#include "unit/http/server_bench.h"

namespace outrigger::http {
namespace {

using test::body_of;
using test::Record;
using test::ServerBench;
using test::unchunk;

constexpr std::string_view k_get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
// The simulated calendar begins at 2026-01-01T00:00:00Z.
constexpr std::string_view k_date = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";

TEST_CASE("a request is answered with length and date") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  CHECK(bench.ask(*client, k_get) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" + std::string(k_date) + "\r\n/a");
  CHECK(bench.last().ends == 1);
  CHECK(bench.last().gone == 0);
  CHECK(bench.last().exchange == nullptr);
  CHECK_FALSE(client->ended());
}

TEST_CASE("the connection is kept for the next request") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  for (const std::string_view path : {"/1", "/22", "/333"}) {
    CHECK(body_of(bench.ask(*client, "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n")) == path);
  }
  CHECK(bench.server.connections() == 1);
}

TEST_CASE("a request split at every byte is the same request") {
  const std::string text =
      "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (std::size_t at = 1; at < text.size(); ++at) {
    INFO("split at " << at);
    ServerBench bench;
    bench.answer_with_target();
    auto client = bench.connect();
    bench.ask(*client, text.substr(0, at));
    REQUIRE(body_of(bench.ask(*client, text.substr(at))) == "/p");
    REQUIRE(bench.last().body == "abcde");
    REQUIRE(bench.last().ends == 1);
  }
}

TEST_CASE("a body with a length reaches the handler whole") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string body(100'000, 'b');
  bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + body);
  CHECK(bench.last().body == body);
  CHECK(bench.last().ends == 1);
}

TEST_CASE("three requests in one packet are answered in their order, in one write") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string all = bench.ask(*client,
                                    "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                                    "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy"
                                    "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::size_t first = all.find("\r\n\r\n/1");
  const std::size_t second = all.find("\r\n\r\n/2");
  const std::size_t third = all.find("\r\n\r\n/3");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third != std::string::npos);
  CHECK(bench.writes.size() == 1);
}

TEST_CASE("a whole answer is one write") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  bench.ask(*client, k_get);
  CHECK(bench.writes.size() == 1);
  bench.ask(*client, k_get);
  CHECK(bench.writes.size() == 2);
}

TEST_CASE("a pipelined request waits until the answer before it is complete") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, std::string(k_get) + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(bench.records.size() == 1);
  bench.world.loop.run_for(1h);
  REQUIRE(bench.records.size() == 1);
  bench.answer_with_target();
  bench.last().exchange->respond_whole({}, Bytes::literal("first"));
  CHECK(bench.records.size() == 1);
  bench.settle();
  REQUIRE(bench.records.size() == 2);
  CHECK(body_of(client->take()).starts_with("first"));
  CHECK(client->received().ends_with("\r\n\r\n/b"));
}

TEST_CASE("the request stays readable for its handler after the answer") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, std::string(k_get) + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  Exchange& exchange = *bench.last().exchange;
  std::string seen;
  bench.on_destroyed = [&](Record& r) { seen += r.exchange->request().target; };
  exchange.respond_whole({}, Bytes::literal("x"));
  CHECK(exchange.request().target == "/a");
  CHECK(exchange.responded());
  bench.settle();
  CHECK(seen == "/a");
}

TEST_CASE("a rendered head is completed with framing and date") {
  ServerBench bench;
  ResponseHead head;
  head.status = 201;
  head.headers.add("X-A", "b");
  const std::string rendered = render_head(head);
  bench.on_request_hook = [&](Record& r) { r.exchange->respond_rendered(rendered, Bytes::literal("hello")); };
  auto client = bench.connect();
  CHECK(bench.ask(*client, k_get) ==
        "HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 5\r\n" + std::string(k_date) + "\r\nhello");
  CHECK(bench.writes.size() == 1);
  CHECK(bench.ask(*client, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 5\r\n" + std::string(k_date) + "\r\n");
}

TEST_CASE("streamed pieces become chunks, each sent at once") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  Exchange& exchange = *bench.last().exchange;
  exchange.respond({}, BodyLength::streamed());
  exchange.write(Bytes::literal("one"));
  exchange.write({});
  exchange.write(Bytes::literal("two"));
  CHECK(bench.writes.size() == 2);  // the head goes with the first of them
  bench.settle();
  auto body = unchunk(body_of(client->received()));
  CHECK(body.chunks == std::vector<std::string>{"one", "two"});
  CHECK_FALSE(body.complete);
  exchange.finish();
  bench.settle();
  CHECK(unchunk(body_of(client->received())).complete);
  CHECK(client->received().find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(client->received().find("Content-Length") == std::string::npos);
}

TEST_CASE("pieces written at once while more requests wait are not merged") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) {
    r.exchange->respond({}, BodyLength::streamed());
    r.exchange->write(Bytes::literal("one"));
    r.exchange->write(Bytes::literal("two"));
    r.exchange->finish();
  };
  auto client = bench.connect();
  bench.ask(*client, std::string(k_get) + std::string(k_get));
  CHECK(bench.writes.size() == 6);
}

TEST_CASE("a head whose body is late does not wait for it") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  bench.last().exchange->respond({}, BodyLength::streamed());
  bench.settle();
  CHECK(bench.writes.size() == 1);
  CHECK(client->received().ends_with("\r\n\r\n"));
  bench.last().exchange->write(Bytes::literal("late"));
  CHECK(bench.writes.size() == 2);
}

TEST_CASE("a head is sent before the connection is cut") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  bench.last().exchange->respond({}, BodyLength::known(6));
  bench.last().exchange->abort();
  bench.settle();
  CHECK(client->received().find("Content-Length: 6\r\n") != std::string::npos);
  CHECK(client->ended());
}

TEST_CASE("a known length is announced and kept") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  Exchange& exchange = *bench.last().exchange;
  exchange.respond({}, BodyLength::known(6));
  exchange.write(Bytes::literal("abc"));
  exchange.write(Bytes::literal("def"));
  exchange.finish();
  bench.settle();
  CHECK(client->received().find("Content-Length: 6\r\n") != std::string::npos);
  CHECK(body_of(client->received()) == "abcdef");
  CHECK_FALSE(client->ended());
}

TEST_CASE("an answer that does not keep to its length ends the connection") {
  for (const std::string_view body : {"ab", "abcd"}) {
    INFO(body);
    ServerBench bench;
    auto client = bench.connect();
    bench.ask(*client, k_get);
    Exchange& exchange = *bench.last().exchange;
    exchange.respond({}, BodyLength::known(3));
    exchange.write(Bytes::literal(body));
    exchange.finish();
    bench.settle();
    CHECK(client->ended());
    CHECK(body_of(client->received()).size() < 3);
    CHECK(bench.last().gone == 0);
    CHECK(bench.last().exchange == nullptr);
  }
}

TEST_CASE("HEAD is answered like GET, without the body") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string head = "HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string answer = bench.ask(*client, head);
  CHECK(answer.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(body_of(answer).empty());
  bench.on_body_end = [](Record& r) {
    r.exchange->respond({}, BodyLength::streamed());
    r.exchange->write(Bytes::literal("abc"));
    r.exchange->finish();
  };
  CHECK(body_of(bench.ask(*client, head)).empty());
  bench.on_body_end = [](Record& r) {
    r.exchange->respond({}, BodyLength::known(77));
    r.exchange->finish();
  };
  CHECK(bench.ask(*client, head).find("Content-Length: 77\r\n") != std::string::npos);
  bench.answer_with_target();
  CHECK(body_of(bench.ask(*client, k_get)) == "/a");
}

TEST_CASE("204 and 304 have neither body nor framing") {
  ServerBench bench;
  int status = 204;
  bench.on_body_end = [&](Record& r) {
    ResponseHead head;
    head.status = status;
    r.exchange->respond_whole(head, Bytes::literal("not sent"));
  };
  auto client = bench.connect();
  CHECK(bench.ask(*client, k_get) == "HTTP/1.1 204 No Content\r\n" + std::string(k_date) + "\r\n");
  status = 304;
  CHECK(bench.ask(*client, k_get) == "HTTP/1.1 304 Not Modified\r\n" + std::string(k_date) + "\r\n");
  bench.on_body_end = [](Record& r) {
    ResponseHead head;
    head.status = 204;
    r.exchange->respond(head, BodyLength::streamed());
    r.exchange->write(Bytes::literal("x"));
    r.exchange->finish();
  };
  CHECK(bench.ask(*client, k_get) == "HTTP/1.1 204 No Content\r\n" + std::string(k_date) + "\r\n");
}

TEST_CASE("an answer without a body says so") {
  ServerBench bench;
  bench.on_body_end = [](Record& r) {
    r.exchange->respond({}, BodyLength::none());
    r.exchange->finish();
  };
  auto client = bench.connect();
  CHECK(bench.ask(*client, k_get).find("Content-Length: 0\r\n") != std::string::npos);
}

TEST_CASE("HTTP/1.0 gets no chunks and a closed connection, or keep-alive when it asks") {
  ServerBench bench;
  bench.on_body_end = [](Record& r) {
    r.exchange->respond({}, BodyLength::streamed());
    r.exchange->write(Bytes::literal("abc"));
    r.exchange->write(Bytes::literal("def"));
    r.exchange->finish();
  };
  auto streamed = bench.connect();
  const std::string answer = bench.ask(*streamed, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(body_of(answer) == "abcdef");
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  CHECK(answer.find("Transfer-Encoding") == std::string::npos);
  CHECK(streamed->eof());

  bench.answer_with_target();
  auto kept = bench.connect();
  CHECK(bench.ask(*kept, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").find("Connection: keep-alive\r\n") !=
        std::string::npos);
  CHECK_FALSE(kept->ended());
  CHECK(bench.ask(*kept, "GET / HTTP/1.0\r\n\r\n").find("Connection: close\r\n") != std::string::npos);
  CHECK(kept->eof());
}

TEST_CASE("Connection: close is honoured") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string answer =
      bench.ask(*client, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  CHECK(body_of(answer) == "/a");
  CHECK(client->eof());
  CHECK(bench.records.size() == 1);
  client->close();
  bench.settle();
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("the application cannot send hop-by-hop fields, framing or further lines") {
  ServerBench bench;
  bench.on_body_end = [](Record& r) {
    ResponseHead head;
    head.reason = "Fine\r\nX: y";
    head.headers.add("Connection", "X-Named, close");
    head.headers.add("X-Named", "1");
    head.headers.add("Keep-Alive", "timeout=5");
    head.headers.add("Transfer-Encoding", "chunked");
    head.headers.add("Content-Length", "999");
    head.headers.add("Proxy-Authenticate", "x");
    head.headers.add("X-Evil", "a\r\nSet-Cookie: b");
    head.headers.add("X-Nul", std::string_view("a\0b", 3));
    head.headers.add("X Bad", "c");
    head.headers.add("X-Good", "d\te \xc3\xa9");
    head.headers.add("Date", "yesterday");
    r.exchange->respond_whole(head, Bytes::literal("x"));
  };
  auto client = bench.connect();
  CHECK(bench.ask(*client, k_get) ==
        "HTTP/1.1 200 OK\r\nX-Good: d\te \xc3\xa9\r\nDate: yesterday\r\nContent-Length: 1\r\n\r\nx");
}

TEST_CASE("a body is asked for with 100 Continue when nobody has answered") {
  ServerBench bench;
  bench.answer_with_target();
  auto client = bench.connect();
  const std::string head = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  CHECK(bench.ask(*client, head) == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(body_of(bench.ask(*client, "xy")) == "/p");
  // Not asked for when it comes unasked.
  CHECK(body_of(bench.ask(*client, head + "xy")) == "/p");
  CHECK(bench.last().body == "xy");
}

TEST_CASE("a body is not asked for before the handler wants it") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) { r.exchange->read_body(false); };
  auto client = bench.connect();
  CHECK(bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").empty());
  bench.last().exchange->read_body(true);
  bench.settle();
  CHECK(client->take() == "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_CASE("an expectation that is answered at once costs the connection") {
  ServerBench bench;
  bench.on_request_hook = [](Record& r) {
    ResponseHead head;
    head.status = 401;
    r.exchange->respond_whole(head, {});
  };
  auto client = bench.connect();
  const std::string answer =
      bench.ask(*client, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  CHECK(client->eof());
}

TEST_CASE("the peer's name is told") {
  ServerBench bench;
  auto client = bench.connect();
  bench.ask(*client, k_get);
  CHECK(bench.last().exchange->peer().starts_with("10.0.0.1:"));
}

}  // namespace
}  // namespace outrigger::http
