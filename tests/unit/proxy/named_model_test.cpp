// Wires that are passed through, where path or body names the model: the target is known that the request waits for.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

const std::string k_config = R"([[upstream]]
name = "main"
url = "http://provider:9000"
[[model]]
name = "slow"
concurrency = 1
queue = { depth = 1, wait = "2s" }
[[model]]
name = "*"
breaker = { failures = 2 }
)";
const std::string k_gemini = "/v1beta/models/slow:generateContent";
const std::string k_body = R"({"contents":[{"parts":[{"text":"hi"}]}]})";

}  // namespace

TEST_CASE("a model that a path names has a queue, and a refusal when it is full") {
  DoorBench b(k_config);
  const auto first = b.send(post({.path = k_gemini}, k_body));
  const auto second = b.send(post({.path = k_gemini}, k_body));
  const auto third = b.send(post({.path = k_gemini}, k_body));
  CHECK(b.asked.size() == 1);
  CHECK(third->received().starts_with("HTTP/1.1 429"));
  CHECK(field_of(third->received(), "retry-after") != "");
  // Others are not held up.
  const auto other = b.send(post({.path = "/v1beta/models/quick:generateContent"}, k_body));
  CHECK(b.asked.size() == 2);
  b.asked[0].answer(R"({"candidates":[]})");
  b.settle();
  CHECK(body_of(first->received()) == R"({"candidates":[]})");
  CHECK(field_of(first->received(), "x-outrigger-served-by") == "main:slow");
  CHECK(field_of(first->received(), "x-outrigger-cache") == "bypass; reason=endpoint");
  REQUIRE(b.asked.size() == 3);
  CHECK(b.last().body == k_body);
  b.last().answer("{}");
  b.settle();
  CHECK(body_of(second->received()) == "{}");
  CHECK(b.log.lines.back().contains(R"("model":"slow")"));
}

TEST_CASE("what goes wrong there is evidence, and is told as it was said, once") {
  DoorBench b(k_config);
  const std::string error = R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})";
  for (int i = 0; i < 2; ++i) {
    const auto client = b.send(post({.path = "/v1beta/models/quick:generateContent"}, k_body));
    b.last().answer(error, 503);
    b.settle();
    CHECK(body_of(client->received()) == error);
    b.world.loop.run_for(1s);
    CHECK(b.asked.size() == static_cast<std::size_t>(i) + 1);  // it may have had its effect: nobody repeats it
  }
  CHECK(b.metric("outrigger_breaker_state{target=\"main:quick\"}") != "0");
}

TEST_CASE("a 429 there shuts the gate, and the request waits and is served") {
  DoorBench b(k_config);
  const auto client = b.send(post({.path = "/api/chat"}, R"({"model":"llama","messages":[]})"));
  REQUIRE(b.asked.size() == 1);
  b.last().answer("{}", 429, "Content-Type: application/json\r\nRetry-After: 1\r\n");
  b.settle();
  CHECK(client->received().empty());
  b.world.loop.run_for(1200ms);
  REQUIRE(b.asked.size() == 2);
  b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
  b.last().chunk("{\"done\":false}\n");
  b.settle();
  CHECK(body_of(client->received()) == "{\"done\":false}\n");  // a line leaves as it comes
  b.last().chunk("{\"done\":true}\n");
  b.last().end_stream();
  b.settle();
  CHECK(body_of(client->received()) == "{\"done\":false}\n{\"done\":true}\n");
  CHECK(field_of(client->received(), "Content-Type") == "application/x-ndjson");
}

TEST_CASE("an error too long to be kept is passed on whole") {
  DoorBench b(k_config);
  const auto client = b.send(post({.path = "/v1beta/models/quick:generateContent"}, k_body));
  const std::string page = "<html>" + std::string(200'000, 'x');
  b.last().answer(page, 502, "Content-Type: text/html\r\n");
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 502"));
  CHECK(body_of(client->received()) == page);
}

TEST_CASE("what names no model goes through at once") {
  DoorBench b(k_config);
  for (const std::string_view path : {"/v1/models", "/v1/files/f-1"}) {
    const auto client = b.send(fmt::format("GET {} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n\r\n", path));
    b.last().answer("{}");
    b.settle();
    CHECK(body_of(client->received()) == "{}");
    CHECK(field_of(client->received(), "x-outrigger-served-by") == "main");
  }
}

TEST_CASE("counting a prompt waits for nobody, and errors of our own are Anthropic's below its paths") {
  DoorBench b(k_config);
  for (std::size_t i = 1; i <= 3; ++i) {
    b.kept.push_back(b.send(post({.path = "/v1/messages/count_tokens"}, R"({"model":"slow"})")));
    CHECK(b.asked.size() == i);
  }
  DoorBench locked(k_config + "[[client]]\nname = \"desk\"\nkey = \"a-key-of-the-desk\"\n");
  const auto refused = locked.send(post({.path = "/v1/messages/count_tokens"}, R"({"model":"slow"})"));
  CHECK(refused->received().starts_with("HTTP/1.1 401"));
  CHECK(body_of(refused->received()).starts_with(R"({"type":"error","error":{"type":"authentication_error")"));
}

}  // namespace outrigger::proxy::test
