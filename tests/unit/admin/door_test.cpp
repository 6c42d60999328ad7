// The admin door in virtual time: what it shows, and the live stream.
#include "admin/admin_door.h"

#include <catch2/benchmark/catch_benchmark.hpp>
#include <catch2/catch_test_macros.hpp>

#include "obs/utf8.h"
#include "unit/proxy/door_bench.h"

namespace outrigger::admin {
namespace {

using proxy::test::body_of;
using proxy::test::DoorBench;
using proxy::test::field_of;

class AdminBench : public DoorBench {
 public:
  AdminBench() : admin(world.world(), door, registry, journal, hooks(), "1.2.3"), admin_server(world.world(), {}, admin) {
    door.set_journal(&journal);
    admin_listener = std::move(*world.net.listen(
        k_admin, std::nullopt, [this](std::unique_ptr<io::Stream> stream) { admin_server.accept(std::move(stream)); }));
  }

  std::string get(std::string_view target, std::string_view fields = "") {
    auto peer = open(target, fields);
    return peer->received();
  }
  std::unique_ptr<sim::Peer> open(std::string_view target, std::string_view fields = "") {
    auto peer = sim::dial(world, k_admin);
    peer->send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", target, fields));
    settle();
    return peer;
  }
  std::string post(std::string_view target, std::string_view body) {
    auto peer = sim::dial(world, k_admin);
    peer->send(
        fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", target, body.size(), body));
    settle();
    return peer->received();
  }

  static inline const io::Address k_admin{"outrigger", 9090, false};
  obs::Journal journal;
  std::uint64_t lost = 0;
  std::string reload_problem;
  std::vector<std::string> log_lines;
  AdminDoor admin;
  http::Server admin_server;
  std::unique_ptr<io::Listener> admin_listener;

 private:
  AdminHooks hooks() {
    AdminHooks hooks;
    hooks.is_ready = [] { return true; };
    hooks.drain = [] {};
    hooks.reload = [] { return std::string(); };
    hooks.reload_problem = [this] { return reload_problem; };
    hooks.log_lines_lost = [this] { return lost; };
    hooks.log = [this](LogLevel, std::string_view words) { log_lines.emplace_back(words); };
    return hooks;
  }
};

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++times;
  return times;
}

}  // namespace

TEST_CASE("requests, history and status tell of what the door has answered") {
  AdminBench bench;
  bench.exchange({.text = "one"}, "1");
  bench.exchange({.text = "one"}, "1");
  const std::string requests = body_of(bench.get("/api/requests"));
  CHECK(count(requests, "\"request_id\"") == 2);
  CHECK(requests.find("\"cache\":\"hit\"") < requests.find("\"cache\":\"miss\""));
  CHECK(count(body_of(bench.get("/api/requests?limit=1")), "\"request_id\"") == 1);
  CHECK(body_of(bench.get("/api/requests?limit=0")) == "{\"requests\":[]}");
  CHECK(count(body_of(bench.get("/api/requests?limit=18446744073709551615")), "\"request_id\"") == 2);
  for (const char* rubbish : {"-1", "x", "1x", "%00", "18446744073709551616", "1.5"}) {
    CAPTURE(rubbish);
    CHECK(bench.get(fmt::format("/api/requests?limit={}", rubbish)).starts_with("HTTP/1.1 400 "));
  }
  const std::string history = body_of(bench.get("/api/history?span=day"));
  CHECK(history.starts_with(
      "{\"span\":\"day\",\"step_seconds\":300,\"from\":\"2025-12-31T00:05:00.000Z\",\"points\":[{},{},"));
  CHECK(count(history, "\"hit\":1") == 1);
  CHECK(history.contains("\"models\":[{\"name\":\"m\","));
  CHECK(history.contains("\"routes\":[{\"name\":\"\","));
  CHECK(body_of(bench.get("/api/history")).starts_with("{\"span\":\"hour\",\"step_seconds\":10,"));
  CHECK(bench.get("/api/history?span=year").starts_with("HTTP/1.1 400 "));
  const std::string status = body_of(bench.get("/api/status"));
  CHECK(status.contains("\"state\": \"ok\""));
  CHECK(status.contains("\"total\": 2"));
}

TEST_CASE("a target that failed says how, until it is well again") {
  AdminBench bench;
  const auto answer = [&](std::string_view text, int status, std::string_view body = R"({"error":{"code":"sick"}})") {
    auto peer = bench.ask({.text = std::string(text)});
    bench.last().answer(status == 200 ? proxy::test::answer_json("x") : body, status);
    bench.settle();
  };
  answer("one", 200);
  CHECK_FALSE(body_of(bench.get("/api/status")).contains("\"last_error\": \"s"));  // Redis' own is empty
  answer("two", 500);
  CHECK(body_of(bench.get("/api/status")).contains("\"last_error\": \"sick\""));
  answer("page", 502, "<html>Bad Gateway</html>");
  CHECK(body_of(bench.get("/api/status")).contains("\"last_error\": \"status_502\""));
  answer("three", 200);
  CHECK_FALSE(body_of(bench.get("/api/status")).contains("\"last_error\": \"s"));  // Redis' own is empty
}

TEST_CASE("targets are steered by names in any script, one at a time") {
  AdminBench bench;
  for (const char* model : {"文心一言", "通义千问"}) {
    auto peer = bench.send(proxy::test::post(
        {}, fmt::format("{{\"model\":\"{}\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}]}}", model)));
    bench.last().answer(proxy::test::answer_json("y"));
    bench.settle();
  }
  CHECK(body_of(bench.get("/api/status")).contains("\"name\": \"main:文心一言\""));
  const std::string opened = bench.post("/api/targets/main%3A%E6%96%87%E5%BF%83%E4%B8%80%E8%A8%80/open", "");
  CHECK(opened.starts_with("HTTP/1.1 200 "));
  CHECK(opened.contains("\"target\": \"main:文心一言\""));
  const std::string status = body_of(bench.get("/api/status"));
  CHECK(count(status, "\"by_hand\": true") == 1);
  CHECK(count(status, "\"by_hand\": false") == 1);
}

TEST_CASE("the words of outcomes and cache results are those of the proxy") {
  for (std::size_t i = 0; i < proxy::k_outcomes; ++i) {
    CHECK(obs::k_outcome_words[i] == proxy::name(static_cast<proxy::Outcome>(i)));
  }
  for (std::size_t i = 0; i < proxy::k_cache_results; ++i) {
    CHECK(obs::k_cache_words[i] == proxy::name(static_cast<proxy::CacheResult>(i)));
  }
}

TEST_CASE("the page: its headers, and that it is sent once") {
  AdminBench bench;
  const std::string page = bench.get("/");
  CHECK(page.starts_with("HTTP/1.1 200 "));
  CHECK(body_of(page).starts_with("<!doctype html>"));
  CHECK(body_of(page).ends_with("</html>\n"));
  CHECK(field_of(page, "Content-Type") == "text/html; charset=utf-8");
  CHECK(field_of(page, "Content-Security-Policy").starts_with("default-src 'none';"));
  CHECK(field_of(page, "X-Content-Type-Options") == "nosniff");
  CHECK(field_of(page, "Referrer-Policy") == "no-referrer");
  CHECK(field_of(page, "Cache-Control") == "no-cache");
  const std::string again = bench.get("/", fmt::format("If-None-Match: {}\r\n", field_of(page, "ETag")));
  CHECK(again.starts_with("HTTP/1.1 304 "));
  CHECK(body_of(again).empty());
  CHECK(bench.get("/", "If-None-Match: \"other\"\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("who is not let in gets nothing, and is asked for the token where there is one") {
  AdminBench bench;
  bench.admin.set_access({.is_open = false, .token = "t"});
  for (const char* path : {"/", "/api/status", "/api/history", "/api/requests", "/api/events", "/nothing"}) {
    CAPTURE(path);
    const std::string answer = bench.get(path);
    CHECK(answer.starts_with("HTTP/1.1 401 "));
    CHECK(field_of(answer, "WWW-Authenticate").starts_with("Basic realm=\"outrigger\""));
    CHECK(bench.get(path, "Authorization: Basic dTp0\r\n")
              .starts_with(path == std::string("/nothing") ? "HTTP/1.1 404" : "HTTP/1.1 200"));
  }
  // Told once a minute.
  REQUIRE(bench.log_lines.size() == 1);
  CHECK(
      bench.log_lines[0].starts_with("the admin door has refused a request without the right admin token, the last from "));
  bench.world.loop.run_for(61s);
  bench.get("/");
  REQUIRE(bench.log_lines.size() == 2);
  CHECK(bench.log_lines[1].contains("6 requests"));
  CHECK(bench.metric("outrigger_admin_refused_total") == "7");
  bench.admin.set_access({.is_open = false, .token = ""});
  CHECK(field_of(bench.get("/"), "WWW-Authenticate").empty());
}

TEST_CASE("who is not let in is told so before the body, which nobody asks for") {
  AdminBench bench;
  bench.admin.set_access({.is_open = false, .token = "t"});
  for (const char* start :
       {"POST /api/cache/purge", "POST /api/explain", "POST /healthz", "PUT /metrics", "GET /api/status", "POST /nothing"}) {
    for (const char* length : {"Content-Length: 19922944\r\n", "Transfer-Encoding: chunked\r\n",
                               "Content-Length: 19922944\r\nExpect: 100-continue\r\n"}) {
      CAPTURE(start, length);
      auto peer = sim::dial(bench.world, AdminBench::k_admin);
      peer->send(fmt::format("{} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", start, length));
      bench.settle();
      CHECK(peer->received().starts_with("HTTP/1.1 401 "));
    }
  }
}

TEST_CASE("a body is as long as its question needs") {
  AdminBench bench;
  const auto ask = [&bench](std::string_view start, std::string_view rest) {
    auto peer = sim::dial(bench.world, AdminBench::k_admin);
    peer->send(fmt::format("{} HTTP/1.1\r\nHost: localhost\r\n{}", start, rest));
    bench.settle();
    return peer->received();
  };
  // Told at the head.
  CHECK(ask("POST /api/cache/purge", "Content-Length: 65537\r\n\r\n").starts_with("HTTP/1.1 413 "));
  CHECK(ask("GET /healthz", "Content-Length: 1\r\n\r\n").starts_with("HTTP/1.1 413 "));
  CHECK(ask("GET /readyz", "Transfer-Encoding: chunked\r\n\r\n").starts_with("HTTP/1.1 413 "));
  CHECK(ask("GET /healthz", "Content-Length: 0\r\n\r\n").starts_with("HTTP/1.1 200 "));
  // Told as soon as it is too long.
  CHECK(ask("POST /api/cache/purge", "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + std::string(65537, ' ') + "\r\n")
            .starts_with("HTTP/1.1 413 "));
  const std::string all = R"({"all": true})";
  CHECK(bench.post("/api/cache/purge", std::string(65536 - all.size(), ' ') + all).starts_with("HTTP/1.1 200 "));
  // A request to be explained may be as long as one at the llm door.
  const std::string long_one =
      R"({"model":"m","messages":[{"role":"user","content":")" + std::string(1 << 20, 'x') + R"("}]})";
  CHECK(bench.post("/api/explain", long_one).starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a live stream: status each second, records as they come, the hour's steps") {
  AdminBench bench;
  auto peer = bench.open("/api/events");
  std::string heard = peer->take();
  CHECK(heard.starts_with("HTTP/1.1 200 "));
  CHECK(field_of(heard, "Content-Type") == "text/event-stream");
  CHECK(count(heard, "event: status\n") == 1);
  bench.exchange({.text = "one"}, "1");
  bench.world.loop.run_for(100ms);
  heard = peer->take();
  CHECK(count(heard, "event: request\ndata: {\"time\":") == 1);
  bench.world.loop.run_for(10s);
  heard = peer->take();
  CHECK(count(heard, "event: status\n") == 10);
  REQUIRE(count(heard, "event: history\n") == 1);
  CHECK(heard.contains("event: history\ndata: {\"at\":\"2026-01-01T00:00:00.000Z\",\"point\":{\"requests\":1,"));
  CHECK(!heard.contains("skipped"));
}

TEST_CASE("more records than a listener can use are counted") {
  AdminBench bench;
  auto peer = bench.open("/api/events");
  obs::AccessRecord record;
  for (int i = 0; i < 350; ++i) bench.journal.add(record, "{}");
  bench.world.loop.run_for(1100ms);
  CHECK(count(peer->received(), "event: request\n") == 100);
  CHECK(peer->received().contains("event: skipped\ndata: {\"requests\":250}\n\n"));
  bench.journal.add(record, "{}");
  bench.world.loop.run_for(1100ms);
  CHECK(count(peer->received(), "event: request\n") == 101);
  CHECK(count(peer->received(), "event: skipped\n") == 1);
}

TEST_CASE("one who does not read costs bounded memory, disturbs nobody, and is let go") {
  AdminBench bench;
  auto slow = bench.open("/api/events");
  auto other = bench.open("/api/events");
  slow->pause();
  obs::AccessRecord record;
  const std::string line = "{\"x\":\"" + std::string(3000, 'x') + "\"}";
  std::size_t told = 0;
  for (int second = 0; second < 30; ++second) {
    for (int i = 0; i < 100; ++i) bench.journal.add(record, line);
    bench.world.loop.run_for(1s);
    told = count(other->received(), "event: request\n");
  }
  CHECK(told >= 2900);
  CHECK(bench.admin_server.connections() == 2);
  SECTION("it wakes up, and learns how much it has missed") {
    slow->resume();
    bench.world.loop.run_for(3s);
    CHECK(slow->received().contains("event: skipped\n"));
    CHECK(count(slow->received(), "event: request\n") < 300);
    bench.world.loop.run_for(100s);
    CHECK(bench.admin_server.connections() == 2);
  }
  SECTION("it never does") {
    bench.world.loop.run_for(61s);
    CHECK(bench.admin_server.connections() == 1);
    other->take();
    bench.world.loop.run_for(2s);
    CHECK(count(other->take(), "event: status\n") == 2);
  }
}

TEST_CASE("sixteen may listen, and a place that becomes free is given again") {
  AdminBench bench;
  std::vector<std::unique_ptr<sim::Peer>> peers;
  for (std::size_t i = 0; i < Events::k_listeners_max; ++i) {
    peers.push_back(bench.open("/api/events"));
    CHECK(peers.back()->received().starts_with("HTTP/1.1 200 "));
  }
  const std::string refused = bench.get("/api/events");
  CHECK(refused.starts_with("HTTP/1.1 503 "));
  CHECK(refused.contains("16 listeners"));
  CHECK(field_of(refused, "Retry-After") == "10");
  peers.pop_back();
  bench.settle();
  auto peer = bench.open("/api/events");
  CHECK(peer->received().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("while nobody listens, nothing is done") {
  AdminBench bench;
  bench.world.loop.run_for(1h);
  const std::size_t timers = bench.world.loop.timers();
  {
    auto peer = bench.open("/api/events");
    bench.journal.add({}, "{}");
    CHECK(bench.world.loop.timers() > timers);
  }
  bench.world.loop.run_for(1h);
  CHECK(bench.admin_server.connections() == 0);
  bench.journal.add({}, "{}");  // to no one
  CHECK(bench.world.loop.timers() == timers);
}

TEST_CASE("a lost line of the log, and a refused reload, are told for a while") {
  AdminBench bench;
  CHECK(body_of(bench.get("/api/status")).contains("\"state\": \"ok\""));
  bench.lost = 5;
  bench.reload_problem = "x.toml:1:1: no";
  std::string status = body_of(bench.get("/api/status"));
  CHECK(status.contains("\"access_log_lost\""));
  CHECK(status.contains("5 lines"));
  CHECK(status.contains("\"reload_failed\""));
  bench.reload_problem.clear();
  bench.world.loop.run_for(6min);
  status = body_of(bench.get("/api/status"));
  CHECK(status.contains("\"state\": \"ok\""));
  bench.lost = 6;
  CHECK(body_of(bench.get("/api/status")).contains("1 lines"));
}

TEST_CASE("names from outside that are no UTF-8 do not spoil an answer") {
  AdminBench bench;
  bench.send(
      "POST /v1/\xff\xfe HTTP/1.1\r\nHost: o\r\nContent-Length: 16\r\nContent-Type: application/json\r\n\r\n"
      "{\"model\":\"\xff\xfe\xc0\"} ");
  if (!bench.asked.empty()) bench.last().answer("{}");
  bench.settle();
  for (const char* path : {"/api/status", "/api/requests", "/api/history"}) {
    CAPTURE(path);
    const std::string body = body_of(bench.get(path));
    CHECK(obs::valid_utf8(body) == body);
  }
}

TEST_CASE("what a look costs while a thousand targets are known", "[.bench]") {
  AdminBench bench;
  for (int i = 0; i < 1000; ++i) {
    const std::string body =
        fmt::format("{{\"model\":\"model-{}\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}]}}", i);
    auto peer = bench.send(proxy::test::post({}, body));
    bench.last().answer(proxy::test::answer_json("y"));
    bench.settle();
  }
  CHECK(bench.door.lanes().size() == 1000);
  const WallTime now = bench.world.loop.wall_now();
  for (const char* path : {"/api/status", "/api/history", "/api/requests"}) {
    CAPTURE(path);
    WARN(path << ": " << body_of(bench.get(path)).size() << " bytes");
  }
  BENCHMARK("/api/status") { return bench.get("/api/status").size(); };
  BENCHMARK("/api/requests?limit=500") { return bench.get("/api/requests?limit=500").size(); };
  BENCHMARK("/api/history: taken together") {
    return bench.journal.history().view(obs::History::Span::hour, now).points.size();
  };
  BENCHMARK("/api/history: told") { return bench.get("/api/history").size(); };
  BENCHMARK("/healthz, to compare with") { return bench.get("/healthz").size(); };
}

}  // namespace outrigger::admin
