// When a target may be asked, through the whole door: queues, gates, breakers, keys and limits of time.
#include "proxy/lane.h"

#include <catch2/catch_test_macros.hpp>

#include "proxy/lane_gauges.h"
#include "unit/proxy/chain_bench.h"

namespace outrigger::proxy::test {
namespace {

// ---- waiting ---------------------------------------------------------------------------------------------------------

TEST_CASE("a 429 is waited out when there is nobody else, and then answered") {
  ChainBench b("");
  const auto client = b.ask({});
  b.last().answer("{}", 429, "Content-Type: application/json\r\nRetry-After: 3\r\n");
  b.world.loop.run_for(2900ms);
  CHECK(b.hosts() == "m");
  CHECK(client->received().empty());
  b.world.loop.run_for(1s);
  REQUIRE(b.hosts() == "mm");
  b.last().answer(answer_json("hi"));
  b.settle();
  CHECK(body_of(client->received()) == answer_json("hi"));
}

TEST_CASE("a 429 that is longer than the client can wait is told at once") {
  ChainBench b("");
  const auto client = b.ask({.fields = "x-outrigger-timeout: 2s\r\n"});
  b.last().answer("{}", 429, "Content-Type: application/json\r\nRetry-After: 3\r\n");
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 429"));
  CHECK(field_of(client->received(), "Retry-After") == "3");
  // Those who come while it is closed are refused without being asked for.
  const auto next = b.ask({.text = "other", .fields = "x-outrigger-timeout: 2s\r\n"});
  CHECK(b.hosts() == "m");
  CHECK(next->received().starts_with("HTTP/1.1 429"));
  CHECK(body_of(next->received()).find("\"code\":\"queue_wait\"") != std::string::npos);
  CHECK(std::stoi("0" + field_of(next->received(), "Retry-After")) >= 3);
  CHECK(field_of(next->received(), "x-outrigger-attempts") == "0");
}

TEST_CASE("beyond the concurrency requests wait in turn, and the queue is bounded") {
  ChainBench b("[[model]]\nname = \"m\"\nconcurrency = 1\nqueue = { depth = 2, wait = \"5s\" }\n");
  std::vector<std::unique_ptr<sim::Peer>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(b.ask({.text = std::to_string(i)}));
  CHECK(b.asked.size() == 1);
  CHECK(clients[3]->received().starts_with("HTTP/1.1 429"));
  CHECK(body_of(clients[3]->received()).find("\"code\":\"queue_full\"") != std::string::npos);
  CHECK_FALSE(field_of(clients[3]->received(), "Retry-After").empty());
  CHECK(b.metric("outrigger_queue_shed_total{target=\"main:m\",reason=\"queue_full\"}") == "1");
  for (int i = 0; i < 3; ++i) {
    REQUIRE(b.asked.size() == static_cast<std::size_t>(i + 1));
    CHECK(b.last().body.find(fmt::format("\"content\":\"{}\"", i)) != std::string::npos);
    b.last().answer(answer_json("hi"));
    b.settle();
    CHECK(clients[static_cast<std::size_t>(i)]->received().starts_with("HTTP/1.1 200"));
  }
}

TEST_CASE("who waits for too long is told so, and who leaves is gone at once") {
  ChainBench b("[[model]]\nname = \"m\"\nconcurrency = 1\nqueue = { depth = 1, wait = \"5s\" }\n");
  const auto first = b.ask({.text = "1"});
  auto second = b.ask({.text = "2"});
  second->close();
  b.world.loop.run_for(1ms);
  auto third = b.ask({.text = "3"});
  CHECK(third->received().empty());
  b.world.loop.run_for(5s);
  CHECK(third->received().starts_with("HTTP/1.1 429"));
  CHECK(body_of(third->received()).find("\"code\":\"queue_wait\"") != std::string::npos);
  CHECK(b.asked.size() == 1);
}

TEST_CASE("a busy target is lingered for, then the fallback is asked") {
  ChainBench b("[[model]]\nname = \"m\"\nconcurrency = 1\nfallback = [\"relay:m-small\"]\n");
  const auto first = b.ask({.text = "1"});
  const auto second = b.ask({.text = "2"});
  b.world.loop.run_for(resilience::k_linger - 20ms);
  CHECK(b.hosts() == "m");
  b.world.loop.run_for(40ms);
  CHECK(b.hosts() == "mr");
}

TEST_CASE("a configured rate is kept, and what comes too soon waits") {
  ChainBench b("[[model]]\nname = \"m\"\nrate = { requests_per_minute = 6 }\nqueue = { wait = \"60s\" }\n");
  std::vector<std::unique_ptr<sim::Peer>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(b.ask({.text = std::to_string(i)}));
    for (Asked& asked : b.asked) asked.answer(answer_json("x"));
  }
  b.world.loop.run_for(58s);
  CHECK(b.asked.size() <= 6);
}

TEST_CASE("who is turned away by a queue counts as our error, and a provider's last 429 as the provider's") {
  const auto count = [](DoorBench& b, std::string_view outcome) {
    return b.metric(fmt::format("outrigger_requests_total{{door=\"llm\",model=\"m\",outcome=\"{}\"}}", outcome));
  };
  ChainBench b("[[model]]\nname = \"m\"\nconcurrency = 1\nqueue = { depth = 1, wait = \"5s\" }\n");
  std::vector<std::unique_ptr<sim::Peer>> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(b.ask({.text = std::to_string(i)}));
  CHECK(b.metric("outrigger_queue_shed_total{target=\"main:m\",reason=\"queue_full\"}") == "3");
  CHECK(count(b, "own_error") == "3");
  b.world.loop.run_for(5s);
  CHECK(clients[1]->received().starts_with("HTTP/1.1 429"));
  CHECK(count(b, "own_error") == "4");
  b.last().answer("{}", 429, "Content-Type: application/json\r\nRetry-After: 3600\r\n");
  b.settle();
  CHECK(clients[0]->received().starts_with("HTTP/1.1 429"));
  CHECK(count(b, "upstream_error") == "1");
  CHECK(count(b, "client_error") == "0");
}

// ---- breaker ---------------------------------------------------------------------------------------------------------

// Until the target of `model` is taken out; what was asked is answered.
void break_target(ChainBench& b, std::string_view model) {
  const std::string target = fmt::format("main:{}", model);
  for (int i = 0; i < 10; ++i) {
    bool is_open = false;
    b.door.lanes().each([&](const Lane& lane) {
      is_open = is_open || (lane.name() == target && lane.state() == resilience::Health::State::open);
    });
    if (is_open) return;
    const auto client =
        b.send(post({}, fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"b{}"}}]}})", model, i)));
    b.last().answer(k_error, 500);
    b.settle();
  }
  FAIL("it stays closed");
}

