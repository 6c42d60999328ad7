// The dify door: what passes, who waits, what is repeated, and what the backends' answers say of them.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "dify_bench.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

using namespace test;

TEST_CASE("what is no run passes at once and as it is") {
  DifyBench bench;
  auto client = bench.send(get("/files/1/image-preview?sign=x", "Range: bytes=0-3\r\nCookie: a=b\r\n"));
  REQUIRE(bench.asked.size() == 1);
  CHECK(bench.last().head.starts_with("GET /files/1/image-preview?sign=x HTTP/1.1\r\nHost: dify\r\n"));
  CHECK(field_of(bench.last().head, "Range") == "bytes=0-3");
  CHECK(field_of(bench.last().head, "Connection") == "close");
  bench.last().answer("data", 206, "Content-Range: bytes 0-3/9\r\nSet-Cookie: c=d\r\nSet-Cookie: e=f\r\nLocation: /x\r\n");
  bench.settle();
  const std::string answer = client->received();
  CHECK(answer.starts_with("HTTP/1.1 206 X\r\n"));
  CHECK(answer.find("Set-Cookie: c=d\r\nSet-Cookie: e=f\r\nLocation: /x\r\n") != std::string::npos);
  CHECK(field_of(answer, "x-outrigger-served-by") == "new");
  CHECK(body_of(answer) == "data");
}

TEST_CASE("a stream passes byte for byte, pings included, each piece at once, for as long as it lasts") {
  DifyBench bench("[dify]\nfirst_event = \"1m\"\n");
  auto client = bench.ask({.stream = true});
  REQUIRE(bench.asked.size() == 1);
  bench.last().begin_stream();
  std::string all;
  for (int i = 0; i < 4 * 360; ++i) {
    const std::string piece = i % 3 == 0 ? dify_event("message", ",\"answer\":\"x\"") : k_ping;
    bench.last().chunk(piece);
    all += piece;
    bench.pass(10s);
  }
  CHECK(body_of(client->received()) == all);
  bench.last().chunk(dify_event("message_end"));
  bench.last().end_stream();
  bench.settle();
  CHECK(body_of(client->received()) == all + dify_event("message_end"));
  CHECK(is_whole(client->received()));
  CHECK(bench.metric("outrigger_requests_total{door=\"dify\",app=\"faq\",outcome=\"ok\"}") == "1");
}

TEST_CASE("runs beyond the limit wait, streams first, and everything else goes past them") {
  DifyBench bench("[dify]\nconcurrency = 1\n");
  auto running = bench.ask({});
  auto blocking = bench.ask({.user = "blocking"});
  auto streaming = bench.ask({.user = "streaming", .stream = true});
  CHECK(bench.asked.size() == 1);
  auto console = bench.send(get("/console/api/apps"));
  CHECK(bench.asked.size() == 2);
  bench.asked[0].answer(k_blocking);
  bench.settle();
  REQUIRE(bench.asked.size() == 3);
  CHECK(bench.last().body.find("streaming\"}") != std::string::npos);
  bench.last().begin_stream();
  bench.last().chunk(dify_event("message_end"));
  bench.settle();
  CHECK(bench.asked.size() == 3);  // it has its place until its end
  bench.last().end_stream();
  bench.settle();
  REQUIRE(bench.asked.size() == 4);
  CHECK(bench.last().body.find("\"user\":\"blocking\"") != std::string::npos);
}

TEST_CASE("who would wait too long is refused in Dify's words, with the time to come back") {
  DifyBench bench("[dify]\nconcurrency = 1\nqueue = { depth = 1, wait = \"3s\" }\n");
  auto running = bench.ask({});
  auto waiting = bench.ask({});
  auto full = bench.ask({});
  CHECK(full->received().starts_with("HTTP/1.1 429 "));
  CHECK(body_of(full->received()).find("\"code\":\"too_many_requests\"") != std::string::npos);
  CHECK(body_of(full->received()).find("\"status\":429") != std::string::npos);
  CHECK_FALSE(field_of(full->received(), "retry-after").empty());
  bench.pass(4s);
  CHECK(waiting->received().starts_with("HTTP/1.1 429 "));
  CHECK_FALSE(field_of(waiting->received(), "retry-after").empty());
  CHECK(bench.asked.size() == 1);
}

