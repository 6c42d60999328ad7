// What [[client]]s may: limits of rate and budgets at the llm door, in virtual time.
#include "proxy/clients.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/client_bench.h"

namespace outrigger::proxy::test {
namespace {

using resilience::Period;
using std::chrono::sys_days;

TEST_CASE("a client's requests of a minute are counted before anything else, and it is told when to come again") {
  ClientBench b("rate = { requests_per_minute = 2 }");
  CHECK(status(b.pay("one")) == 200);
  b.world.loop.run_for(10s);
  CHECK(status(b.pay("one")) == 200);  // a hit counts
  const std::string refused = b.pay("one");
  CHECK(status(refused) == 429);
  CHECK(says(refused, "\"code\":\"client_rate_limited\""));
  CHECK(says(refused, "\"type\":\"rate_limit_error\""));
  CHECK(says(refused, "The client `desk` has used the 2 requests that it may use in a minute. Try again in 51 s"));
  CHECK(field_of(refused, "x-should-retry") == "false");
  CHECK(field_of(refused, "Retry-After") == "51");
  const int millis = std::stoi(field_of(refused, "retry-after-ms"));
  CHECK(millis > 50'000);
  CHECK(millis <= 51'000);
  // Whoever else comes is not concerned.
  CHECK(status(b.exchange({.text = "one", .key = "other-key"}, "answer")) == 200);
  b.world.loop.run_for(std::chrono::milliseconds(millis));
  CHECK(status(b.pay("one")) == 200);
  CHECK(b.metric("outrigger_client_requests_total{client=\"desk\",outcome=\"refused\"}") == "1");
  CHECK(b.metric("outrigger_client_requests_total{client=\"desk\",outcome=\"ok\"}") == "3");
  CHECK(b.account().requests() == 4);
  CHECK(b.account().refused() == 1);
}

TEST_CASE("a budget ends what costs money, and nothing else") {
  ClientBench b("budget = { usd_per_day = 4, usd_per_month = 100 }");
  CHECK(status(b.pay("one")) == 200);
  CHECK(status(b.pay("two")) == 200);
  CHECK(b.spent() == 4);
  const std::string refused = b.pay("three");
  CHECK(status(refused) == 429);
  CHECK(says(refused, "\"code\":\"client_budget_spent\""));
  CHECK(says(refused, "The client `desk` has used its budget of 4.00 USD for this day. It begins anew on 2026-12-01 (UTC)"));
  CHECK(field_of(refused, "x-should-retry") == "false");
  CHECK(std::stoi(field_of(refused, "Retry-After")) > 43'000);
  CHECK(b.asked.size() == 2);
  CHECK(status(b.pay("one")) == 200);  // a hit
  CHECK(field_of(b.pay("two"), "x-outrigger-cache") == "hit");
  CHECK(status(b.send("GET /v1/models HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n\r\n")->received()) == 0);
  CHECK(b.asked.size() == 3);  // reads of what is free go on
  CHECK(b.metric("outrigger_client_spent_usd_total{client=\"desk\"}") == "4");
  // At midnight a new day, and a new month, begins.
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 12 / 1));
  CHECK(b.spent() == 0);
  CHECK(b.spent(Period::month) == 0);
  CHECK(status(b.pay("three")) == 200);
}

TEST_CASE("the month's budget holds over days, and begins anew at the first") {
  ClientBench b("budget = { usd_per_month = 2 }");
  CHECK(status(b.pay("one")) == 200);
  CHECK(says(b.pay("two"), "its budget of 2.00 USD for this month. It begins anew on 2026-12-01 (UTC)"));
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 12 / 1) - 1s);
  CHECK(status(b.pay("two")) == 429);
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 12 / 1));
  CHECK(status(b.pay("two")) == 200);
  // Back again: what was used stays used.
  b.world.loop.set_wall(sys_days(std::chrono::year(2026) / 11 / 30));
  CHECK(status(b.pay("three")) == 429);
}

TEST_CASE("a stale answer is better than none when the budget is used up") {
  ClientBench b("budget = { usd_per_day = 4 }", "ttl = \"60s\"");
  b.pay("one");
  b.pay("two");
  b.world.loop.run_for(2min);
  const std::string stale = b.pay("one");
  CHECK(status(stale) == 200);
  CHECK(field_of(stale, "x-outrigger-cache") == "stale");
  CHECK(b.asked.size() == 2);
  CHECK(status(b.pay("three")) == 429);
}

