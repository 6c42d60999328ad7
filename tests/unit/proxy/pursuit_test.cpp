// One answer along a chain, through the whole door: what is tried, in which order, when, and what the client hears.
#include "proxy/pursuit.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

// Two upstreams, the second with a key of its own and another model.
const std::string k_upstreams = R"(
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[upstream]]
name = "relay"
url = "http://relay:9000/v1"
keys = ["relay-key"]
)";
const std::string k_model = R"(
[[model]]
name = "m"
fallback = ["relay:m-small"]
)";

struct ChainBench : DoorBench {
  explicit ChainBench(const std::string& model = k_model, const std::string& more = "")
      : DoorBench(more + k_upstreams + model) {
    add_upstream("relay");
  }
  // Whom the requests went to so far.
  [[nodiscard]] std::string hosts() const {
    std::string all;
    for (const Asked& one : asked) all += one.host == "relay" ? 'r' : 'm';
    return all;
  }
};

const std::string k_error = R"({"error":{"message":"it hurts","type":"server_error","code":"sick"}})";

void answer_stream(const Asked& asked, std::string_view text) {
  asked.begin_stream();
  asked.chunk(event(text));
  asked.chunk(k_stop);
  asked.chunk(k_done);
  asked.end_stream();
}

// ---- what falls back -------------------------------------------------------------------------------------------------

TEST_CASE("what fails before the first token is answered by the fallback, and nobody sees the failure") {
  struct Case {
    std::string_view name;
    void (*fail)(const Asked&);
    std::string_view outcome;
  };
  const auto role = [](const Asked& a) {
    a.begin_stream();
    a.chunk(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
        "\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n");
  };
  static const auto k_role = role;
  for (const Case& c : {
           Case{"500", [](const Asked& a) { a.answer(k_error, 500); }, "status_500"},
           Case{"529", [](const Asked& a) { a.answer(k_error, 529); }, "status_529"},
           Case{"429", [](const Asked& a) { a.answer("{}", 429, "Content-Type: application/json\r\nRetry-After: 9\r\n"); },
                "status_429"},
           Case{"401", [](const Asked& a) { a.answer(R"({"error":{"code":"invalid_api_key"}})", 401); }, "status_401"},
           Case{"402", [](const Asked& a) { a.answer("{}", 402); }, "status_402"},
           Case{"reset", [](const Asked& a) { a.peer->close(); }, "upstream_reset"},
           Case{"not HTTP", [](const Asked& a) { a.send("what?\r\n\r\n"); }, "upstream_protocol"},
           Case{"an error as the first event",
                [](const Asked& a) {
                  a.begin_stream();
                  a.chunk("data: " + k_error + "\n\n");
                },
                "upstream_error_in_answer"},
           Case{"an error after the role",
                [](const Asked& a) {
                  k_role(a);
                  a.chunk("data: " + k_error + "\n\n");
                },
                "upstream_error_in_answer"},
           Case{"cut after the role",
                [](const Asked& a) {
                  k_role(a);
                  a.peer->close();
                },
                "upstream_cut"},
           Case{"an end after the role",
                [](const Asked& a) {
                  k_role(a);
                  a.end_stream();
                },
                "upstream_cut"},
       }) {
    CAPTURE(c.name);
    ChainBench b;
    const auto client = b.ask({.stream = true});
    REQUIRE(b.hosts() == "m");
    c.fail(b.last());
    b.settle();
    REQUIRE(b.hosts() == "mr");
    CHECK(client->received().empty());
    answer_stream(b.last(), "hi");
    b.settle();
    const std::string got = client->received();
    CHECK(got.starts_with("HTTP/1.1 200"));
    CHECK(is_whole(got));
    CHECK(body_of(got) == event("hi") + k_stop + k_done);
    CHECK(field_of(got, "x-outrigger-attempts") == "2");
    CHECK(field_of(got, "x-outrigger-served-by") == "relay:m-small");
    CHECK(field_of(got, "x-outrigger-cache") == "miss");
    CHECK(b.metric(fmt::format("outrigger_attempts_total{{target=\"main:m\",outcome=\"{}\"}}", c.outcome)) == "1");
    CHECK(b.metric("outrigger_attempts_total{target=\"relay:m-small\",outcome=\"ok\"}") == "1");
    CHECK(b.log.lines.back().find(fmt::format("\"tried\":[{{\"target\":\"main:m\",\"outcome\":\"{}\"", c.outcome)) !=
          std::string::npos);
    // A downgraded answer is not the asked model's.
    CHECK(b.store.stats().entries == 0);
  }
}