TEST_CASE("apps have equal shares, and an app's own limit leaves room for others") {
  DifyBench bench("concurrency = 1\n[[app]]\nname = \"other\"\nkey = \"app-other\"\n[dify]\nconcurrency = 2\n");
  std::vector<std::unique_ptr<sim::Peer>> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(bench.ask({}));
  CHECK(bench.asked.size() == 1);
  peers.push_back(bench.ask({.key = "app-other"}));
  CHECK(bench.asked.size() == 2);
  CHECK(field_of(bench.last().head, "Authorization") == "Bearer app-other");
  bench.asked[0].answer(k_blocking);
  bench.settle();
  CHECK(bench.asked.size() == 3);
}

TEST_CASE("a user's runs have a limit of their own, if the operator sets one") {
  DifyBench bench("[dify]\nper_user = 1\n");
  auto first = bench.ask({.user = "a"});
  auto second = bench.ask({.user = "a"});
  auto other = bench.ask({.user = "b"});
  CHECK(bench.asked.size() == 2);
  bench.asked[0].answer(k_blocking);
  bench.settle();
  CHECK(bench.asked.size() == 3);
}

TEST_CASE("Dify's too_many_requests is waited out; its quota is passed on") {
  DifyBench bench;
  auto client = bench.ask({});
  bench.last().answer(R"({"code":"too_many_requests","message":"m","status":429})", 429);
  bench.settle();
  CHECK(client->received().empty());
  bench.pass(2s);
  REQUIRE(bench.asked.size() == 2);
  CHECK(bench.asked[1].host == "new");
  bench.last().answer(R"({"code":"rate_limit_error","message":"m","status":429})", 429);
  bench.settle();
  CHECK(body_of(client->received()) == R"({"code":"rate_limit_error","message":"m","status":429})");
  CHECK(bench.asked.size() == 2);
}

TEST_CASE("an app that has too many runs is refused when its time is over, and holds nobody else up") {
  DifyBench bench("[[app]]\nname = \"other\"\nkey = \"app-other\"\n[dify]\nqueue = { wait = \"5s\" }\n");
  auto client = bench.ask({});
  for (int i = 0; i < 20 && client->received().empty(); ++i) {
    if (bench.last().peer->open() && !bench.last().peer->ended()) {
      bench.last().answer(R"({"code":"too_many_requests","message":"m","status":429})", 429);
    }
    bench.pass(500ms);
  }
  CHECK(client->received().starts_with("HTTP/1.1 429 "));
  CHECK_FALSE(field_of(client->received(), "retry-after").empty());
  const std::size_t before = bench.asked.size();
  auto other = bench.ask({.key = "app-other"});
  CHECK(bench.asked.size() == before + 1);
}

TEST_CASE("a run whose request was sent is never sent again") {
  DifyBench bench;
  auto client = bench.ask({});
  bench.last().peer->close();
  bench.pass(10s);
  CHECK(bench.asked.size() == 1);
  CHECK(client->received().starts_with("HTTP/1.1 502 "));
  CHECK(body_of(client->received()).find("\"status\":502") != std::string::npos);
  CHECK(client->received().find("9000") == std::string::npos);
}

TEST_CASE("a backend that refuses connections is passed over, and comes back slowly") {
  DifyBench bench;
  bench.backend(0).stop();
  auto client = bench.ask({});
  bench.pass(100ms);
  REQUIRE(bench.asked.size() == 1);
  CHECK(bench.last().host == "old");
  bench.last().answer(k_blocking);
  bench.settle();
  CHECK(body_of(client->received()) == k_blocking);
  CHECK(field_of(client->received(), "x-outrigger-served-by") == "old");
  CHECK(field_of(client->received(), "x-outrigger-attempts") == "2");
}