TEST_CASE("a thousand at once do not overrun a budget by a thousand answers") {
  for (const bool is_limited : {true, false}) {
    CAPTURE(is_limited);
    ClientBench b("budget = { usd_per_day = 20 }");
    // Known: two tokens, two dollars an answer. Nine are the first, so that the mean is known.
    for (int i = 0; !is_limited && i < 8; ++i) b.pay("first " + std::to_string(i));
    const double before = b.spent();
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 1000; ++i) {
      peers.push_back(sim::dial(b.world, DoorBench::k_door));
      peers.back()->send(wire({.text = std::to_string(i), .more = is_limited ? ",\"max_tokens\":2" : ""}));
    }
    b.world.loop.run_for(1s);
    const std::size_t first = is_limited ? 0 : 8;
    CHECK(b.asked.size() > first);
    for (std::size_t i = first; i < b.asked.size(); ++i) b.asked[i].answer(answer_json("answer"));
    b.world.loop.run_for(1s);
    std::size_t served = 0, refused = 0;
    for (const auto& peer : peers) {
      served += status(peer->received()) == 200 ? 1 : 0;
      refused += status(peer->received()) == 429 ? 1 : 0;
    }
    CHECK(served + refused == 1000);
    CHECK(b.spent() == before + 2.0 * static_cast<double>(served));
    CHECK(b.spent() <= 20);
    if (is_limited) CHECK(served == 10);
    CHECK(b.account().budget().reserved() == 0);
    // What is left can be used to the last.
    for (int i = 0; i < 10; ++i) b.pay("last " + std::to_string(i));
    CHECK(b.spent() == 20);
  }
}

TEST_CASE("while what is under way may use up the rest, it is said so, for a moment") {
  ClientBench b("budget = { usd_per_day = 5 }");
  const auto first = b.ask({.text = "one", .more = ",\"max_tokens\":4"});
  const std::string second = b.ask({.text = "two", .more = ",\"max_tokens\":4"})->received();
  CHECK(status(second) == 429);
  CHECK(says(second, "What the client `desk` has under way may use up the rest of its budget of 5.00 USD for this day"));
  CHECK(field_of(second, "Retry-After") == "1");
  b.last().answer(answer_json("answer"));
  b.settle();
  CHECK(status(first->received()) == 200);
  CHECK(status(b.pay("two")) == 200);
}

TEST_CASE("what was cut or left is booked, and failures give back what was reserved") {
  ClientBench b("budget = { usd_per_day = 100 }");
  const auto failing = b.ask({.text = "one"});
  CHECK(b.account().budget().reserved() > 0);
  b.last().answer("{}", 500);
  b.settle();
  CHECK(b.account().budget().reserved() == 0);
  CHECK(b.spent() == 0);
  auto leaving = b.ask({.text = "two", .stream = true});
  b.last().begin_stream();
  for (int i = 0; i < 3; ++i) b.last().chunk(event("a"));
  b.settle();
  leaving->close();
  b.settle();
  CHECK(b.account().budget().reserved() == 0);
  CHECK(b.spent() == 3);
}

TEST_CASE("a client's budget is not asked for what another one has paid, and its refusal is its own") {
  ClientBench b("budget = { usd_per_day = 2 }", "scope = \"global\"");
  b.pay("one");
  const std::string refused = b.pay("two");
  CHECK(status(refused) == 429);
  // The other one leads, the first one joins for nothing.
  const auto leading = b.ask({.text = "two", .key = "other-key"});
  const auto joining = b.ask({.text = "two"});
  b.last().answer(answer_json("answer"));
  b.settle();
  CHECK(status(leading->received()) == 200);
  CHECK(status(joining->received()) == 200);
  CHECK(field_of(joining->received(), "x-outrigger-cache") == "coalesced");
  CHECK(b.spent() == 2);
  CHECK(b.account("other").spent_usd(Period::day) == 2);
}

TEST_CASE("who has joined a call that its payer may not make asks for itself") {
  ClientBench b("budget = { usd_per_day = 2 }", "scope = \"global\"");
  b.pay("one");
  // Both in one turn of the loop: the second one joins before the first one is refused.
  auto first = sim::dial(b.world, DoorBench::k_door), second = sim::dial(b.world, DoorBench::k_door);
  b.settle();
  first->send(wire({.text = "two"}));
  second->send(wire({.text = "two", .key = "other-key"}));
  b.settle();
  CHECK(status(first->received()) == 429);
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("answer"));
  b.settle();
  CHECK(status(second->received()) == 200);
}