TEST_CASE("targets of an upstream that has left the file are forgotten once nobody uses them") {
  ChainBench b("[[model]]\nname = \"*\"\nretry = { attempts = 1 }\n");
  LaneGauges gauges(b.door.lanes(), b.registry);
  const auto breaker = [&] {
    gauges.refresh();
    return b.metric("outrigger_breaker_state{target=\"main:m\"}");
  };
  break_target(b, "m");
  CHECK(breaker() == "2");
  const auto under_way = b.send(post({}, R"({"model":"slow","messages":[{"role":"user","content":"x"}]})"));
  const Asked slow = b.last();
  b.door.set_snapshot(snapshot_of("[[upstream]]\nname = \"good\"\nurl = \"http://relay:9000/v1\"\n"));
  CHECK(breaker() == "0");
  CHECK(b.door.lanes().size() == 1);
  // Who is being answered goes on, and what is learned of it is learned.
  b.world.loop.run_for(5s);
  CHECK(b.door.lanes().size() == 1);
  slow.answer(answer_json("hi"));
  b.settle();
  CHECK(under_way->received().starts_with("HTTP/1.1 200"));
  b.world.loop.run_for(1s);
  CHECK(b.door.lanes().size() == 0);
  const auto next = b.ask({.text = "new"});
  b.last().answer(answer_json("hi"));
  b.settle();
  CHECK(field_of(next->received(), "x-outrigger-served-by") == "good:m");
}