TEST_CASE("a lone backend that is away for a moment is waited for") {
  DifyBench bench("");
  bench.backend(0).stop();
  auto client = bench.ask({});
  bench.pass(50ms);
  CHECK(client->received().empty());
  bench.backend(0).start();
  bench.pass(3s);
  REQUIRE(bench.asked.size() == 1);
  bench.last().answer(k_blocking);
  bench.settle();
  CHECK(body_of(client->received()) == k_blocking);
}

TEST_CASE("a model provider's failure is the app's: it goes to the fallback, and others stay") {
  DifyBench bench("[[app]]\nname = \"other\"\nkey = \"app-other\"\n[dify]\nfallback = [\"old\"]\n");
  for (int i = 0; i < 3; ++i) {
    auto client = bench.ask({});
    REQUIRE(bench.last().host == "new");
    bench.last().answer(R"({"code":"completion_request_error","message":"m","status":400})", 400);
    bench.settle();
    CHECK(body_of(client->received()) == R"({"code":"completion_request_error","message":"m","status":400})");
  }
  auto client = bench.ask({});
  CHECK(bench.last().host == "old");
  auto other = bench.ask({.key = "app-other"});
  CHECK(bench.last().host == "new");
}

TEST_CASE("who has waited to the end for one backend is not kept for another") {
  const bool in_time = GENERATE(true, false);
  DifyBench bench(fmt::format("[dify]\nfallback = [\"old\"]\nqueue = {{ wait = \"{}\" }}\n", in_time ? "30s" : "1s"));
  bench.world.net.site({"new", 9000, false}).faults.blackhole = 1;
  auto client = bench.ask({});
  bench.pass(5s);  // a connection has three seconds
  CHECK(bench.asked.size() == (in_time ? 1 : 0));
  CHECK(client->received().starts_with(in_time ? "" : "HTTP/1.1 504 "));
  if (!in_time) CHECK_FALSE(field_of(client->received(), "Retry-After").empty());
}

TEST_CASE("an app over which Dify stumbles closes no door to others, with a fallback or without") {
  const bool has_fallback = GENERATE(true, false);
  DifyBench bench(std::string("[[app]]\nname = \"other\"\nkey = \"app-other\"\n") +
                  (has_fallback ? "[dify]\nfallback = [\"old\"]\n" : ""));
  for (int i = 0; i < 6; ++i) {
    auto client = bench.ask({});
    CHECK(bench.last().host == (has_fallback && i >= 3 ? "old" : "new"));
    bench.last().answer(R"({"code":"internal_server_error","message":"m","status":500})", 500);
    bench.settle();
    CHECK(client->received().starts_with("HTTP/1.1 500 "));
  }
  auto other = bench.ask({.key = "app-other"});
  CHECK(bench.asked.size() == 7);
  CHECK(bench.last().host == "new");
}

TEST_CASE("an error inside a stream, and a run that has failed, count like any other") {
  const auto [end, streamed] = GENERATE(table<std::string, bool>(
      {{dify_event("error", ",\"code\":\"completion_request_error\",\"status\":400,\"message\":\"m\""), true},
       {dify_event("workflow_finished", ",\"data\":{\"status\":\"failed\",\"error\":\"e\"}"), true},
       {R"({"task_id":"t","workflow_run_id":"w","data":{"status":"failed","error":"e"}})", false}}));
  DifyBench bench;
  const std::string path = end.contains("data\":{\"status\"") ? "/v1/workflows/run" : "/v1/chat-messages";
  for (int i = 0; i < 3; ++i) {
    auto client = bench.ask({.stream = streamed, .path = path});
    INFO(end);
    REQUIRE(bench.last().host == "new");
    if (streamed) {
      bench.last().begin_stream();
      bench.last().chunk(end);
      bench.last().end_stream();
    } else {
      bench.last().answer(end);
    }
    bench.settle();
    CHECK(body_of(client->received()) == end);
  }
  auto client = bench.ask({.stream = streamed, .path = path});
  CHECK(bench.last().host == "old");
}