TEST_CASE("tokens of a minute are reserved by estimate and settled by what was used") {
  ClientBench b("rate = { tokens_per_minute = 100 }");
  const auto one = b.ask({.text = "one", .more = ",\"max_tokens\":80"});
  const std::string two = b.ask({.text = "two", .more = ",\"max_tokens\":80"})->received();
  CHECK(status(two) == 429);
  CHECK(says(two, "What the client `desk` has under way may take the rest of the 100 tokens that it may use in a minute"));
  CHECK(field_of(two, "Retry-After") == "1");
  b.last().answer(answer_json("answer"));  // nine tokens
  b.settle();
  CHECK(status(one->received()) == 200);
  CHECK(status(b.exchange({.text = "two", .more = ",\"max_tokens\":80"}, "answer")) == 200);
}

TEST_CASE("a client of whom nothing is known yet is not refused for a guess while it has tokens left") {
  ClientBench b("rate = { tokens_per_minute = 40 }");
  // Of an answer 4096 tokens are expected; nine a request are used.
  for (int i = 0; i < 5; ++i) CHECK(status(b.pay(std::to_string(i))) == 200);
  const std::string refused = b.pay("more");
  CHECK(status(refused) == 429);
  CHECK(says(refused, "The client `desk` has used the 40 tokens that it may use in a minute. Try again in 61 s"));
  CHECK(b.asked.size() == 5);
}

TEST_CASE("of many at once those that do not fit beside what is under way may come again in a moment") {
  ClientBench b("rate = { tokens_per_minute = 20000 }");
  std::vector<std::unique_ptr<sim::Peer>> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(b.ask({.text = std::to_string(i)}));
  CHECK(b.asked.size() == 4);
  for (std::size_t i = 4; i < peers.size(); ++i) {
    CHECK(status(peers[i]->received()) == 429);
    CHECK(field_of(peers[i]->received(), "Retry-After") == "1");
    CHECK(says(peers[i]->received(), "has under way"));
  }
  for (Asked& asked : b.asked) asked.answer(answer_json("answer"));
  b.settle();
  for (int i = 4; i < 10; ++i) CHECK(status(b.pay(std::to_string(i))) == 200);
}

TEST_CASE("of a batch a client pays for the texts that are new, and is asked for no more") {
  ClientBench b("rate = { tokens_per_minute = 100 }");
  const auto embed = [&](std::string_view input) {
    return b.send(post({.path = "/v1/embeddings"}, fmt::format(R"({{"model":"m","input":[{}]}})", input)));
  };
  const auto answer = [](int number, int tokens) {
    return fmt::format(R"({{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{}]}}],"model":"m",)"
                       R"("usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                       number, tokens, tokens);
  };
  const auto words = [](std::string_view word) {
    std::string text = "\"";
    for (int i = 0; i < 120; ++i) text += fmt::format("{} ", word);
    return text + '"';
  };
  const std::string large = words("a");
  const auto first = embed(large);
  b.last().answer(answer(1, 60));
  b.settle();
  REQUIRE(status(first->received()) == 200);
  const auto second = embed(large + ",\"b\"");
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer(2, 1));
  b.settle();
  CHECK(status(second->received()) == 200);
  // A new one as large is too much.
  CHECK(status(embed(words("c"))->received()) == 429);
}

TEST_CASE("a budget and a model without a price: refused in words, until it has one") {
  ClientBench b("budget = { usd_per_day = 2 }");
  const auto ask = [&](std::string_view path, std::string_view body, std::string_view key = "k") {
    return b.send(post({.key = std::string(key), .path = std::string(path)}, body))->received();
  };
  constexpr std::string_view k_unknown = R"({"model":"mystery","messages":[{"role":"user","content":"hello"}]})";
  const std::string refused = ask("/v1/chat/completions", k_unknown);
  CHECK(status(refused) == 403);
  CHECK(says(refused, "\"code\":\"client_price_unknown\""));
  CHECK(says(refused, "What the model `mystery` costs is not known here, so the budget of the client `desk`"));
  CHECK(field_of(refused, "Retry-After").empty());
  CHECK(field_of(refused, "x-should-retry") == "false");
  // What nobody understands, too.
  CHECK(status(ask("/v1/images/generations", R"({"model":"mystery","prompt":"a cat"})")) == 403);
  CHECK(says(ask("/v1/things", R"({"a":1})"), "What this request costs is not known here"));
  CHECK(b.asked.empty());
  // Without a budget nothing is refused.
  ask("/v1/chat/completions", k_unknown, "other-key");
  CHECK(b.asked.size() == 1);
  // What passes through and names a model with a price counts by its size: four bytes a token.
  const auto passed = b.send(post({.path = "/v1/things"}, R"({"model":"m","a":1})"));
  REQUIRE(b.asked.size() == 2);
  b.last().answer("12345678");
  b.settle();
  CHECK(status(passed->received()) == 200);
  CHECK(b.spent() == 2);
  CHECK(status(b.send(post({.path = "/v1/things"}, R"({"model":"m","a":1})"))->received()) == 429);
}

