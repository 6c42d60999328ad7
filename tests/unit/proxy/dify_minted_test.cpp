// What becomes of the ids that the cache made up: stops, questions about them, and conversations that go on.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_bench.h"
#include "proxy/dify_flow.h"
#include "proxy/dify_minted.h"

namespace outrigger::proxy {
namespace {

using namespace test;

const std::string k_real = "45701982-8118-4bc5-8e9b-64562b4555f2";

std::string call(std::string_view method, std::string_view path, std::string_view body = "") {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-chat\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      method, path, body.size(), body);
}
std::string turn(std::string_view query, std::string_view conversation = "", bool stream = false) {
  return call("POST", "/v1/chat-messages",
              fmt::format(R"({{"inputs":{{}},"query":"{}","user":"anna","response_mode":"{}","conversation_id":"{}"}})",
                          query, stream ? "streaming" : "blocking", conversation));
}
std::string answered(std::string_view text) {
  return fmt::format(
      R"({{"event":"message","task_id":"t-1","id":"m-1","message_id":"m-1","conversation_id":"{}","mode":"chat","answer":"{}","metadata":{{}},"created_at":1705407629}})",
      k_real, text);
}
std::string member_of(std::string_view answer, std::string_view name) {
  const std::string what = fmt::format(R"("{}":")", name);
  const std::size_t at = answer.find(what);
  return at == std::string_view::npos ? std::string() : std::string(answer.substr(at + what.size(), 36));
}

struct MintedBench : DifyBench {
  explicit MintedBench(bool live)
      : DifyBench(fmt::format(
            "[[app]]\nname = \"chat\"\nkey = \"app-chat\"\ncache = {{ stateless = true, live_conversations = {} }}\n",
            live)) {
    auto first = send(turn("first"));
    last().answer(answered("one"));
    settle();
    auto second = send(turn("first"));
    hit = second->received();
    CHECK(field_of(hit, "x-outrigger-cache") == "hit");
    conversation = member_of(hit, "conversation_id");
    CHECK(asked.size() == 1);
  }
  std::string hit, conversation;
};

TEST_CASE("ids that were made up are known again, by whoever has the secret") {
  const chat::KeyMaker keys("a secret of at least 32 characters");
  const chat::KeyMaker other("another secret of 32 characters...");
  Rng rng(7);
  for (int i = 0; i < 100; ++i) {
    const auto id = mint(keys, rng);
    const std::string text(id.data(), id.size());
    CHECK(is_minted(keys, text));
    CHECK_FALSE(is_minted(other, text));
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string changed = text;
      changed[at] = changed[at] == '0' ? '1' : '0';
      CHECK_FALSE(is_minted(keys, changed));
    }
  }
  CHECK_FALSE(is_minted(keys, ""));
  CHECK_FALSE(is_minted(keys, std::string(36, '-')));
  CHECK_FALSE(is_minted(keys, std::string(36, '\xff')));
  CHECK_FALSE(is_minted(keys, k_real));
}

TEST_CASE("a question about an answer of the cache is answered here, and says why") {
  MintedBench bench(false);
  const std::string message = member_of(bench.hit, "message_id");
  const std::string task = member_of(bench.hit, "task_id");
  struct Case {
    std::string wire;
    int status;
    std::string words;
  };
  for (const Case& c : std::vector<Case>{
           {call("POST", "/v1/messages/" + message + "/feedbacks", R"({"rating":"like"})"), 404, "came from the cache"},
           {call("GET", "/v1/messages/" + message + "/suggested?user=anna"), 200, R"({"result":"success","data":[]})"},
           {call("GET", "/v1/messages?user=anna&conversation_id=" + bench.conversation), 404, "it has no history"},
           {call("DELETE", "/v1/conversations/" + bench.conversation, R"({"user":"anna"})"), 404, "it has no history"},
           {call("POST", "/v1/chat-messages/" + task + "/stop", R"({"user":"anna"})"), 200, R"({"result":"success"})"},
           {turn("second", bench.conversation), 404, "cannot be continued"}}) {
    auto client = bench.send(c.wire);
    INFO(c.wire);
    CHECK(client->received().starts_with(fmt::format("HTTP/1.1 {} ", c.status)));
    CHECK(body_of(client->received()).find(c.words) != std::string::npos);
    if (c.status == 404) CHECK(body_of(client->received()).find(R"("code":"not_found")") != std::string::npos);
  }
  CHECK(bench.asked.size() == 1);
}

