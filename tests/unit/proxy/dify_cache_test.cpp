// What the dify door answers in Dify's place: hits, shared runs, what describes an app; and when it forgets.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_bench.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

using namespace test;

const std::string k_conversation = "45701982-8118-4bc5-8e9b-64562b4555f2";
const std::string k_message = "663c5084-a254-4040-8ad3-51f2a3c1a77c";
const std::string k_task = "e5ab1a13-1c0e-4b0e-9a54-0b8f6a7a8a01";

std::string config_of(std::string_view cache, std::string_view more = "") {
  return fmt::format("[[app]]\nname = \"chat\"\nkey = \"app-chat\"\ncache = {{ {} }}\n{}", cache, more);
}
const std::string k_shared = "stateless = true, per_user = false";

std::string chat_event(std::string_view kind, std::string_view more) {
  return fmt::format(
      R"(data: {{"event": "{}", "conversation_id": "{}", "message_id": "{}", "created_at": 1705407629, "task_id": "{}"{}}})"
      "\n\n",
      kind, k_conversation, k_message, k_task, more);
}
std::string piece(std::string_view text) {
  return chat_event("message", fmt::format(R"(, "id": "{}", "answer": "{}")", k_message, text));
}
const std::string k_usage =
    R"({"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "total_price": "0.5", "currency": "USD"}})";
const std::string k_end = chat_event("message_end", R"(, "metadata": )" + k_usage);
const std::string k_chat_body = fmt::format(
    R"({{"event": "message", "task_id": "{}", "id": "{}", "message_id": "{}", "conversation_id": "{}", "mode": "chat", "answer": "Hello you", "metadata": {}, "created_at": 1705407629}})",
    k_task, k_message, k_message, k_conversation, k_usage);

struct Chat {
  std::string user = "anna";
  std::string query = "hello";
  bool stream = false;
  std::string conversation{};
  std::string fields{};
};
std::string wire(const Chat& chat) {
  return post({.fields = "Content-Type: application/json\r\n" + chat.fields, .key = "app-chat", .path = "/v1/chat-messages"},
              fmt::format(R"({{"inputs":{{}},"query":"{}","user":"{}","response_mode":"{}","conversation_id":"{}"}})",
                          chat.query, chat.user, chat.stream ? "streaming" : "blocking", chat.conversation));
}
std::string call(std::string_view method, std::string_view path, std::string_view body = "") {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-chat\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      method, path, body.size(), body);
}

std::string cache_of(std::string_view answer) { return std::string(field_of(answer, "x-outrigger-cache")); }
std::string after(std::string_view answer, std::string_view what) {
  const std::size_t at = answer.find(what);
  return at == std::string_view::npos ? std::string() : std::string(answer.substr(at + what.size(), 36));
}

// Answers the one run that waits as a stream.
void answer_stream(DifyBench& bench) {
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello "));
  bench.last().chunk(piece("you"));
  bench.last().chunk(k_end);
  bench.last().end_stream();
  bench.settle();
}