TEST_CASE("reads are no spending") {
  ClientBench b("budget = { usd_per_day = 2 }");
  for (const std::string_view request : {"GET /v1/models", "DELETE /v1/files/f-1", "GET /v1/responses/resp_1"}) {
    CAPTURE(request);
    const auto client = b.send(fmt::format("{} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n\r\n", request));
    b.last().answer(R"({"usage":{"input_tokens":7,"output_tokens":2}})");
    b.settle();
    CHECK(status(client->received()) == 200);
    CHECK_FALSE(b.log.lines.back().contains("spent_"));
  }
  CHECK(b.spent() == 0);
  CHECK(b.metrics.spending().total().requests == 0);
}

TEST_CASE("tokens of a minute hold for what passes through, which counts by its size") {
  ClientBench b("rate = { tokens_per_minute = 20000 }");
  const std::string body = R"({"contents":[{"parts":[{"text":")" + std::string(100'000, 'a') + R"("}]}]})";
  for (const std::string_view path : {"/v1beta/models/m:generateContent", "/v1/things"}) {
    CAPTURE(path);
    const auto first = b.send(post({.path = std::string(path)}, body));
    b.last().answer("{}");
    b.settle();
    CHECK(status(first->received()) == 200);
    const std::string second = b.send(post({.path = std::string(path)}, body))->received();
    CHECK(status(second) == 429);
    CHECK(says(second, "has used the 20000 tokens"));
    b.world.loop.run_for(2min);
  }
}

