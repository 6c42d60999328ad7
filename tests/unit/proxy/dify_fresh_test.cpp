// When the dify door forgets what it has kept; and what describes an app, kept for seconds.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_chats.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

using namespace test;

TEST_CASE("a change that passes makes old what was answered before") {
  struct Case {
    std::string method, path;
    int status;
    bool forgets;
  };
  const std::string uuid = "0b6f3a52-6a1c-4a7e-9a57-3f1d2c4b5a69";
  const auto [method, path, status, forgets] = GENERATE_COPY(values<Case>({
      {"POST", "/v1/datasets/" + uuid + "/document/create-by-text", 200, true},
      {"DELETE", "/v1/datasets/" + uuid + "/documents/" + uuid, 204, true},
      {"POST", "/v1/apps/annotations", 200, true},
      {"POST", "/console/api/apps/" + uuid + "/workflows/publish", 200, true},
      {"POST", "/console/api/apps/" + uuid + "/model-config", 200, true},
      {"POST", "/console/api/apps/" + uuid + "/model-config", 403, false},
      {"GET", "/console/api/apps/" + uuid, 200, false},
      {"POST", "/console/api/apps/" + uuid + "/workflows/draft", 200, false},
  }));
  INFO(method << " " << path);
  DifyBench bench(config_of(k_shared));
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto running = bench.send(chat_wire({.query = "under way"}));  // asked before the change, answered after it
  const std::size_t run = bench.asked.size() - 1;
  auto change = bench.send(call(method, path, method == "GET" ? "" : "{}"));
  bench.last().answer("{}", status);
  bench.settle();
  bench.asked[run].answer(k_chat_body);
  bench.settle();
  const std::size_t before = bench.asked.size();
  auto second = bench.send(chat_wire({}));
  auto third = bench.send(chat_wire({.query = "under way"}));
  CHECK(bench.asked.size() - before == (forgets ? 2 : 0));
}

TEST_CASE("what was answered while documents are indexed is forgotten once more") {
  DifyBench bench(config_of(k_shared));
  auto change = bench.send(call("POST", "/v1/datasets/0b6f3a52-6a1c-4a7e-9a57-3f1d2c4b5a69/document/create-by-text", "{}"));
  bench.last().answer("{}");
  bench.pass(5s);
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto second = bench.send(chat_wire({}));
  CHECK(cache_of(second->received()) == "hit");
  bench.pass(DifyDoor::k_settle);
  auto third = bench.send(chat_wire({}));
  CHECK(cache_of(third->received()).empty());
}

TEST_CASE("a change of one app leaves the others' answers") {
  DifyBench bench(config_of(k_shared) + "[[app]]\nname = \"b\"\nkey = \"app-b\"\ncache = { " + k_shared + " }\n");
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  std::string change = call("POST", "/v1/apps/annotations", "{}");
  change.replace(change.find("app-chat"), 8, "app-b");
  auto other = bench.send(change);
  bench.last().answer("{}");
  bench.settle();
  auto second = bench.send(chat_wire({}));
  CHECK(cache_of(second->received()) == "hit");
}

TEST_CASE("what describes an app is kept for seconds, for its key alone") {
  DifyBench bench(config_of(k_shared, "[[app]]\nname = \"else\"\nkey = \"app-else\"\n[dify]\ninfo_ttl = \"5s\"\n"));
  auto first = bench.send(call("GET", "/v1/parameters?user=anna"));
  bench.last().answer(R"({"opening_statement":"hi"})");
  bench.settle();
  CHECK(cache_of(first->received()) == "miss");
  bench.pass(4s);
  auto second = bench.send(call("GET", "/v1/parameters?user=anna"));
  CHECK(bench.asked.size() == 1);
  CHECK(cache_of(second->received()) == "hit");
  CHECK(body_of(second->received()) == R"({"opening_statement":"hi"})");
  CHECK(field_of(second->received(), "x-outrigger-served-by") == "new");
  CHECK(field_of(second->received(), "Age") == "4");
  std::string other = call("GET", "/v1/parameters?user=anna");
  other.replace(other.find("app-chat"), 8, "app-else");
  auto b = bench.send(other);
  CHECK(bench.asked.size() == 2);
  bench.pass(2s);
  auto late = bench.send(call("GET", "/v1/parameters?user=anna"));
  CHECK(bench.asked.size() == 3);
}

TEST_CASE("what describes an app is kept whole or not at all") {
  DifyBench bench(config_of(k_shared, "[dify]\ninfo_ttl = \"5s\"\n"));
  for (std::size_t asked = 1; asked <= 2; ++asked) {
    auto client = bench.send(call("GET", "/v1/info"));
    REQUIRE(bench.asked.size() == asked);
    bench.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"name\":\"fa");
    bench.last().peer->close();
    bench.settle();
  }
}

TEST_CASE("a refusal, or what is meant for one, does not describe an app") {
  const std::string fields = GENERATE("Content-Type: text/html\r\n", "Content-Type: application/json\r\nSet-Cookie: a=b\r\n",
                                      "Content-Type: application/json\r\nContent-Encoding: gzip\r\n");
  DifyBench bench(config_of(k_shared, "[dify]\ninfo_ttl = \"5s\"\n"));
  for (std::size_t asked = 1; asked <= 2; ++asked) {
    auto client = bench.send(call("GET", "/v1/info"));
    REQUIRE(bench.asked.size() == asked);
    bench.last().answer("{}", 200, fields);
    bench.settle();
  }
}

}  // namespace
}  // namespace outrigger::proxy
