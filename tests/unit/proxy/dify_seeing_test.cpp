// What operators see of the dify door: names of apps, runs by app and by backend, what they cost.
#include <catch2/catch_test_macros.hpp>

#include "dify_bench.h"

namespace outrigger::proxy::test {
namespace {

const std::string k_usage =
    R"("usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"total_price":"0.0015","currency":"USD"})";
const std::string k_paid = R"({"event":"message","task_id":"aaaa-1","id":"m-1","answer":"hi","metadata":{)" + k_usage + "}}";

TEST_CASE("runs, tokens and prices are counted by app, times by backend") {
  DifyBench bench;
  auto blocking = bench.ask({});
  bench.pass(500ms);
  bench.last().answer(k_paid);
  bench.settle();
  auto stream = bench.ask({.stream = true});
  bench.last().begin_stream();
  bench.pass(300ms);
  bench.last().chunk(dify_event("message", R"(,"answer":"hi")"));
  bench.pass(700ms);
  bench.last().chunk(dify_event("message_end", ",\"metadata\":{" + k_usage + "}"));
  bench.last().end_stream();
  bench.settle();
  CHECK(bench.metric(R"(outrigger_dify_runs_total{app="faq",kind="chat",outcome="ok"})") == "2");
  CHECK(bench.metric(R"(outrigger_dify_tokens_total{app="faq",direction="input"})") == "20");
  CHECK(bench.metric(R"(outrigger_dify_tokens_total{app="faq",direction="output"})") == "10");
  CHECK(bench.metric(R"(outrigger_dify_price_total{app="faq",currency="USD"})") == "0.003");
  CHECK(bench.metric(R"(outrigger_dify_first_event_seconds_count{app="faq"})") == "1");
  CHECK(bench.metric(R"(outrigger_dify_run_seconds_count{backend="new"})") == "2");
  const std::string& line = bench.log.lines.back();
  INFO(line);
  CHECK(line.find(R"("upstream":"new")") != std::string::npos);
  CHECK(line.find(R"("prompt_tokens":10,"completion_tokens":5,"price":0.0015,"currency":"USD")") != std::string::npos);
  const DifyMetrics::Backend& seen = bench.door.dify_metrics().backends().at("new");
  CHECK(seen.runs[static_cast<std::size_t>(Outcome::ok)] == 2);
  CHECK(seen.prompt_tokens == 20);
  CHECK(seen.price.at("USD") == 0.003);
  CHECK(seconds(*seen.first_event.at(0.5)) > 0.28);
  CHECK(seconds(*seen.first_event.at(0.5)) < 0.34);
  CHECK(seconds(*seen.whole_run.at(0)) > 0.45);
  CHECK(seconds(*seen.whole_run.at(0.99)) > 0.95);
  CHECK(seconds(*seen.whole_run.at(0.99)) < 1.1);
}

TEST_CASE("what went wrong is counted in Dify's word for it, or in ours, at the backend where it did") {
  DifyBench bench("[dify]\nconcurrency = 1\nfirst_event = \"5s\"\nqueue = { depth = 0 }\n");
  auto status = bench.ask({});
  bench.last().answer(R"({"code":"completion_request_error","message":"m","status":400})", 400);
  bench.settle();
  auto odd = bench.ask({});
  bench.last().answer(R"({"code":"some_new_word","message":"m","status":418})", 418);
  bench.settle();
  auto event = bench.ask({.stream = true, .path = "/v1/workflows/run"});
  bench.last().begin_stream();
  bench.last().chunk(dify_event("workflow_finished", R"(,"data":{"status":"failed","total_tokens":7})"));
  bench.last().end_stream();
  bench.settle();
  auto silent = bench.ask({.stream = true});
  auto refused = bench.ask({});
  bench.pass(6s);
  const auto errors = [&](std::string_view code) {
    return bench.metric(fmt::format(R"(outrigger_dify_errors_total{{app="faq",code="{}"}})", code));
  };
  CHECK(errors("completion_request_error") == "1");
  CHECK(errors("other") == "1");
  CHECK(errors("workflow_failed") == "1");
  CHECK(errors("first_token_timeout") == "1");
  CHECK(errors("queue_full") == "1");
  CHECK(bench.metric(R"(outrigger_dify_runs_total{app="faq",kind="workflow",outcome="upstream_error"})") == "1");
  CHECK(bench.metric(R"(outrigger_dify_tokens_total{app="faq",direction="output"})") == "7");
  const DifyMetrics::Backend& seen = bench.door.dify_metrics().backends().at("new");
  CHECK(seen.errors.size() == 4);
  CHECK(seen.errors.contains("first_token_timeout"));
  CHECK(seen.whole_run.samples() == 0);
}