TEST_CASE("a run is answered once for both forms, with ids of its own and nothing to pay") {
  const bool first_streams = GENERATE(true, false);
  DifyBench bench(config_of(k_shared));
  auto first = bench.send(wire({.stream = first_streams}));
  REQUIRE(bench.asked.size() == 1);
  if (first_streams) {
    answer_stream(bench);
  } else {
    bench.last().answer(k_chat_body);
    bench.settle();
  }
  CHECK(cache_of(first->received()) == "miss");
  CHECK(first->received().contains(k_conversation));
  bench.pass(3s);
  for (const bool streams : {true, false}) {
    auto hit = bench.send(wire({.user = "ben", .stream = streams}));
    const std::string answer = hit->received();
    CHECK(bench.asked.size() == 1);
    CHECK(cache_of(answer) == "hit");
    CHECK(field_of(answer, "Age") == "3");
    CHECK(field_of(answer, "x-outrigger-served-by") == "new");
    CHECK(field_of(answer, "x-outrigger-attempts") == "0");
    CHECK(field_of(answer, "Content-Type").starts_with(streams ? "text/event-stream" : "application/json"));
    for (const std::string& id : {k_conversation, k_message, k_task}) CHECK_FALSE(answer.contains(id));
    CHECK(answer.contains(streams ? R"("answer":"Hello )" : R"("answer":"Hello you")"));
    CHECK(answer.contains(R"("total_tokens":0)"));
    CHECK_FALSE(after(answer, R"("conversation_id":")").empty());
  }
  CHECK(bench.metric("outrigger_cache_requests_total{model=\"chat\",result=\"hit\"}") == "2");
  CHECK(bench.metric("outrigger_saved_usd_total{model=\"chat\",by=\"hit\"}") == "1");
  CHECK(bench.metric("outrigger_saved_tokens_total{model=\"chat\",by=\"hit\"}") == "30");
  CHECK(bench.log.lines.back().find("\"saved_usd\":0.5") != std::string::npos);
}

TEST_CASE("what is the cache's to answer, and what is not") {
  struct Case {
    std::string cache, path, body, result;
  };
  const std::string chat = R"({"inputs":{},"query":"q","user":"u","response_mode":"blocking"})";
  const std::string flow = R"({"inputs":{"a":"b"},"user":"u","response_mode":"blocking"})";
  const auto [cache, path, body, result] = GENERATE_COPY(values<Case>({
      {"stateless = true", "/v1/chat-messages", chat, "miss"},
      {"stateless = false", "/v1/chat-messages", chat, "bypass; reason=stateful"},
      {"ttl = \"1m\"", "/v1/completion-messages", flow, "miss"},
      {"ttl = \"1m\"", "/v1/workflows/run", flow, "bypass; reason=stateful"},
      {"stateless = true", "/v1/workflows/run", flow, "miss"},
      {"stateless = true", "/v1//chat-messages", chat, "bypass; reason=endpoint"},
      {"stateless = true", "/v1/chat-messages", R"({"inputs":{},"query":"q","user":"u","conversation_id":"x"})",
       "bypass; reason=conversation"},
      {"stateless = true", "/v1/chat-messages", R"({"inputs":{},"query":"q"})", "bypass; reason=not_understood"},
      {"stateless = true", "/v1/chat-messages", "{", "bypass; reason=not_json"},
      {"stateless = true", "/api/chat-messages", chat, "bypass; reason=endpoint"},
      {"stateless = true", "/v1/audio-to-text", chat, "bypass; reason=endpoint"},
  }));
  INFO(path << " " << cache);
  DifyBench bench(config_of(cache));
  auto client = bench.send(call("POST", path, body));
  REQUIRE(bench.asked.size() == 1);
  bench.last().answer(k_chat_body);
  bench.settle();
  CHECK(cache_of(client->received()) == result);
}

TEST_CASE("each user has answers of their own unless the operator says that they need none") {
  const bool per_user = GENERATE(true, false);
  DifyBench bench(config_of(per_user ? "stateless = true" : k_shared));
  auto anna = bench.send(wire({.user = "anna"}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto again = bench.send(wire({.user = "anna"}));
  CHECK(cache_of(again->received()) == "hit");
  auto ben = bench.send(wire({.user = "ben"}));
  CHECK(bench.asked.size() == (per_user ? 2 : 1));
}

TEST_CASE("what is asked of one app is never answered to another, and every field counts") {
  DifyBench bench(config_of(k_shared) + "[[app]]\nname = \"b\"\nkey = \"app-b\"\ncache = { " + k_shared + " }\n");
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  std::string other = wire({});
  other.replace(other.find("app-chat"), 8, "app-b");
  auto b = bench.send(other);
  CHECK(bench.asked.size() == 2);
  auto question = bench.send(wire({.query = "hello!"}));
  CHECK(bench.asked.size() == 3);
  CHECK(first->received().contains("Hello you"));
}

TEST_CASE("a question's form may be ignored as far as the app says") {
  DifyBench bench(config_of(k_shared + ", normalise = \"faq\""));
  auto first = bench.send(wire({.query = "What are your hours?"}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto second = bench.send(wire({.query = "what are your hours"}));
  CHECK(cache_of(second->received()) == "hit");
}

TEST_CASE("clients steer the cache, and its time ends") {
  DifyBench bench(config_of(k_shared + ", ttl = \"1m\""));
  const auto ask = [&](const std::string& fields) {
    auto client = bench.send(wire({.fields = fields}));
    if (bench.asked.back().peer != nullptr && cache_of(client->received()).empty()) {
      bench.last().answer(k_chat_body);
      bench.settle();
    }
    return cache_of(client->received());
  };
  CHECK(ask("") == "miss");
  CHECK(ask("Cache-Control: no-store\r\n") == "bypass; reason=no_store");
  CHECK(ask("Cache-Control: no-cache\r\n") == "miss");
  bench.pass(10s);
  CHECK(ask("Cache-Control: max-age=5\r\n") == "miss");
  CHECK(ask("Cache-Control: max-age=5\r\n") == "hit");
  bench.pass(61s);
  CHECK(ask("") == "miss");
}

TEST_CASE("in observe mode Dify answers, and it is told what would have been a hit") {
  DifyBench bench(config_of(k_shared) + "[cache]\nmode = \"observe\"\n");
  for (const std::string result : {"miss", "observe"}) {
    auto client = bench.send(wire({}));
    bench.last().answer(k_chat_body);
    bench.settle();
    CHECK(cache_of(client->received()) == result);
    CHECK(client->received().contains(k_conversation));
  }
  CHECK(bench.asked.size() == 2);
}

TEST_CASE("only what ended well is kept") {
  struct Bad {
    std::string events;
    bool ends;
  };
  const std::string failed = chat_event("error", R"(, "status": 400, "code": "completion_request_error", "message": "no")");
  const Bad bad =
      GENERATE_REF(Bad{piece("x") + failed, true}, Bad{piece("x"), true}, Bad{piece("x"), false}, Bad{k_end, true},
                   Bad{piece("x") + chat_event("message_replace", R"(, "answer": "y")") + k_end, true});
  DifyBench bench(config_of(k_shared));
  auto first = bench.send(wire({.stream = true}));
  bench.last().begin_stream();
  bench.last().chunk(bad.events);
  if (bad.ends) {
    bench.last().end_stream();
  } else {
    bench.asked.back().peer->close();
  }
  bench.settle();
  auto second = bench.send(wire({.stream = true}));
  CHECK(bench.asked.size() == 2);
}

TEST_CASE("one run serves all who ask the same meanwhile, each in its own form and with its own ids") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(wire({.user = "anna", .stream = true}));
  auto follower = bench.send(wire({.user = "ben", .stream = true}));
  auto blocking = bench.send(wire({.user = "cleo"}));
  REQUIRE(bench.asked.size() == 1);
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello "));
  bench.settle();
  CHECK(leader->received().contains(k_conversation));
  CHECK(follower->received().contains(R"("answer":"Hello ")"));
  auto late = bench.send(wire({.user = "dora", .stream = true}));
  CHECK(late->received().contains(R"("answer":"Hello ")"));
  CHECK(blocking->received().empty());
  bench.last().chunk(piece("you"));
  bench.last().chunk(k_end);
  bench.last().end_stream();
  bench.settle();
  REQUIRE(bench.asked.size() == 1);
  for (const auto* client : {&follower, &blocking, &late}) {
    const std::string answer = (*client)->received();
    CHECK(is_whole(answer));
    CHECK(cache_of(answer) == "coalesced");
    for (const std::string& id : {k_conversation, k_message, k_task}) CHECK_FALSE(answer.contains(id));
    CHECK(answer.contains("you"));
  }
  CHECK(after(follower->received(), R"("task_id":")") != after(late->received(), R"("task_id":")"));
  CHECK(bench.door.fills().size() == 0);
  CHECK(bench.metric("outrigger_saved_usd_total{model=\"chat\",by=\"coalesced\"}") == "1.5");
}

TEST_CASE("the one who began a shared run may leave; when all have left it is stopped") {
  DifyBench bench(config_of(k_shared, "[dify]\nstop_on_leave = true\n"));
  auto leader = bench.send(wire({.stream = true}));
  auto follower = bench.send(wire({.user = "ben", .stream = true}));
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello "));
  bench.settle();
  leader->close();
  bench.settle();
  CHECK(bench.asked.size() == 1);
  bench.asked[0].chunk(piece("you"));
  bench.settle();
  CHECK(follower->received().contains("you"));
  follower->close();
  bench.settle();
  REQUIRE(bench.asked.size() == 2);
  CHECK(bench.last().head.starts_with("POST /v1/chat-messages/" + k_task + "/stop "));
  CHECK(bench.door.fills().size() == 0);
}

TEST_CASE("a failure of a shared run is told to everybody, once") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(wire({.stream = true}));
  auto streaming = bench.send(wire({.user = "ben", .stream = true}));
  auto blocking = bench.send(wire({.user = "cleo"}));
  auto blocking_too = bench.send(wire({.user = "dora"}));
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello ") +
                     chat_event("error", R"(, "status": 400, "code": "completion_request_error", "message": "no luck")"));
  bench.last().end_stream();
  bench.settle();
  CHECK(streaming->received().contains("no luck"));
  CHECK_FALSE(streaming->received().contains(k_task));
  CHECK(is_whole(streaming->received()));
  // The two others are in another form: one run for both.
  REQUIRE(bench.asked.size() == 2);
  bench.last().answer(R"({"code":"completion_request_error","message":"still not","status":400})", 400);
  bench.settle();
  CHECK(bench.asked.size() == 2);
  CHECK(blocking->received().starts_with("HTTP/1.1 400"));
  CHECK(blocking->received().contains("still not"));
  CHECK(blocking_too->received().contains("still not"));
}

TEST_CASE("a shared run that breaks off ends with an error for everybody") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(wire({.stream = true}));
  auto follower = bench.send(wire({.user = "ben", .stream = true}));
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello "));
  bench.settle();
  bench.last().peer->close();
  bench.settle();
  for (const auto* client : {&leader, &follower}) {
    CHECK((*client)->received().contains(R"("event":"error")"));
    CHECK(is_whole((*client)->received()));
  }
}

TEST_CASE("an old answer is better than none") {
  DifyBench bench(config_of(k_shared + ", ttl = \"1m\""));
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  bench.pass(2min);
  bench.backend(0).stop();
  auto second = bench.send(wire({}));
  bench.pass(40s);
  CHECK(cache_of(second->received()) == "stale");
  CHECK(second->received().contains("Hello you"));
}

TEST_CASE("an old answer stands in for a failure that Dify tells of, and for no mistake of the client") {
  struct Case {
    int status;
    std::string body;
    bool stale;
  };
  const auto [status, body, stale] = GENERATE_COPY(values<Case>({
      {500, R"({"code":"internal_server_error","message":"no","status":500})", true},
      {503, "<html>", true},
      {400, R"({"code":"completion_request_error","message":"no","status":400})", true},
      {400, R"({"code":"invalid_param","message":"no","status":400})", false},
      {401, R"({"code":"unauthorized","message":"no","status":401})", false},
  }));
  INFO(status << body);
  DifyBench bench(config_of(k_shared + ", ttl = \"1m\""));
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  bench.pass(2min);
  auto leader = bench.send(wire({}));
  auto follower = bench.send(wire({.user = "ben", .stream = true}));
  REQUIRE(bench.asked.size() == 2);
  bench.last().answer(body, status, "Content-Type: text/x\r\n");
  bench.settle();
  for (const auto* client : {&leader, &follower}) {
    CHECK(cache_of((*client)->received()) == (stale ? "stale" : client == &leader ? "miss" : "coalesced"));
    CHECK((*client)->received().starts_with(stale ? "HTTP/1.1 200 " : fmt::format("HTTP/1.1 {} ", status)));
    if (!stale) CHECK(field_of((*client)->received(), "Content-Type") == "text/x");
  }
}

TEST_CASE("an answer that is too long to be held is everybody's own") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(wire({}));
  auto follower = bench.send(wire({.user = "ben"}));
  REQUIRE(bench.asked.size() == 1);
  std::string large = k_chat_body;
  large.insert(large.find("Hello"), std::string(DifyPursuit::k_hold_max, 'x'));
  bench.last().answer(large);
  bench.settle();
  CHECK(body_of(leader->received()) == large);
  REQUIRE(bench.asked.size() == 2);
  bench.last().answer(large);
  bench.settle();
  CHECK(body_of(follower->received()) == large);
  auto one = bench.send(wire({.user = "cleo"}));
  auto two = bench.send(wire({.user = "dora"}));
  CHECK(bench.asked.size() == 4);  // known not to be worth waiting for
}

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
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto running = bench.send(wire({.query = "under way"}));  // asked before the change, answered after it
  const std::size_t run = bench.asked.size() - 1;
  auto change = bench.send(call(method, path, method == "GET" ? "" : "{}"));
  bench.last().answer("{}", status);
  bench.settle();
  bench.asked[run].answer(k_chat_body);
  bench.settle();
  const std::size_t before = bench.asked.size();
  auto second = bench.send(wire({}));
  auto third = bench.send(wire({.query = "under way"}));
  CHECK(bench.asked.size() - before == (forgets ? 2 : 0));
}

TEST_CASE("what was answered while documents are indexed is forgotten once more") {
  DifyBench bench(config_of(k_shared));
  auto change = bench.send(call("POST", "/v1/datasets/0b6f3a52-6a1c-4a7e-9a57-3f1d2c4b5a69/document/create-by-text", "{}"));
  bench.last().answer("{}");
  bench.pass(5s);
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto second = bench.send(wire({}));
  CHECK(cache_of(second->received()) == "hit");
  bench.pass(DifyDoor::k_settle);
  auto third = bench.send(wire({}));
  CHECK(cache_of(third->received()).empty());
}

TEST_CASE("a change of one app leaves the others' answers") {
  DifyBench bench(config_of(k_shared) + "[[app]]\nname = \"b\"\nkey = \"app-b\"\ncache = { " + k_shared + " }\n");
  auto first = bench.send(wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  std::string change = call("POST", "/v1/apps/annotations", "{}");
  change.replace(change.find("app-chat"), 8, "app-b");
  auto other = bench.send(change);
  bench.last().answer("{}");
  bench.settle();
  auto second = bench.send(wire({}));
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