TEST_CASE("the same questions about Dify's own ids are Dify's to answer") {
  MintedBench bench(false);
  for (const std::string& wire : {call("POST", "/v1/messages/" + k_real + "/feedbacks", "{}"), turn("second", k_real),
                                  call("POST", "/v1/chat-messages/" + k_real + "/stop", R"({"user":"anna"})")}) {
    const std::size_t before = bench.asked.size();
    auto client = bench.send(wire);
    REQUIRE(bench.asked.size() == before + 1);
    bench.last().answer(answered("x"));
    bench.settle();
  }
}

TEST_CASE("a conversation of the cache goes on at Dify, under the name that the client knows") {
  MintedBench bench(true);
  auto second = bench.send(turn("second", bench.conversation, true));
  // First its first turn.
  REQUIRE(bench.asked.size() == 2);
  CHECK(bench.last().body.find(R"("query":"first")") != std::string::npos);
  CHECK(bench.last().body.find(R"("conversation_id":"")") != std::string::npos);
  bench.last().answer(answered("one"));
  bench.settle();
  REQUIRE(bench.asked.size() == 3);
  CHECK(bench.last().body.find(R"("query":"second")") != std::string::npos);
  CHECK(bench.last().body.find(k_real) != std::string::npos);
  CHECK(bench.last().body.find(bench.conversation) == std::string::npos);
  bench.last().begin_stream();
  const std::string event = R"(data: {"event":"message","conversation_id":")" + k_real + R"(","answer":"two"})" + "\n\n";
  for (const char c : event) bench.last().chunk({&c, 1});
  bench.settle();
  bench.last().chunk("data: {\"event\":\"message_end\",\"metadata\":{}}\n\n");
  bench.last().end_stream();
  bench.settle();
  CHECK(is_whole(second->received()));
  CHECK(body_of(second->received()).find(R"("conversation_id":")" + bench.conversation + "\"") != std::string::npos);
  CHECK(body_of(second->received()).find(k_real) == std::string::npos);

  // From now on it is known.
  auto third = bench.send(turn("third", bench.conversation));
  REQUIRE(bench.asked.size() == 4);
  bench.last().answer(answered("three"));
  bench.settle();
  CHECK(member_of(third->received(), "conversation_id") == bench.conversation);
  auto history = bench.send(call("GET", "/v1/messages?user=anna&conversation_id=" + bench.conversation));
  REQUIRE(bench.asked.size() == 5);
  CHECK(field_of(bench.last().head, "Accept-Encoding") == "identity");  // or no id would be found in the answer
  CHECK(bench.last().head.starts_with("GET /v1/messages?user=anna&conversation_id=" + k_real + " "));
  bench.last().answer(R"({"data":[{"conversation_id":")" + k_real + R"("}]})");
  bench.settle();
  CHECK(body_of(history->received()).find(bench.conversation) != std::string::npos);
  CHECK(body_of(history->received()).find(k_real) == std::string::npos);
}

TEST_CASE("two calls that wake a conversation wake it once") {
  MintedBench bench(true);
  auto one = bench.send(turn("second", bench.conversation));
  auto two = bench.send(call("GET", "/v1/messages?user=anna&conversation_id=" + bench.conversation));
  auto gone = bench.send(turn("other", bench.conversation));
  REQUIRE(bench.asked.size() == 2);
  gone->close();
  bench.settle();
  bench.last().answer(answered("one"));
  bench.settle();
  CHECK(bench.asked.size() == 4);
}

