// Reuse of connections, the CONNECT proxy, TLS.
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

TEST_CASE("a connection whose exchange ended cleanly is used again") {
  ClientBench bench;
  bench.exchange_once();
  CHECK(bench.client.idle() == 1);
  auto again = bench.start();
  CHECK(again->call->reused());
  CHECK(bench.client.idle() == 0);
  bench.settle();
  bench.answer(k_ok);
  CHECK(again->ends == 1);
  CHECK(bench.server.accepted() == 1);
}

TEST_CASE("a call that wants to be alone has a new connection, which nobody uses after it") {
  ClientBench bench;
  bench.exchange_once();
  CallOptions options = with_body("run");
  options.alone = true;
  auto alone = bench.start(std::move(options), "POST");
  CHECK_FALSE(alone->call->reused());
  bench.settle();
  CHECK(bench.server.accepted() == 2);
  CHECK(bench.peer().received().find("\r\nConnection: close\r\n") != std::string::npos);
  bench.answer(k_ok);
  CHECK(alone->ends == 1);
  CHECK(bench.peer().ended());
  CHECK(bench.client.idle() == 1);  // the first one
}

TEST_CASE("what was sent alone is never sent again, whatever becomes of it") {
  ClientBench bench;
  bench.exchange_once();
  CallOptions options = with_body("run");
  options.alone = true;
  auto alone = bench.start(std::move(options), "POST");
  bench.settle();
  bench.peer().close();
  bench.settle();
  CHECK(alone->error.code == ErrorCode::upstream_reset);
  CHECK(bench.server.accepted() == 2);
}

TEST_CASE("a connection is not used again when the answer leaves a doubt") {
  for (const std::string_view text : {
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
           "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
       }) {
    INFO(text);
    ClientBench bench;
    auto caller = bench.start();
    bench.settle();
    bench.answer(text);
    CHECK(caller->ends == 1);
    CHECK(bench.client.idle() == 0);
    CHECK(bench.peer().ended());
  }
}

TEST_CASE("calls at the same time have connections of their own, the newest idle one is used first") {
  ClientBench bench;
  auto first = bench.start();
  auto second = bench.start();
  bench.settle();
  CHECK(bench.server.accepted() == 2);
  bench.server.peer(0).send(k_ok);
  bench.settle();
  bench.server.peer(1).send(k_ok);
  bench.settle();
  CHECK(bench.client.idle() == 2);
  auto third = bench.start();
  bench.settle();
  CHECK(bench.server.peer(0).take().find("GET") == 0);
  CHECK(bench.server.peer(1).received().rfind("GET") > 0);
}

TEST_CASE("other origins have other pools") {
  ClientBench bench;
  sim::ScriptedServer other(bench.world, {"other.example", 80});
  bench.exchange_once();
  bench.origin.address = other.address();
  auto caller = bench.start();
  CHECK_FALSE(caller->call->reused());
  bench.settle();
  CHECK(other.accepted() == 1);
  bench.origin.tls = io::TlsClient{"other.example", "", true};
  auto secure = bench.start();
  CHECK_FALSE(secure->call->reused());
}

TEST_CASE("idle connections are closed when they are too many, the oldest first, and when they are too old") {
  ClientLimits limits;
  limits.idle_per_origin = 2;
  limits.idle_timeout = 10s;
  ClientBench bench(limits);
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(bench.start());
  bench.settle();
  for (std::size_t i = 0; i < 3; ++i) {
    bench.server.peer(i).send(k_ok);
    bench.world.loop.run_for(1s);
  }
  CHECK(bench.client.idle() == 2);
  CHECK(bench.server.peer(0).ended());
  CHECK_FALSE(bench.server.peer(1).ended());
  bench.world.loop.run_for(7900ms);
  CHECK(bench.client.idle() == 2);
  bench.world.loop.run_for(200ms);
  CHECK(bench.client.idle() == 1);
  CHECK(bench.server.peer(1).ended());
  bench.world.loop.run_for(1s);
  CHECK(bench.client.idle() == 0);
  CHECK(bench.world.net.open_streams() == 3);  // the origin's ends
}

