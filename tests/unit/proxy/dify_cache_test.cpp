// What the dify door answers in Dify's place: hits, and runs that several share.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_chats.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

using namespace test;

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
  auto first = bench.send(chat_wire({.stream = first_streams}));
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
    auto hit = bench.send(chat_wire({.user = "ben", .stream = streams}));
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
  CHECK(bench.log.lines.back().contains("\"saved_tokens\":15"));
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
  auto anna = bench.send(chat_wire({.user = "anna"}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto again = bench.send(chat_wire({.user = "anna"}));
  CHECK(cache_of(again->received()) == "hit");
  auto ben = bench.send(chat_wire({.user = "ben"}));
  CHECK(bench.asked.size() == (per_user ? 2 : 1));
}

TEST_CASE("what is asked of one app is never answered to another, and every field counts") {
  DifyBench bench(config_of(k_shared) + "[[app]]\nname = \"b\"\nkey = \"app-b\"\ncache = { " + k_shared + " }\n");
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  std::string other = chat_wire({});
  other.replace(other.find("app-chat"), 8, "app-b");
  auto b = bench.send(other);
  CHECK(bench.asked.size() == 2);
  auto question = bench.send(chat_wire({.query = "hello!"}));
  CHECK(bench.asked.size() == 3);
  CHECK(first->received().contains("Hello you"));
}

TEST_CASE("a question's form may be ignored as far as the app says") {
  DifyBench bench(config_of(k_shared + ", normalise = \"faq\""));
  auto first = bench.send(chat_wire({.query = "What are your hours?"}));
  bench.last().answer(k_chat_body);
  bench.settle();
  auto second = bench.send(chat_wire({.query = "what are your hours"}));
  CHECK(cache_of(second->received()) == "hit");
}

TEST_CASE("clients steer the cache, and its time ends") {
  DifyBench bench(config_of(k_shared + ", ttl = \"1m\""));
  const auto ask = [&](const std::string& fields) {
    auto client = bench.send(chat_wire({.fields = fields}));
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
    auto client = bench.send(chat_wire({}));
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
  auto first = bench.send(chat_wire({.stream = true}));
  bench.last().begin_stream();
  bench.last().chunk(bad.events);
  if (bad.ends) {
    bench.last().end_stream();
  } else {
    bench.asked.back().peer->close();
  }
  bench.settle();
  auto second = bench.send(chat_wire({.stream = true}));
  CHECK(bench.asked.size() == 2);
}

TEST_CASE("one run serves all who ask the same meanwhile, each in its own form and with its own ids") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(chat_wire({.user = "anna", .stream = true}));
  auto follower = bench.send(chat_wire({.user = "ben", .stream = true}));
  auto blocking = bench.send(chat_wire({.user = "cleo"}));
  REQUIRE(bench.asked.size() == 1);
  bench.last().begin_stream();
  bench.last().chunk(piece("Hello "));
  bench.settle();
  CHECK(leader->received().contains(k_conversation));
  CHECK(follower->received().contains(R"("answer":"Hello ")"));
  auto late = bench.send(chat_wire({.user = "dora", .stream = true}));
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
  auto leader = bench.send(chat_wire({.stream = true}));
  auto follower = bench.send(chat_wire({.user = "ben", .stream = true}));
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

TEST_CASE("who reads slowly delays nobody at a shared run, and misses nothing; who reads nothing is given up") {
  const bool reads_again = GENERATE(true, false);
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(chat_wire({.stream = true}));
  auto slow = bench.send(chat_wire({.user = "ben", .stream = true}));
  REQUIRE(bench.asked.size() == 1);
  slow->pause();
  bench.last().begin_stream();
  constexpr int k_pieces = 60;
  for (int i = 0; i < k_pieces; ++i) {
    bench.last().chunk(piece(std::to_string(i) + std::string(32'000, 'x')));
    bench.settle();
  }
  bench.last().chunk(k_end);
  bench.last().end_stream();
  bench.pass(1s);
  CHECK(is_whole(leader->received()));
  CHECK(bench.door.fills().size() == 1);  // for the slow one
  if (reads_again) {
    slow->resume();
    bench.pass(1s);
    CHECK(is_whole(slow->received()));
    CHECK(slow->received().contains("59xxx"));
  } else {
    bench.pass(2min);
    CHECK(bench.log.lines.back().contains("\"error\":\"client_gone\""));
  }
  CHECK(bench.door.fills().size() == 0);
  CHECK(bench.asked.size() == 1);
}

TEST_CASE("a failure of a shared run is told to everybody, once") {
  DifyBench bench(config_of(k_shared));
  auto leader = bench.send(chat_wire({.stream = true}));
  auto streaming = bench.send(chat_wire({.user = "ben", .stream = true}));
  auto blocking = bench.send(chat_wire({.user = "cleo"}));
  auto blocking_too = bench.send(chat_wire({.user = "dora"}));
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
  auto leader = bench.send(chat_wire({.stream = true}));
  auto follower = bench.send(chat_wire({.user = "ben", .stream = true}));
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
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  bench.pass(2min);
  bench.backend(0).stop();
  auto second = bench.send(chat_wire({}));
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
  auto first = bench.send(chat_wire({}));
  bench.last().answer(k_chat_body);
  bench.settle();
  bench.pass(2min);
  auto leader = bench.send(chat_wire({}));
  auto follower = bench.send(chat_wire({.user = "ben", .stream = true}));
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
  auto leader = bench.send(chat_wire({}));
  auto follower = bench.send(chat_wire({.user = "ben"}));
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
  auto one = bench.send(chat_wire({.user = "cleo"}));
  auto two = bench.send(chat_wire({.user = "dora"}));
  CHECK(bench.asked.size() == 4);  // known not to be worth waiting for
}

TEST_CASE("what another installation has answered is not kept as the own one's") {
  DifyBench bench(config_of(k_shared, "[dify]\nfallback = [\"old\"]\n"));
  bench.backend(0).stop();
  for (std::size_t asked = 1; asked <= 2; ++asked) {
    auto client = bench.send(chat_wire({}));
    REQUIRE(bench.asked.size() == asked);
    CHECK(bench.last().host == "old");
    bench.last().answer(k_chat_body);
    bench.settle();
    CHECK(cache_of(client->received()) == "miss");
  }
}

}  // namespace
}  // namespace outrigger::proxy
