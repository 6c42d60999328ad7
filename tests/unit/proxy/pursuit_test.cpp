// One answer along a chain, through the whole door: who is asked when somebody fails, and what the client hears.
#include "proxy/pursuit.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/chain_bench.h"

namespace outrigger::proxy::test {
namespace {

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

TEST_CASE("what comes before the first token is held back only where there is somebody else to ask, and in its pieces") {
  const std::string role =
      "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
      "\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n";
  for (const bool has_fallback : {false, true}) {
    CAPTURE(has_fallback);
    ChainBench b(has_fallback ? k_model : "");
    const auto client = b.ask({.stream = true});
    b.last().begin_stream();
    b.last().chunk(role);
    b.settle();
    CHECK(client->received().empty() == has_fallback);
    CHECK(b.metric("outrigger_first_token_seconds_count{target=\"main:m\"}").empty());
    b.last().chunk(": still here\n\n");
    b.settle();
    b.last().chunk(event("hi"));
    b.settle();
    CHECK(b.metric("outrigger_first_token_seconds_count{target=\"main:m\"}") == "1");
    // Each piece in a chunk of its own.
    const std::string got = client->received();
    for (const std::string& piece : {role, std::string(": still here\n\n"), event("hi")}) {
      CHECK(got.find(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece)) != std::string::npos);
    }
    b.last().peer->close();
    b.settle();
    CHECK(b.hosts() == "m");
  }
}

TEST_CASE("a lone target that dies after its role is evidence against it, too") {
  ChainBench b("[[model]]\nname = \"m\"\nretry = { attempts = 1 }\n");
  for (int i = 0; i < 3; ++i) {
    const auto client = b.ask({.text = std::to_string(i), .stream = true});
    REQUIRE(b.asked.size() == static_cast<std::size_t>(i + 1));
    b.last().begin_stream();
    b.last().chunk(": hello\n\n");
    b.settle();
    b.last().peer->close();
    b.settle();
  }
  const auto refused = b.ask({.text = "3", .stream = true});
  CHECK(b.asked.size() == 3);
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

TEST_CASE("who was turned away by a full queue is served there all the same, once there is room") {
  ChainBench b(R"([[model]]
name = "m"
fallback = ["relay:m-small"]
breaker = { failures = 1, open = "1s" }
[[model]]
name = "m-small"
concurrency = 1
queue = { depth = 1 }
)");
  const auto first = b.ask({.text = "1"});
  b.last().answer(k_error, 500);
  b.settle();
  const auto second = b.ask({.text = "2"});
  const auto third = b.ask({.text = "3"});
  REQUIRE(b.hosts() == "mr");  // one at the relay, one in its queue, one that waits for the other to be tried again
  b.last().answer(answer_json("one"));
  b.settle();
  REQUIRE(b.hosts() == "mrr");
  b.last().answer(answer_json("two"));
  b.world.loop.run_for(1500ms);
  REQUIRE(b.hosts() == "mrrm");
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mrrmr");
  b.last().answer(answer_json("three"));
  b.settle();
  for (const auto* client : {first.get(), second.get(), third.get()}) CHECK(client->received().starts_with("HTTP/1.1 200"));
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

}  // namespace
}  // namespace outrigger::proxy::test