TEST_CASE("a reload forgets nothing of upstreams that stay") {
  ChainBench b;
  break_target(b, "m");
  b.door.set_snapshot(snapshot_of(k_upstreams + k_model));
  std::string states;
  b.door.lanes().each([&](const Lane& lane) {
    if (lane.name() == "main:m") states += name(lane.state());
  });
  CHECK(states == "open");
}

TEST_CASE("a target that failed and that nobody has asked since is no outage after some minutes") {
  ChainBench b("[[model]]\nname = \"m\"\nretry = { attempts = 1 }\n");
  LaneGauges gauges(b.door.lanes(), b.registry);
  const auto breaker = [&] {
    gauges.refresh();
    return b.metric("outrigger_breaker_state{target=\"main:m\"}");
  };
  break_target(b, "m");
  CHECK(breaker() == "2");
  b.world.loop.run_for(3s);
  CHECK(breaker() == "1");
  b.world.loop.run_for(resilience::Health::k_untried);
  CHECK(breaker() == "0");
  // The next one is the probe all the same.
  const auto probe = b.ask({.text = "1"});
  CHECK(breaker() == "1");
  b.last().answer(k_error, 500);
  b.settle();
  CHECK(breaker() == "2");
}

TEST_CASE("three failures take a target out; one probe brings it back, and its failure is nobody's") {
  ChainBench b;
  const auto fail_main = [&](int i) {
    const auto client = b.ask({.text = fmt::format("f{}", i), .stream = true});
    REQUIRE(b.last().host == "provider");
    b.last().answer(k_error, 500);
    b.settle();
    REQUIRE(b.last().host == "relay");
    answer_stream(b.last(), "hi");
    b.settle();
    CHECK(is_whole(client->received()));
  };
  for (int i = 0; i < 3; ++i) fail_main(i);
  // Out: the fourth goes straight to the fallback.
  const auto fourth = b.ask({.text = "4", .stream = true});
  CHECK(b.last().host == "relay");
  answer_stream(b.last(), "hi");
  b.settle();
  CHECK(field_of(fourth->received(), "x-outrigger-attempts") == "1");
  // One probe; those beside it are not tried there.
  b.world.loop.run_for(1500ms);
  const auto probe = b.ask({.text = "5", .stream = true});
  REQUIRE(b.last().host == "provider");
  const auto beside = b.ask({.text = "6", .stream = true});
  CHECK(b.last().host == "relay");
  answer_stream(b.last(), "beside");
  b.settle();
  CHECK(is_whole(beside->received()));
  // It says nothing: the fallback answers its client.
  b.world.loop.run_for(1s);
  REQUIRE(b.last().host == "relay");
  CHECK(b.last().body.find("\"content\":\"5\"") != std::string::npos);
  answer_stream(b.last(), "hedged");
  b.settle();
  CHECK(body_of(probe->received()).find("hedged") != std::string::npos);
  CHECK(is_whole(probe->received()));
}

TEST_CASE("an operator shuts a target and opens it again") {
  ChainBench b;
  b.exchange({.text = "1"}, "hi");
  REQUIRE(b.door.lanes().force_open("main:m"));
  const auto second = b.ask({.text = "2"});
  CHECK(b.last().host == "relay");
  REQUIRE(b.door.lanes().force_close("main:m"));
  const auto third = b.ask({.text = "3"});
  CHECK(b.last().host == "provider");
  CHECK_FALSE(b.door.lanes().force_open("main:unheard-of"));
}