TEST_CASE("5xx and silence before the first event are the backend's, for all apps") {
  DifyBench bench("[[app]]\nname = \"other\"\nkey = \"app-other\"\n[dify]\nfallback = [\"old\"]\nfirst_event = \"5s\"\n");
  for (int i = 0; i < 3; ++i) {
    auto client = bench.ask({.stream = true});
    REQUIRE(bench.last().host == "new");
    if (i == 0) {
      bench.last().answer("oops", 503);
    } else {
      bench.last().begin_stream();
      for (int j = 0; j < 6; ++j) {
        bench.last().chunk(k_ping);
        bench.pass(1s);
      }
      CHECK(body_of(client->received()).find("\"event\":\"error\"") != std::string::npos);
      CHECK(is_whole(client->received()));
    }
    bench.settle();
  }
  auto other = bench.ask({.key = "app-other"});
  CHECK(bench.last().host == "old");
}

TEST_CASE("a stream that breaks off ends with an error event, or with the connection inside of one") {
  DifyBench bench;
  auto whole = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.last().chunk(dify_event("message"));
  bench.settle();
  bench.last().peer->close();
  bench.settle();
  CHECK(body_of(whole->received()).starts_with(dify_event("message") + "data: {\"event\":\"error\""));
  CHECK(is_whole(whole->received()));

  auto torn = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.last().chunk("data: {\"event\"");
  bench.settle();
  bench.last().peer->close();
  bench.settle();
  CHECK(body_of(torn->received()) == "data: {\"event\"");
  CHECK_FALSE(is_whole(torn->received()));
  CHECK(torn->ended());
}

TEST_CASE("a client that leaves ends the call, and the run, if so configured, in its own user's name") {
  const bool stops = GENERATE(true, false);
  DifyBench bench(stops ? "[dify]\nstop_on_leave = true\n" : "");
  auto client = bench.ask({.user = "a\\\"b", .stream = true});
  bench.last().begin_stream();
  bench.last().chunk(dify_event("message"));
  bench.settle();
  sim::Peer* run = bench.last().peer;
  client->close();
  bench.settle();
  CHECK(run->ended());
  REQUIRE(bench.asked.size() == (stops ? 2 : 1));
  if (!stops) return;
  CHECK(bench.last().head.starts_with("POST /v1/chat-messages/aaaa-1/stop HTTP/1.1\r\n"));
  CHECK(field_of(bench.last().head, "Authorization") == "Bearer app-faq");
  CHECK(bench.last().body == "{\"user\":\"a\\\"b\"}");
  bench.last().answer(R"({"result":"success"})");
  bench.settle();
  CHECK(bench.metric("outrigger_dify_stops_total{outcome=\"ok\"}") == "1");
  CHECK(bench.door.stops().size() == 0);
  CHECK(bench.log.lines.back().find("\"error\":\"client_gone\"") != std::string::npos);
}

TEST_CASE("who left without a task, or after the end, stops nothing") {
  DifyBench bench("[dify]\nstop_on_leave = true\n");
  auto early = bench.ask({.stream = true});
  early->close();
  bench.settle();
  CHECK(bench.asked.size() == 1);
  auto late = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.last().chunk(dify_event("message_end"));
  bench.settle();
  late->close();
  bench.settle();
  CHECK(bench.asked.size() == 2);
}

TEST_CASE("who leaves while waiting gives the place to the next") {
  DifyBench bench("[dify]\nconcurrency = 1\n");
  auto running = bench.ask({});
  auto leaver = bench.ask({.user = "leaver"});
  auto next = bench.ask({.user = "next"});
  leaver->close();
  bench.settle();
  bench.asked[0].answer(k_blocking);
  bench.settle();
  REQUIRE(bench.asked.size() == 2);
  CHECK(bench.last().body.find("\"next\"") != std::string::npos);
}

