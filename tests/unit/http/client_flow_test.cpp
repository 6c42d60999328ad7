// Back-pressure both ways, and answers that come before the request is sent.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "unit/http/client_bench.h"

namespace outrigger::http {
namespace {

using test::Caller;
using test::ClientBench;

constexpr std::string_view k_ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

CallOptions streamed() {
  CallOptions options;
  options.streamed = true;
  return options;
}

TEST_CASE("a body that is not read stays with the origin, and reading goes on never inside the call") {
  ClientBench bench;
  auto caller = bench.start();
  caller->call->read_body(false);
  bench.settle();
  const std::string body(1'000'000, 'b');
  bench.answer("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body);
  CHECK(caller->heads == 1);
  CHECK(caller->body.empty());
  CHECK(bench.peer().unsent() >= body.size() - 3 * 64 * 1024);
  caller->at_body = [](Caller& c) { c.call->read_body(false); };
  for (int i = 0; i < 100 && !caller->over(); ++i) {
    const std::size_t pieces = caller->pieces.size();
    caller->call->read_body(true);
    CHECK(caller->pieces.size() == pieces);
    bench.settle();
    CHECK(caller->pieces.size() <= pieces + 1);
  }
  CHECK(caller->body == body);
  CHECK(caller->ends == 1);
}

TEST_CASE("an end of the connection that comes while nothing is read is noticed afterwards") {
  ClientBench bench;
  auto caller = bench.start();
  caller->at_body = [](Caller& c) { c.call->read_body(false); };
  bench.settle();
  bench.peer().send("HTTP/1.1 200 OK\r\n\r\nabc");
  bench.settle();
  bench.peer().send("def");
  bench.peer().shutdown();
  bench.settle();
  CHECK(caller->body == "abc");
  caller->at_body = nullptr;
  caller->call->read_body(true);
  bench.settle();
  CHECK(caller->body == "abcdef");
  CHECK(caller->ends == 1);
}

TEST_CASE("unsent shows what the origin has not taken, and on_drained tells when it is gone") {
  ClientBench bench;
  bench.server.reading = false;
  auto caller = bench.start(streamed(), "POST");
  bench.settle();
  caller->call->write_body(Bytes::copy(std::string(300'000, 'x')));
  CHECK(caller->call->unsent() > 200'000);
  bench.settle();
  CHECK(caller->drained == 0);
  bench.peer().resume();
  bench.settle();
  CHECK(caller->drained == 1);
  CHECK(caller->call->unsent() == 0);
}

TEST_CASE("what was written before there was a connection is drained with it") {
  ClientBench bench;
  auto caller = bench.start(streamed(), "POST");
  caller->call->write_body(Bytes::literal("abc"));
  CHECK(caller->drained == 0);
  bench.settle();
  CHECK(caller->drained == 1);
}

TEST_CASE("a refusal that comes before the body is sent stops the body, and the connection is not kept") {
  ClientBench bench;
  auto caller = bench.start(streamed(), "POST");
  bench.settle();
  caller->call->write_body(Bytes::literal("abc"));
  bench.settle();
  const std::size_t before = bench.peer().received().size();
  bench.answer("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n");
  caller->call->write_body(Bytes::literal("def"));
  caller->call->end_body();
  bench.settle();
  CHECK(bench.peer().received().size() == before);
  bench.answer("no");
  CHECK(caller->ends == 1);
  CHECK(caller->body == "no");
  CHECK(bench.client.idle() == 0);
}

TEST_CASE("an answer that is complete before the body ends the call, and the connection is not kept") {
  ClientBench bench;
  auto caller = bench.start(streamed(), "POST");
  bench.settle();
  bench.answer(k_ok);
  CHECK(caller->ends == 1);
  caller->call->write_body(Bytes::literal("def"));
  caller->call->end_body();
  bench.settle();
  CHECK(bench.client.idle() == 0);
  CHECK(bench.peer().ended());

  // The same for a body that the kernel has not taken yet.
  bench.server.reading = false;
  CallOptions options;
  options.body = Bytes::copy(std::string(300'000, 'x'));
  auto whole = bench.start(options, "POST");
  bench.settle();
  bench.answer(k_ok);
  CHECK(whole->ends == 1);
  CHECK(bench.client.idle() == 0);
}

}  // namespace
}  // namespace outrigger::http