TEST_CASE("close_idle closes all and leaves calls alone") {
  ClientBench bench;
  auto busy = bench.start();
  bench.settle();
  auto other = bench.start();
  bench.settle();
  bench.answer(k_ok);
  CHECK(bench.client.idle() == 1);
  bench.client.close_idle();
  CHECK(bench.client.idle() == 0);
  bench.server.peer(0).send(k_ok);
  bench.settle();
  CHECK(busy->ends == 1);
}

TEST_CASE("an idle connection on which anything happens is closed") {
  for (int what = 0; what < 3; ++what) {
    ClientBench bench;
    bench.exchange_once();
    if (what == 0) bench.peer().shutdown();
    if (what == 1) bench.peer().send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    if (what == 2) bench.world.net.cut(bench.origin.address);
    bench.settle();
    CHECK(bench.client.idle() == 0);
    auto caller = bench.start();
    bench.settle();
    CHECK(bench.server.accepted() == 2);
    bench.answer(k_ok);
    CHECK(caller->ends == 1);
  }
}

TEST_CASE("a pooled connection that proves dead is replaced without the caller noticing") {
  for (const bool reset : {false, true}) {
    ClientBench bench;
    bench.exchange_once();
    // The end of the connection is on its way while the call is made.
    if (reset) {
      bench.world.net.cut(bench.origin.address);
    } else {
      bench.peer().close();
    }
    auto caller = bench.start(with_body("hello"), "POST");
    CHECK(caller->call->reused());
    bench.settle();
    CHECK(bench.server.accepted() == 2);
    CHECK_FALSE(caller->call->reused());
    CHECK(bench.peer().received().ends_with("\r\n\r\nhello"));
    bench.answer(k_ok);
    CHECK(caller->ends == 1);
    CHECK(caller->errors == 0);
  }
}

TEST_CASE("a dead pooled connection is not replaced when something was lost with it") {
  SECTION("a part of a streamed body") {
    ClientBench bench;
    bench.exchange_once();
    bench.peer().close();
    CallOptions options;
    options.streamed = true;
    auto caller = bench.start(options, "POST");
    caller->call->write_body(Bytes::literal("abc"));
    bench.settle();
    CHECK(caller->error.code == ErrorCode::upstream_reset);
    CHECK(bench.server.accepted() == 1);
  }
  SECTION("nothing of a streamed body") {
    ClientBench bench;
    bench.exchange_once();
    bench.peer().close();
    CallOptions options;
    options.streamed = true;
    auto caller = bench.start(options, "POST");
    bench.settle();
    CHECK(bench.server.accepted() == 2);
    caller->call->write_body(Bytes::literal("abc"));
    caller->call->end_body();
    bench.settle();
    bench.answer(k_ok);
    CHECK(caller->ends == 1);
  }
  SECTION("a part of the answer") {
    ClientBench bench;
    bench.exchange_once();
    auto caller = bench.start();
    bench.settle();
    bench.answer("H");
    bench.peer().close();
    bench.settle();
    CHECK(caller->error.code == ErrorCode::upstream_reset);
    CHECK(bench.server.accepted() == 1);
  }
  SECTION("a new connection that breaks as well") {
    ClientBench bench;
    bench.exchange_once();
    bench.peer().close();
    auto caller = bench.start();
    bench.settle();
    REQUIRE(bench.server.accepted() == 2);
    bench.peer().close();
    bench.settle();
    CHECK(caller->error.code == ErrorCode::upstream_reset);
    CHECK(caller->errors == 1);
    CHECK(bench.server.accepted() == 2);
  }
}

TEST_CASE("TLS is started with the origin's name") {
  sim::SimWorld world;
  sim::ScriptedServer server(world, {"origin.example", 443}, io::TlsServer{});
  Client client(world.world(), {});
  Origin origin{server.address(), io::TlsClient{"origin.example", "", true}, std::nullopt};
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.headers.add("Host", "origin.example");
  Caller caller;
  caller.call = client.start(origin, head, {}, caller);
  world.loop.run_for(20ms);
  CHECK(world.net.tls_names() == std::vector<std::string>{"origin.example"});
  server.peer(0).send(k_ok);
  world.loop.run_for(20ms);
  CHECK(caller.ends == 1);

  client.close_idle();
  world.net.site(server.address()).next_plans.push_back({.tls_fails = true});
  Caller failing;
  failing.call = client.start(origin, head, {}, failing);
  world.loop.run_for(20ms);
  CHECK(failing.error.code == ErrorCode::tls_failed);
}

