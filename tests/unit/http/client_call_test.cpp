#include <catch2/catch_test_macros.hpp>
#include <string>

#include "unit/http/client_bench.h"

namespace outrigger::http {
namespace {

using test::Caller;
using test::ClientBench;

constexpr std::string_view k_ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

CallOptions with_body(std::string_view body) {
  CallOptions options;
  options.body = Bytes::copy(body);
  return options;
}

CallOptions streamed(std::optional<std::uint64_t> length = std::nullopt) {
  CallOptions options;
  options.streamed = true;
  options.streamed_length = length;
  return options;
}

TEST_CASE("a call without a body") {
  ClientBench bench;
  auto caller = bench.start();
  CHECK(caller->heads == 0);
  bench.settle();
  CHECK(bench.peer().received() == "GET /v1/x HTTP/1.1\r\nHost: origin.example\r\n\r\n");
  bench.answer(k_ok);
  CHECK(caller->head.status == 200);
  CHECK(caller->head.reason == "OK");
  CHECK(caller->head.content_length == 2u);
  CHECK(caller->body == "ok");
  CHECK(caller->ends == 1);
  CHECK(caller->errors == 0);
  CHECK_FALSE(caller->call->reused());
}

TEST_CASE("a body given whole has its length, also when it is empty") {
  ClientBench bench;
  auto caller = bench.start(with_body("hello"), "POST");
  bench.settle();
  CHECK(bench.peer().received() == "POST /v1/x HTTP/1.1\r\nHost: origin.example\r\nContent-Length: 5\r\n\r\nhello");
  caller = bench.start(with_body(""), "PUT");
  bench.settle();
  CHECK(bench.peer().received() == "PUT /v1/x HTTP/1.1\r\nHost: origin.example\r\nContent-Length: 0\r\n\r\n");
  caller = bench.start({}, "POST");
  bench.settle();
  CHECK(bench.peer().received() == "POST /v1/x HTTP/1.1\r\nHost: origin.example\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("a streamed body has the announced length or chunks") {
  ClientBench bench;
  auto known = bench.start(streamed(5), "POST");
  known->call->write_body(Bytes::literal("he"));  // before there is a connection
  CHECK(known->call->unsent() == 2);
  bench.settle();
  known->call->write_body(Bytes::literal("llo"));
  known->call->end_body();
  bench.settle();
  CHECK(bench.peer().received() == "POST /v1/x HTTP/1.1\r\nHost: origin.example\r\nContent-Length: 5\r\n\r\nhello");
  bench.answer(k_ok);
  CHECK(known->ends == 1);
  CHECK(bench.client.idle() == 1);
  bench.client.close_idle();

  auto chunked = bench.start(streamed(), "POST");
  bench.settle();
  chunked->call->write_body(Bytes::literal("he"));
  chunked->call->write_body({});
  chunked->call->write_body(Bytes::literal("llo"));
  chunked->call->end_body();
  bench.settle();
  CHECK(bench.peer().received() ==
        "POST /v1/x HTTP/1.1\r\nHost: origin.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
}

TEST_CASE("a streamed body that does not keep to its length fails the call") {
  for (const std::string_view body : {"abcd", "ab"}) {
    ClientBench bench;
    auto caller = bench.start(streamed(3), "POST");
    bench.settle();
    caller->call->write_body(Bytes::literal(body));
    if (body.size() < 3) caller->call->end_body();
    CHECK(caller->errors == 0);
    bench.settle();
    CHECK(caller->errors == 1);
    CHECK(caller->error.code == ErrorCode::internal);
    CHECK(bench.peer().ended());
  }
}

TEST_CASE("hop-by-hop fields, framing and Expect are not sent on") {
  ClientBench bench;
  RequestHead head;
  head.method = "POST";
  head.target = "/x?y=1";
  head.headers.add("Host", "h");
  head.headers.add("Connection", "keep-alive, X-Hop, Host");
  head.headers.add("X-Hop", "1");
  head.headers.add("TE", "trailers");
  head.headers.add("Transfer-Encoding", "chunked");
  head.headers.add("Content-Length", "17");
  head.headers.add("Expect", "100-continue");
  head.headers.add("Proxy-Authorization", "Basic x");
  head.headers.add("Upgrade", "h2c");
  head.headers.add("X-Line", "a\r\nb: c");
  head.headers.add("Authorization", "Bearer k");
  Caller caller;
  caller.call = bench.client.start(bench.origin, head, with_body("z"), caller);
  bench.settle();
  CHECK(bench.peer().received() ==
        "POST /x?y=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\nContent-Length: 1\r\n\r\nz");
}

TEST_CASE("a target that would break out of its line fails the call, later") {
  for (const std::string_view target : {"/a b", "/a\r\nX: y", "", "/a\x7f"}) {
    ClientBench bench;
    RequestHead head;
    head.method = "GET";
    head.target = target;
    Caller caller;
    caller.call = bench.client.start(bench.origin, head, {}, caller);
    CHECK(caller.errors == 0);
    bench.settle();
    CHECK(caller.errors == 1);
    CHECK(caller.error.code == ErrorCode::bad_request);
    CHECK(bench.server.accepted() == 0);
  }
}

TEST_CASE("an answer split at every byte is the same answer") {
  const std::string text =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (std::size_t at = 1; at < text.size(); ++at) {
    INFO("split at " << at);
    ClientBench bench;
    auto caller = bench.start();
    bench.settle();
    bench.answer(text.substr(0, at));
    CHECK(caller->ends == 0);
    bench.answer(text.substr(at));
    REQUIRE(caller->heads == 1);
    REQUIRE(caller->body == "abcde");
    REQUIRE(caller->ends == 1);
    REQUIRE(bench.client.idle() == 1);
  }
}

TEST_CASE("chunks come as pieces of their own") {
  ClientBench bench;
  auto caller = bench.start();
  bench.settle();
  bench.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(caller->pieces == std::vector<std::string>{"abc", "de"});
}

TEST_CASE("a body without a length ends with the connection, which is not kept") {
  ClientBench bench;
  auto caller = bench.start();
  bench.settle();
  bench.answer("HTTP/1.1 200 OK\r\n\r\nabc");
  CHECK(caller->ends == 0);
  bench.peer().shutdown();
  bench.settle();
  CHECK(caller->ends == 1);
  CHECK(caller->body == "abc");
  CHECK(bench.client.idle() == 0);
}

TEST_CASE("answers that have no body end with their head") {
  ClientBench bench;
  auto head = bench.start({}, "HEAD");
  bench.settle();
  bench.answer("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  CHECK(head->ends == 1);
  CHECK(head->head.content_length == 1000u);
  auto none = bench.start();
  bench.settle();
  bench.answer("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(none->ends == 1);
  auto same = bench.start();
  same->call->read_body(false);  // does not hold back an end without a body
  bench.settle();
  bench.answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  CHECK(same->ends == 1);
  CHECK(bench.server.accepted() == 1);
}

TEST_CASE("what breaks before the head is upstream_reset, after it upstream_cut") {
  struct Case {
    std::string_view sent;
    bool reset;
    ErrorCode code;
  };
  const Case cases[] = {
      {"", false, ErrorCode::upstream_reset},
      {"", true, ErrorCode::upstream_reset},
      {"HTTP/1.1 200", false, ErrorCode::upstream_reset},
      {"HTTP/1.1 100 Continue\r\n\r\n", false, ErrorCode::upstream_reset},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", false, ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true, ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", false, ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\n\r\nabc", true, ErrorCode::upstream_cut},
  };
  for (const Case& c : cases) {
    INFO(c.sent << " reset " << c.reset);
    ClientBench bench;
    auto caller = bench.start();
    bench.settle();
    if (!c.sent.empty()) bench.answer(c.sent);
    if (c.reset) {
      bench.world.net.cut(bench.origin.address);
    } else {
      bench.peer().close();
    }
    bench.settle();
    CHECK(caller->errors == 1);
    CHECK(caller->ends == 0);
    CHECK(caller->error.code == c.code);
    CHECK(bench.client.idle() == 0);
    CHECK(bench.server.accepted() == 1);
  }
}

TEST_CASE("what is not sound HTTP fails the call") {
  struct Case {
    std::string_view sent;
    ErrorCode code;
  };
  const Case cases[] = {
      {"hello\r\n", ErrorCode::upstream_protocol},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", ErrorCode::upstream_protocol},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ErrorCode::upstream_protocol},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrorCode::upstream_protocol},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorCode::upstream_cut},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", ErrorCode::upstream_cut},
  };
  for (const Case& c : cases) {
    INFO(c.sent);
    ClientBench bench;
    auto caller = bench.start();
    bench.settle();
    bench.answer(c.sent);
    CHECK(caller->errors == 1);
    CHECK(caller->error.code == c.code);
    CHECK_FALSE(caller->error.detail.empty());
    CHECK(bench.peer().ended());
  }
}

TEST_CASE("endless fields fail the call at the limit") {
  ClientLimits limits;
  limits.header_bytes = 1000;
  ClientBench bench(limits);
  auto caller = bench.start();
  bench.settle();
  std::string head = "HTTP/1.1 200 OK\r\n";
  while (head.size() < 990) head += "X: y\r\n";
  bench.answer(head);
  CHECK(caller->errors == 0);
  bench.answer("X: yyyyyyyyyyyyyyyyy");
  CHECK(caller->errors == 1);
  CHECK(caller->error.code == ErrorCode::upstream_protocol);
}

TEST_CASE("the errors of connecting are passed on") {
  ClientBench bench;
  Caller refused;
  Origin nobody;
  nobody.address = {"nobody.example", 80};
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  refused.call = bench.client.start(nobody, head, {}, refused);
  bench.settle();
  CHECK(refused.error.code == ErrorCode::connect_refused);

  bench.world.net.site(nobody.address).dns_fails = true;
  Caller unknown;
  unknown.call = bench.client.start(nobody, head, {}, unknown);
  bench.settle();
  CHECK(unknown.error.code == ErrorCode::dns_failed);

  bench.world.net.site(bench.origin.address).next_plans.push_back({.connect = sim::ConnectFate::blackhole});
  CallOptions options;
  options.connect_timeout = 500ms;
  Caller late;
  late.call = bench.client.start(bench.origin, head, options, late);
  bench.world.loop.run_for(499ms);
  CHECK(late.errors == 0);
  bench.world.loop.run_for(2ms);
  CHECK(late.error.code == ErrorCode::connect_timeout);
}

TEST_CASE("destroying a call closes its connection, at any time") {
  for (int stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage);
    ClientBench bench;
    auto caller = bench.start(streamed(), "POST");
    if (stage > 0) bench.settle();
    if (stage > 1) caller->call->write_body(Bytes::literal("abc"));
    if (stage > 2) bench.answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
    caller->call.reset();
    bench.settle();
    CHECK_FALSE(caller->over());
    CHECK(bench.client.idle() == 0);
    if (stage > 0) CHECK(bench.peer().ended());
    bench.world.loop.run_for(1min);
    CHECK(bench.world.net.open_streams() <= bench.server.accepted());
  }
}

TEST_CASE("a handler may destroy its call in any of its methods") {
  const auto destroy = [](Caller& c) { c.call.reset(); };
  for (int place = 0; place < 5; ++place) {
    INFO("place " << place);
    ClientBench bench;
    Caller caller;
    if (place == 0) caller.at_head = destroy;
    if (place == 1) caller.at_body = destroy;
    if (place == 2) caller.at_end = destroy;
    if (place == 3) caller.at_error = destroy;
    if (place == 4) caller.at_drained = destroy;
    bench.start(caller, streamed(), "POST");
    bench.settle();
    caller.call->write_body(Bytes::copy(std::string(place == 4 ? 200'000 : 10, 'x')));
    caller.call->end_body();
    bench.settle();
    if (place != 4) {
      bench.answer(place == 3 ? "nonsense"
                              : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    }
    CHECK(caller.call == nullptr);
    CHECK(caller.heads == (place < 3 ? 1 : 0));
    CHECK(caller.pieces.size() == (place == 1 ? 1u : place == 2 ? 2u : 0u));
    CHECK(caller.ends == (place == 2 ? 1 : 0));
    CHECK(caller.errors == (place == 3 ? 1 : 0));
    CHECK(bench.client.idle() == (place == 2 ? 1u : 0u));
  }
}

}  // namespace
}  // namespace outrigger::http