TEST_CASE("a blocking answer falls back as well, until its last byte") {
  for (const bool is_cut : {false, true}) {
    CAPTURE(is_cut);
    ChainBench b;
    const auto client = b.ask({});
    if (is_cut) {
      b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{\"choices\":");
      b.last().peer->close();
    } else {
      b.last().answer(k_error);
    }
    b.settle();
    REQUIRE(b.hosts() == "mr");
    b.last().answer(answer_json("hi"));
    b.settle();
    CHECK(body_of(client->received()) == answer_json("hi"));
  }
}

TEST_CASE("the fallback gets its own key and its own model, and not the client's credential") {
  ChainBench b;
  const auto client = b.ask({.fields = "OpenAI-Organization: org\r\n", .key = "client-key", .more = ",\"temperature\":0.5"});
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mr");
  CHECK(field_of(b.asked[0].head, "Authorization") == "Bearer client-key");
  CHECK(field_of(b.asked[1].head, "Authorization") == "Bearer relay-key");
  CHECK(field_of(b.asked[1].head, "OpenAI-Organization").empty());
  CHECK(field_of(b.asked[1].head, "Host") == "relay:9000");
  CHECK(b.asked[0].body.find(R"("model":"m")") != std::string::npos);
  CHECK(b.asked[1].body.find(R"("model":"m-small")") != std::string::npos);
  CHECK(b.asked[1].body.find(R"("temperature":0.5)") != std::string::npos);
}

TEST_CASE("what is the client's own fault does not fall back, what only this target cannot do does") {
  struct Case {
    int status;
    std::string_view body;
    bool falls_back;
  };
  for (const Case& c :
       {Case{400, R"({"error":{"message":"messages is missing","type":"invalid_request_error"}})", false},
        Case{422, R"({"error":{"message":"no"}})", false},
        Case{400, R"({"error":{"message":"too long","code":"context_length_exceeded"}})", true},
        Case{404, R"({"error":{"message":"The model `m` does not exist","code":"model_not_found"}})", true}}) {
    CAPTURE(c.status, c.body);
    ChainBench b;
    const auto client = b.ask({});
    b.last().answer(c.body, c.status);
    b.settle();
    CHECK(b.hosts() == (c.falls_back ? "mr" : "m"));
    if (!c.falls_back) CHECK(body_of(client->received()) == c.body);
    CHECK(b.metric("outrigger_cache_not_stored_total{reason=\"error_status\"}") == (c.falls_back ? "" : "1"));
  }
}

TEST_CASE("a target that cannot serve the request is not asked, unless none can") {
  struct Case {
    std::string_view abilities;
    std::string hosts;
  };
  const std::string image =
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]})";
  for (const Case& c :
       {Case{"[[target]]\nname = \"main\"\nvision = false\n", "r"},
        Case{"[[target]]\nname = \"relay:*\"\nvision = false\n", "m"},
        Case{"[[target]]\nname = \"main\"\nvision = false\n[[target]]\nname = \"relay\"\nvision = false\n", "m"}}) {
    CAPTURE(c.abilities);
    ChainBench b(k_model + std::string(c.abilities));
    const auto client = b.send(post({}, image));
    REQUIRE(b.hosts() == c.hosts);
    b.last().answer(answer_json("hi"));
    b.settle();
    CHECK(field_of(client->received(), "x-outrigger-attempts") == "1");
    CHECK(b.log.lines.back().find("unfit_vision") != std::string::npos);
  }
}

TEST_CASE("what a target does not take is left out, renamed or cut down for it alone") {
  ChainBench b(k_model +
               "[[target]]\nname = \"relay\"\ndrop = [\"temperature\"]\nrename = { max_tokens = "
               "\"max_completion_tokens\" }\nmax_output = 100\n");
  const auto client = b.ask({.more = ",\"temperature\":0.5,\"max_tokens\":4000"});
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mr");
  CHECK(b.asked[0].body.find(R"("temperature":0.5,"max_tokens":4000)") != std::string::npos);
  CHECK(b.asked[1].body.find("temperature") == std::string::npos);
  CHECK(b.asked[1].body.find(R"("max_completion_tokens":100)") != std::string::npos);
}

TEST_CASE("nothing is tried again once a token has gone to the client") {
  ChainBench b;
  const auto client = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(event("hi"));
  b.settle();
  b.last().peer->close();
  b.world.loop.run_for(30s);
  CHECK(b.hosts() == "m");
  CHECK(body_of(client->received()).find("\"code\":\"upstream_cut\"") != std::string::npos);
}

TEST_CASE("a credential check never falls back and is never held against the target") {
  ChainBench b;
  const std::string ping = R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"ping"}]})";
  for (int i = 0; i < 5; ++i) {
    const auto client = b.send(post({}, ping));
    REQUIRE(b.asked.size() == static_cast<std::size_t>(i + 1));
    b.last().answer(R"({"error":{"code":"invalid_api_key"}})", 401);
    b.settle();
    CHECK(client->received().starts_with("HTTP/1.1 401"));
  }
  CHECK(b.hosts() == "mmmmm");
}