TEST_CASE("what a sound took says nothing of what a chat will take") {
  ClientBench b("rate = { tokens_per_minute = 1000000 }");
  for (int i = 0; i < 10; ++i) {
    const auto client = b.send(post({.path = "/v1/audio/speech"}, R"({"model":"m","input":"hello"})"));
    b.last().answer(std::string(300'000, 'x'), 200, "Content-Type: audio/mpeg\r\n");
    b.settle();
    CHECK(status(client->received()) == 200);
  }
  b.world.loop.run_for(2min);
  // Four thousand tokens each, as of any client that nothing is known of.
  for (int i = 0; i < 20; ++i) b.kept.push_back(b.ask({.text = std::to_string(i)}));
  CHECK(b.asked.size() == 30);
}

TEST_CASE("where a client's spending is watched, a stream is asked for its usage though the client has not asked") {
  for (const std::string_view limits : {"budget = { usd_per_day = 1e6 }", "rate = { tokens_per_minute = 1000000 }", ""}) {
    CAPTURE(limits);
    ClientBench b(limits);
    const bool is_watched = !limits.empty();
    for (const std::string_view more : {"", R"(,"stream_options":{"include_usage":false,"include_obfuscation":false})"}) {
      CAPTURE(more);
      const double before = b.metrics.spending().total().usd;
      const auto client =
          b.ask({.text = "hello " + std::string(more.empty() ? "" : "again"), .stream = true, .more = std::string(more)});
      CHECK(b.last().body.contains(R"("include_usage":true)") == is_watched);
      CHECK(b.last().body.contains(R"("include_obfuscation":false)") == !more.empty());
      b.last().begin_stream();
      b.last().chunk(event("one"));
      b.last().chunk(k_stop);
      std::string usage = k_usage;  // with what the model thought
      usage.replace(usage.find("\"completion_tokens\":2"), 21, "\"completion_tokens\":5002");
      if (is_watched) b.last().chunk(usage);
      b.last().chunk(k_done);
      b.last().end_stream();
      b.settle();
      CHECK(is_whole(client->received()));
      CHECK(body_of(client->received()) == event("one") + k_stop + k_done);
      CHECK(b.metrics.spending().total().usd - before == (is_watched ? 5002 : 1));
    }
  }
}

TEST_CASE("what goes on in the background is paid for when it begins, by the most that it may take") {
  ClientBench b("budget = { usd_per_day = 1e6 }");
  const auto ask = [&](std::string_view more) {
    return b.send(post({.path = "/v1/responses"}, fmt::format(R"({{"model":"m","input":"hi","background":true{}}})", more)));
  };
  const auto answer = [&](std::string_view word, std::string_view usage = "null") {
    b.last().answer(fmt::format(R"({{"id":"resp_1","object":"response","status":"{}","model":"m","output":[],"usage":{}}})",
                                word, usage));
    b.settle();
  };
  const auto queued = ask(R"(,"max_output_tokens":900)");
  answer("queued");
  CHECK(status(queued->received()) == 200);
  CHECK(b.spent() == 900);
  CHECK(b.account().budget().reserved() == 0);
  const auto running = ask("");
  answer("in_progress");
  CHECK(b.spent() == 900 + ClientAccount::k_unknown_output);
  // What the provider counted at once is right.
  const auto counted = ask("");
  answer("completed", R"({"input_tokens":7,"output_tokens":2,"total_tokens":9})");
  CHECK(b.spent() == 902 + ClientAccount::k_unknown_output);
  // Who hangs up ends nothing.
  auto leaving = ask(R"(,"stream":true,"max_output_tokens":800)");
  b.last().begin_stream();
  b.last().chunk(
      "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_2\",\"object\":"
      "\"response\",\"status\":\"queued\",\"model\":\"m\",\"output\":[],\"usage\":null}}\n\n");
  b.settle();
  leaving->close();
  b.settle();
  CHECK(b.spent() == 1702 + ClientAccount::k_unknown_output);
}

TEST_CASE("a reload keeps what was used, by the client's name, and takes the new limits at once") {
  ClientBench b("budget = { usd_per_day = 2 }");
  b.pay("one");
  CHECK(status(b.pay("two")) == 429);
  b.door.set_snapshot(snapshot_of(client_config("budget = { usd_per_day = 4 }")));
  CHECK(b.spent() == 2);
  CHECK(status(b.pay("two")) == 200);
  CHECK(status(b.pay("three")) == 429);
  // Taken out of the file and put in again.
  b.door.set_snapshot(snapshot_of(k_basic_config));
  b.door.set_snapshot(snapshot_of(client_config("budget = { usd_per_day = 4 }")));
  CHECK(status(b.pay("three")) == 429);
}

TEST_CASE("budgets are shown, and no longer when they are gone") {
  ClientBench b("budget = { usd_per_day = 4, usd_per_month = 8 }");
  b.pay("one");
  b.door.clients().refresh_gauges();
  CHECK(b.metric("outrigger_client_budget_usd{client=\"desk\",period=\"day\"}") == "4");
  CHECK(b.metric("outrigger_client_budget_used_ratio{client=\"desk\",period=\"day\"}") == "0.5");
  CHECK(b.metric("outrigger_client_budget_used_ratio{client=\"desk\",period=\"month\"}") == "0.25");
  CHECK(b.metric("outrigger_client_budget_usd{client=\"other\",period=\"day\"}").empty());
  b.door.set_snapshot(snapshot_of(client_config("budget = { usd_per_month = 8 }")));
  b.door.clients().refresh_gauges();
  CHECK(b.metric("outrigger_client_budget_usd{client=\"desk\",period=\"day\"}") == "0");
  CHECK(b.metric("outrigger_client_budget_used_ratio{client=\"desk\",period=\"day\"}") == "0");
  CHECK(b.metric("outrigger_client_budget_used_ratio{client=\"desk\",period=\"month\"}") == "0.25");
}

TEST_CASE("in Anthropic's dialect it is said as Anthropic says it") {
  ClientBench b("rate = { requests_per_minute = 1 }");
  b.pay("one");
  const std::string refused =
      b.send(post({.path = "/v1/messages"}, R"({"model":"m","max_tokens":5,"messages":[]})"))->received();
  CHECK(status(refused) == 429);
  CHECK(says(refused, R"({"type":"error","error":{"type":"rate_limit_error","message":"The client `desk`)"));
}

}  // namespace
}  // namespace outrigger::proxy::test