TEST_CASE("a refused key of several is set aside, and the others go on") {
  DoorBench b("[[upstream]]\nname = \"main\"\nurl = \"http://provider:9000/v1\"\nkeys = [\"key-a\", \"key-b\"]\n");
  const auto client = b.ask({.text = "1"});
  const std::string refused = field_of(b.last().head, "Authorization");
  b.last().answer(R"({"error":{"code":"invalid_api_key"}})", 401);
  b.settle();
  REQUIRE(b.asked.size() == 2);
  CHECK(field_of(b.last().head, "Authorization") != refused);
  b.last().answer(answer_json("hi"));
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 200"));
  for (int i = 0; i < 4; ++i) {
    b.exchange({.text = fmt::format("later {}", i)}, "hi");
    CHECK(field_of(b.last().head, "Authorization") != refused);
  }
  // The file was read again: it gets another chance.
  b.door.set_snapshot(b.door.snapshot());
  bool seen = false;
  for (int i = 0; i < 2; ++i) {
    b.exchange({.text = fmt::format("after {}", i)}, "hi");
    seen = seen || field_of(b.last().head, "Authorization") == refused;
  }
  CHECK(seen);
}

// ---- time ------------------------------------------------------------------------------------------------------------

TEST_CASE("a target that is silent for longer than first_token is cut over, also after its head and its role") {
  for (const int said : {0, 1, 2}) {
    CAPTURE(said);
    ChainBench b("[[model]]\nname = \"m\"\nfallback = [\"relay:m-small\"]\ntimeout = { first_token = \"2s\" }\n");
    const auto client = b.ask({.stream = true});
    if (said > 0) b.last().begin_stream();
    if (said > 1) b.last().chunk(": thinking\n\n");
    b.world.loop.run_for(1900ms);
    CHECK(b.hosts() == "m");
    b.world.loop.run_for(200ms);
    REQUIRE(b.hosts() == "mr");
    answer_stream(b.last(), "hi");
    b.settle();
    CHECK(is_whole(client->received()));
  }
}

TEST_CASE("one deadline holds for all tries together") {
  ChainBench b("[[model]]\nname = \"m\"\nfallback = [\"relay:m-small\"]\n");
  const auto client = b.ask({.stream = true, .fields = "x-outrigger-timeout: 3s\r\n"});
  b.world.loop.run_for(2s);
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mr");
  b.world.loop.run_for(1s);
  CHECK(client->received().starts_with("HTTP/1.1 500"));
  CHECK(body_of(client->received()) == k_error);
}

TEST_CASE("a blocking call that says nothing leaves half of the time to the fallback, and all of it to nobody") {
  for (const bool has_fallback : {true, false}) {
    CAPTURE(has_fallback);
    ChainBench b(has_fallback ? k_model : "");
    const auto client = b.ask({.fields = "x-outrigger-timeout: 10s\r\n"});
    b.world.loop.run_for(4900ms);
    CHECK(b.hosts() == "m");
    b.world.loop.run_for(200ms);
    CHECK(b.hosts() == (has_fallback ? "mr" : "m"));
    b.last().answer(answer_json("hi"));
    b.settle();
    CHECK(body_of(client->received()) == answer_json("hi"));
  }
}

TEST_CASE("a hedge asks the fallback beside a slow target, and the first token wins") {
  for (const bool first_wins : {true, false}) {
    CAPTURE(first_wins);
    ChainBench b("[[model]]\nname = \"m\"\nfallback = [\"relay:m-small\"]\nhedge = true\n");
    for (int i = 0; i < 60; ++i) b.exchange({.text = fmt::format("usual {}", i), .stream = true}, "hi");
    const std::size_t before = b.asked.size();
    const auto client = b.ask({.text = "slow", .stream = true});
    b.world.loop.run_for(1s);
    REQUIRE(b.asked.size() == before + 2);
    const Asked& main = b.asked[before];
    const Asked& relay = b.asked[before + 1];
    REQUIRE(relay.host == "relay");
    answer_stream(first_wins ? main : relay, first_wins ? "from main" : "from relay");
    b.settle();
    CHECK(is_whole(client->received()));
    CHECK(body_of(client->received()).find(first_wins ? "from main" : "from relay") != std::string::npos);
    CHECK((first_wins ? relay : main).peer->ended());
    CHECK(field_of(client->received(), "x-outrigger-attempts") == "2");
  }
}

}  // namespace
}  // namespace outrigger::proxy::test