// ---- when nothing helps ----------------------------------------------------------------------------------------------

TEST_CASE("when all fail the client hears the first target's own words") {
  ChainBench b("[[model]]\nname = \"m\"\nfallback = [\"relay:m-small\"]\nretry = { attempts = 1 }\n");
  const auto client = b.ask({});
  b.last().answer(k_error, 503, "Content-Type: application/json\r\nX-Own: 1\r\n");
  b.settle();
  b.last().answer(R"({"error":{"message":"other"}})", 500);
  b.settle();
  CHECK(b.hosts() == "mr");
  const std::string got = client->received();
  CHECK(got.starts_with("HTTP/1.1 503"));
  CHECK(body_of(got) == k_error);
  CHECK(field_of(got, "x-should-retry") == "false");
  CHECK(field_of(got, "x-outrigger-attempts") == "2");
}

TEST_CASE("fixed words are the last link, in both forms, and are not kept") {
  for (const bool stream : {false, true}) {
    CAPTURE(stream);
    ChainBench b("[[model]]\nname = \"m\"\nanswer = \"Sorry. 稍后再试\"\nretry = { attempts = 1 }\n");
    const auto client = b.ask({.stream = stream});
    b.last().answer(k_error, 500);
    b.settle();
    const std::string got = client->received();
    CHECK(got.starts_with("HTTP/1.1 200"));
    CHECK(is_whole(got));
    CHECK(body_of(got).find("稍后再试") != std::string::npos);
    CHECK(field_of(got, "x-outrigger-served-by") == "fixed");
    CHECK(field_of(got, "x-outrigger-cache") == "miss");
    CHECK(b.store.stats().entries == 0);
    const auto again = b.ask({.stream = stream});
    CHECK(b.asked.size() == 2);
  }
}

TEST_CASE("a stale answer comes before fixed words") {
  ChainBench b("[[model]]\nname = \"m\"\nanswer = \"Sorry.\"\nretry = { attempts = 1 }\n", "[cache]\nttl = \"10s\"\n");
  b.exchange({}, "old");
  b.world.loop.run_for(11s);
  const auto client = b.ask({});
  b.last().answer(k_error, 500);
  b.settle();
  CHECK(field_of(client->received(), "x-outrigger-cache") == "stale");
}

TEST_CASE("a stream of a kind that nobody knows is not held back for ever") {
  ChainBench b;
  const auto client = b.ask({.stream = true});
  b.last().begin_stream();
  const std::string odd = "data: {\"strange\":\"" + std::string(1000, 'x') + "\"}\n\n";
  std::string sent;
  while (sent.size() <= Runner::k_prelude_max) {
    CHECK(client->received().empty());
    b.last().chunk(odd);
    sent += odd;
    b.settle();
  }
  CHECK(body_of(client->received()) == sent);
}

// ---- retries ---------------------------------------------------------------------------------------------------------

TEST_CASE("without a fallback the same target is tried again after a pause, three times in all") {
  ChainBench b("");
  const auto client = b.ask({});
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(b.hosts() == std::string(static_cast<std::size_t>(i), 'm'));
    b.last().answer(k_error, 500);
    b.world.loop.run_for(1s);
  }
  CHECK(client->received().starts_with("HTTP/1.1 500"));
  CHECK(field_of(client->received(), "x-outrigger-attempts") == "3");
}

TEST_CASE("retries are bounded by the budget, fallbacks are not") {
  ChainBench b("[[model]]\nname = \"m\"\nbreaker = { failures = 1000 }\n");
  int asked = 0;
  for (int i = 0; i < 60; ++i) {
    const auto client = b.ask({.text = std::to_string(i)});
    while (b.asked.size() > static_cast<std::size_t>(asked)) {
      ++asked;
      b.last().answer(k_error, 500);
      b.world.loop.run_for(40ms);
    }
    b.world.loop.run_for(1s);
    while (b.asked.size() > static_cast<std::size_t>(asked)) {
      ++asked;
      b.last().answer(k_error, 500);
      b.world.loop.run_for(1s);
    }
  }
  // One each, a tenth, and the reserve of ten in ten seconds.
  CHECK(asked > 60);
  CHECK(asked < 60 + 60 / 10 + 10 * 12);
}

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

// ---- breaker ---------------------------------------------------------------------------------------------------------

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
  const auto client = b.ask({.fields = "x-outrigger-timeout: 3s\r\n"});
  b.world.loop.run_for(2s);
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mr");
  b.world.loop.run_for(1s);
  CHECK(client->received().starts_with("HTTP/1.1 500"));
  CHECK(body_of(client->received()) == k_error);
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