const std::string k_info = R"({"name":"Help\n Desk ","description":"d","tags":[]})";

// The one who asked for the name; the runs go on meanwhile.
Asked* info_call(DifyBench& bench) {
  for (Asked& asked : bench.asked) {
    if (asked.head.starts_with("GET /v1/info ")) return &asked;
  }
  return nullptr;
}

TEST_CASE("an app that is not in the file is called what Dify calls it, which is asked once and delays nobody") {
  DifyBench bench("");
  auto first = bench.ask({.key = "app-secret"});
  CHECK(info_call(bench) == nullptr);
  bench.asked[0].answer(k_blocking);
  bench.settle();
  CHECK(body_of(first->received()) == k_blocking);
  Asked* asked = info_call(bench);
  REQUIRE(asked != nullptr);
  CHECK(field_of(asked->head, "Authorization") == "Bearer app-secret");
  asked->answer(k_info);
  bench.settle();
  for (int i = 0; i < 3; ++i) {
    auto next = bench.ask({.key = "app-secret"});
    bench.last().answer(k_blocking);
    bench.settle();
  }
  CHECK(bench.asked.size() == 5);
  CHECK(bench.metric(R"(outrigger_dify_runs_total{app="Help Desk",kind="chat",outcome="ok"})") == "3");
  CHECK(bench.log.lines.back().find(R"("app":"Help Desk")") != std::string::npos);
  std::vector<std::string> labels;
  bench.door.apps().each([&](const std::string& label, const Lane&) { labels.push_back(label); });
  CHECK(labels == std::vector<std::string>{"Help Desk"});
  for (const std::string& line : bench.log.lines) CHECK(line.find("app-secret") == std::string::npos);
  CHECK(bench.registry.expose().find("app-secret") == std::string::npos);
}

TEST_CASE("a client that asks for its app's name tells it us") {
  DifyBench bench;
  auto asking = bench.send(get("/v1/info", "Authorization: Bearer app-secret\r\n"));
  bench.last().answer(k_info);
  bench.settle();
  CHECK(body_of(asking->received()) == k_info);
  auto run = bench.ask({.key = "app-secret"});
  bench.last().answer(k_blocking);
  bench.settle();
  CHECK(bench.asked.size() == 2);
  CHECK(bench.metric(R"(outrigger_dify_runs_total{app="Help Desk",kind="chat",outcome="ok"})") == "1");
}

TEST_CASE("a name that cannot be had is asked for again after a while, and an unknown key is no app") {
  DifyBench bench;
  const auto run = [&](int status) {
    auto client = bench.ask({.key = "app-secret"});
    bench.last().answer(status == 200 ? k_blocking : R"({"code":"unauthorized","message":"m","status":401})", status);
    bench.settle();
  };
  run(401);
  CHECK(bench.asked.size() == 1);
  run(200);
  REQUIRE(bench.asked.size() == 3);
  bench.last().answer("{}", 500);
  bench.settle();
  run(200);
  CHECK(bench.asked.size() == 4);
  bench.pass(DifyNames::k_asks_again);
  run(200);
  REQUIRE(bench.asked.size() == 6);
  bench.pass(Asides::k_limit);  // no answer at all
  CHECK(bench.last().peer->ended());
  run(200);
  CHECK(bench.asked.size() == 7);
  CHECK(bench.registry.expose().find(R"({app="unknown",kind="chat",outcome="client_error"})") != std::string::npos);
}

TEST_CASE("there are only so many apps, currencies and words in labels") {
  obs::Registry registry;
  Metrics metrics(registry);
  DifyMetrics dify(metrics);
  for (int i = 0; i < 300; ++i) {
    const std::string name = std::to_string(i);
    DifyRun run;
    run.app = run.currency = name;
    run.backend = "b";
    run.price = 1;
    dify.count_run(run, MonoTime{});
  }
  CHECK(registry.expose().find(R"(outrigger_dify_runs_total{app="other",kind="other",outcome="ok"} 100)") !=
        std::string::npos);
  const auto& prices = dify.backends().at("b").price;
  CHECK(prices.size() == DifyMetrics::k_currencies_max + 1);
  CHECK(prices.at("other") == 300 - DifyMetrics::k_currencies_max);
}

}  // namespace
}  // namespace outrigger::proxy::test