TEST_CASE("a conversation that began at a shared run goes on as well") {
  MintedBench bench(true);
  auto leader = bench.send(turn("shared", "", true));
  auto follower = bench.send(turn("shared", "", true));
  REQUIRE(bench.asked.size() == 2);
  bench.last().begin_stream();
  bench.last().chunk(R"(data: {"event":"message","conversation_id":")" + k_real + R"(","answer":"one"})" + "\n\n");
  bench.last().chunk("data: {\"event\":\"message_end\",\"metadata\":{}}\n\n");
  bench.last().end_stream();
  bench.settle();
  auto second = bench.send(turn("second", member_of(follower->received(), "conversation_id")));
  REQUIRE(bench.asked.size() == 3);
  CHECK(bench.last().body.find(R"("query":"shared")") != std::string::npos);
  auto own = bench.send(turn("second", member_of(leader->received(), "conversation_id")));
  REQUIRE(bench.asked.size() == 4);
  CHECK(bench.last().body.find(R"("query":"second")") != std::string::npos);  // it has been Dify's from the beginning
}

TEST_CASE("a Dify that dies while a conversation is woken is an error, and the next call wakes it anew") {
  MintedBench bench(true);
  auto first = bench.send(turn("second", bench.conversation));
  REQUIRE(bench.asked.size() == 2);
  bench.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{");
  bench.last().peer->close();
  bench.settle();
  CHECK(first->received().starts_with("HTTP/1.1 5"));
  CHECK(body_of(first->received()).starts_with(R"({"code":)"));
  auto second = bench.send(turn("second", bench.conversation));
  REQUIRE(bench.asked.size() == 3);
  CHECK(bench.last().body.find(R"("query":"first")") != std::string::npos);
}

TEST_CASE("a conversation that cannot be woken says so") {
  MintedBench bench(true);
  auto refused = bench.send(turn("second", bench.conversation));
  bench.last().answer(R"({"code":"provider_quota_exceeded","message":"no money","status":400})", 400);
  bench.settle();
  CHECK(refused->received().starts_with("HTTP/1.1 400 "));
  CHECK(body_of(refused->received()).find("no money") != std::string::npos);
  bench.pass(25h);
  auto late = bench.send(turn("second", bench.conversation));
  CHECK(late->received().starts_with("HTTP/1.1 404 "));
  CHECK(body_of(late->received()).find("cannot be continued") != std::string::npos);
}

TEST_CASE("a task that is one of several at a shared run is stopped here; the last one at Dify") {
  MintedBench bench(false);
  const auto event = [](std::string_view text) {
    return fmt::format(
        R"(data: {{"event":"message","task_id":"e5ab1a13-1c0e-4b0e-9a54-0b8f6a7a8a01","message_id":"m","conversation_id":"{}","answer":"{}"}})"
        "\n\n",
        k_real, text);
  };
  auto leader = bench.send(turn("shared", "", true));
  auto follower = bench.send(turn("shared", "", true));
  const std::size_t run = bench.asked.size() - 1;
  bench.asked[run].begin_stream();
  bench.asked[run].chunk(event("a"));
  bench.settle();
  const std::string task = member_of(follower->received(), "task_id");
  const bool leader_first = GENERATE(true, false);
  const std::string real_task = "e5ab1a13-1c0e-4b0e-9a54-0b8f6a7a8a01";
  auto stop =
      bench.send(call("POST", "/v1/chat-messages/" + (leader_first ? real_task : task) + "/stop", R"({"user":"anna"})"));
  CHECK(body_of(stop->received()) == R"({"result":"success"})");
  CHECK(bench.asked.size() == run + 1);
  CHECK(is_whole((leader_first ? leader : follower)->received()));
  bench.asked[run].chunk(event("b"));
  bench.settle();
  CHECK((leader_first ? follower : leader)->received().find("\"b\"") != std::string::npos);
  if (leader_first) return;
  auto last = bench.send(call("POST", "/v1/chat-messages/" + real_task + "/stop", R"({"user":"anna"})"));
  REQUIRE(bench.asked.size() == run + 2);
  bench.last().answer(R"({"result":"success"})");
  bench.asked[run].chunk("data: {\"event\":\"message_end\",\"metadata\":{}}\n\n");
  bench.asked[run].end_stream();
  bench.settle();
  auto again = bench.send(turn("shared"));
  CHECK(bench.asked.size() == run + 3);  // what was stopped is not kept
}

}  // namespace
}  // namespace outrigger::proxy