// A proxy that answers CONNECT as a test says.
struct ProxyBench {
  explicit ProxyBench(bool secure, std::string authorization = {})
      : proxy(world, {"proxy.example", 3128}), client(world.world(), {}) {
    origin.address = {"origin.example", 443};
    if (secure) origin.tls = io::TlsClient{"origin.example", "", true};
    origin.proxy = Origin::Proxy{proxy.address(), std::move(authorization)};
    head.method = "GET";
    head.target = "/x";
    head.headers.add("Host", "origin.example");
    CallOptions options;
    options.connect_timeout = 1s;
    caller.call = client.start(origin, head, options, caller);
    settle();
  }
  void settle() { world.loop.run_for(20ms); }
  void answer(std::string_view text) {
    proxy.peer(0).send(text);
    settle();
  }

  sim::SimWorld world;
  sim::ScriptedServer proxy;
  Client client;
  Origin origin;
  RequestHead head;
  Caller caller;
};

TEST_CASE("a proxy is asked with CONNECT, then TLS and the request go through it") {
  ProxyBench bench(true, "Basic dTpw");
  CHECK(bench.proxy.peer(0).take() ==
        "CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
  CHECK(bench.world.net.tls_names().empty());
  bench.answer("HTTP/1.1 200 Connection established\r\nContent-Length: 99\r\n\r\n");
  CHECK(bench.world.net.tls_names() == std::vector<std::string>{"origin.example"});
  CHECK(bench.proxy.peer(0).take() == "GET /x HTTP/1.1\r\nHost: origin.example\r\n\r\n");
  bench.answer(k_ok);
  CHECK(bench.caller.ends == 1);
  CHECK(bench.client.idle() == 1);
  Caller again;
  again.call = bench.client.start(bench.origin, bench.head, {}, again);
  bench.settle();
  CHECK(again.call->reused());
  CHECK(bench.proxy.peer(0).take() == "GET /x HTTP/1.1\r\nHost: origin.example\r\n\r\n");
}

TEST_CASE("a proxy is asked with CONNECT for plain origins as well") {
  ProxyBench bench(false);
  CHECK(bench.proxy.peer(0).take() == "CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443\r\n\r\n");
  bench.answer("HTTP/1.0 200 OK\r\n\r\n");
  CHECK(bench.proxy.peer(0).take() == "GET /x HTTP/1.1\r\nHost: origin.example\r\n\r\n");
  CHECK(bench.world.net.tls_names().empty());
}

TEST_CASE("a proxy that says no, or nothing sensible, is proxy_refused") {
  for (const std::string_view text : {
           "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nabc",
           "HTTP/1.1 503 Service Unavailable\r\n\r\n",
           "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
           "garbage\r\n\r\n",
           "HTTP/1.1 200 OK\r\n\r\nearly",
       }) {
    INFO(text);
    ProxyBench bench(true);
    bench.answer(text);
    CHECK(bench.caller.errors == 1);
    CHECK(bench.caller.error.code == ErrorCode::proxy_refused);
    CHECK(bench.caller.error.detail.find("proxy.example:3128") != std::string::npos);
    CHECK(bench.proxy.peer(0).ended());
  }
  ProxyBench closed(true);
  closed.proxy.peer(0).close();
  closed.settle();
  CHECK(closed.caller.error.code == ErrorCode::proxy_refused);
}

TEST_CASE("a proxy that does not answer is connect_timeout at the limit for all steps together") {
  ProxyBench bench(true);
  bench.world.loop.run_for(979ms);
  CHECK(bench.caller.errors == 0);
  bench.world.loop.run_for(2ms);
  CHECK(bench.caller.error.code == ErrorCode::connect_timeout);
  CHECK(bench.world.net.open_streams() == 1);
}

TEST_CASE("a call can be destroyed while the proxy is asked") {
  ProxyBench bench(true);
  bench.caller.call.reset();
  bench.settle();
  CHECK(bench.proxy.peer(0).ended());
  CHECK_FALSE(bench.caller.over());
}

}  // namespace
}  // namespace outrigger::http