TEST_CASE("uploads pass as they come, with back-pressure") {
  DifyBench bench;
  bench.backend(0).reading = false;
  auto client = sim::dial(bench.world, DifyBench::k_door);
  client->send(
      "POST /v1/files/upload HTTP/1.1\r\nHost: d\r\nContent-Type: multipart/form-data; boundary=b\r\n"
      "Content-Length: 10000000000\r\n\r\n");
  const std::string piece(64 * 1024, 'x');
  std::size_t sent = 0;
  for (int i = 0; i < 200 && client->unsent() < 256 * 1024; ++i) {
    client->send(piece);
    sent += piece.size();
    bench.settle();
  }
  CHECK(sent < 8u << 20);  // it was stopped long before
  CHECK(client->received().empty());
}

TEST_CASE("a client that never reads is given up, and with it the call") {
  DifyBench bench;
  auto client = sim::dial(bench.world, DifyBench::k_door);
  client->pause();
  client->send(wire(Run{.stream = true}));
  bench.settle();
  REQUIRE(bench.asked.size() == 1);
  bench.last().begin_stream();
  const std::string big = dify_event("message", ",\"answer\":\"" + std::string(60000, 'x') + "\"");
  for (int i = 0; i < 100; ++i) {
    bench.last().chunk(big);
    bench.settle();
  }
  CHECK(bench.last().peer->unsent() > 0);
  bench.pass(3min);
  CHECK(bench.last().peer->ended());
  CHECK(bench.door.flows() == 0);
}

TEST_CASE("what the door does not do it says in Dify's words") {
  DifyBench bench;
  auto malformed =
      bench.send("POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc");
  CHECK(malformed->received().starts_with("HTTP/1.1 400 "));
  CHECK(body_of(malformed->received()).find("\"status\":400") != std::string::npos);
  auto smuggled = bench.send(
      "POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  CHECK(smuggled->received().starts_with("HTTP/1.1 400 "));
  CHECK(bench.asked.empty());
}

TEST_CASE("a reload that takes the backends away sends nobody's key elsewhere") {
  DifyBench bench;
  bench.door.set_snapshot(snapshot_of("[[upstream]]\nname = \"relay\"\nurl = \"http://new:9000\"\n"));
  auto client = bench.ask({});
  CHECK(client->received().starts_with("HTTP/1.1 503 "));
  CHECK(bench.asked.empty());
}

TEST_CASE("what is left when a drain ends is cut with an event") {
  DifyBench bench;
  auto client = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.last().chunk(dify_event("message"));
  bench.settle();
  bench.door.abandon_all(ErrorCode::draining);
  bench.settle();
  CHECK(body_of(client->received()).find("\"event\":\"error\"") != std::string::npos);
  CHECK(bench.door.flows() == 0);
}

TEST_CASE("the log names the app and never its key") {
  DifyBench bench;
  auto known = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.pass(1s);
  bench.last().chunk(dify_event("message"));
  bench.last().end_stream();
  bench.settle();
  CHECK(bench.log.lines.back().find("\"door\":\"dify\"") != std::string::npos);
  CHECK(bench.log.lines.back().find("\"app\":\"faq\",\"kind\":\"run\"") != std::string::npos);
  CHECK(bench.log.lines.back().find("\"first_event_ms\":") != std::string::npos);
  auto unknown = bench.ask({.key = "app-secret-of-somebody"});
  bench.last().answer(R"({"code":"unauthorized","message":"m","status":401})", 401);
  bench.settle();
  CHECK(bench.log.lines.back().find("\"app\":\"unknown\"") != std::string::npos);
  for (const std::string& line : bench.log.lines) CHECK(line.find("app-") == std::string::npos);
}

}  // namespace
}  // namespace outrigger::proxy
