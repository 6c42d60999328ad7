// Hits, stale answers, steering, observing, embeddings; what is stored and what is not.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string cache_of(const std::string& answer) { return field_of(answer, "x-outrigger-cache"); }

TEST_CASE("an answer is a hit one millisecond before its time and a miss at it") {
  for (const bool in_time : {true, false}) {
    DoorBench b("[cache]\nttl = \"60s\"\n" + k_basic_config);
    b.exchange({}, "a");
    WallTime stored{};
    b.store.visit_memory([&](const cache::Entry& entry) {
      stored = entry.meta().stored_at;
      return false;
    });
    auto second = sim::dial(b.world, DoorBench::k_door);
    // To the beginning of a millisecond, so that the way to the door (0.2 ms) does not end in the next one.
    b.world.loop.run_for(1ms - b.world.loop.now().time_since_epoch() % 1ms);
    b.world.loop.set_wall(stored + 60s - (in_time ? 1ms : 0ms));
    second->send(wire({}));
    b.settle();
    CHECK(b.asked.size() == (in_time ? 1 : 2));
    CHECK((cache_of(second->received()) == "hit") == in_time);
  }
}

TEST_CASE("a hit says its age, made no attempt, and has an id of its own") {
  DoorBench b;
  b.exchange({}, "a");
  b.world.loop.run_for(7s);
  const std::string one = b.ask({})->received();
  const std::string two = b.ask({})->received();
  CHECK(field_of(one, "Age") == "7");
  CHECK(field_of(one, "x-outrigger-attempts") == "0");
  CHECK(field_of(one, "x-outrigger-served-by") == "main:m");
  CHECK(body_of(one) != body_of(two));
  CHECK(body_of(one).find("\"content\":\"a\"") != std::string::npos);
}

TEST_CASE("every form of an answer is served from any stored one") {
  for (const bool stored_streamed : {false, true}) {
    DoorBench b;
    b.exchange({.stream = stored_streamed}, "Hello");
    for (const bool stream : {false, true}) {
      for (const bool usage : {false, true}) {
        if (usage && !stream) continue;
        CAPTURE(stored_streamed, stream, usage);
        const std::string answer = b.ask({.stream = stream, .usage = usage})->received();
        REQUIRE(cache_of(answer) == "hit");
        const std::string body = body_of(answer);
        CHECK(body.find("\"content\":\"Hello\"") != std::string::npos);
        CHECK((body.find("\"usage\"") != std::string::npos) == (!stream || usage));
        CHECK(body.ends_with(k_done) == stream);
      }
    }
    CHECK(b.asked.size() == 1);
  }
}

TEST_CASE("max-age takes a stored answer that is young enough only") {
  DoorBench b;
  b.exchange({}, "a");
  b.world.loop.run_for(5s);
  CHECK(cache_of(b.ask({.fields = "Cache-Control: max-age=6\r\n"})->received()) == "hit");
  b.world.loop.run_for(2s);
  const auto young = b.ask({.fields = "Cache-Control: max-age=6\r\n"});
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("b"));
  b.settle();
  CHECK(cache_of(young->received()) == "miss");
  // And the new answer took the place of the old one.
  CHECK(body_of(b.ask({})->received()).find("\"content\":\"b\"") != std::string::npos);
}

TEST_CASE("no-cache fetches anew and keeps the answer, no-store keeps nothing") {
  DoorBench b;
  b.exchange({}, "a");
  b.exchange({.fields = "Cache-Control: no-store\r\n"}, "secret");
  CHECK(body_of(b.ask({})->received()).find("\"content\":\"a\"") != std::string::npos);
  b.exchange({.fields = "Cache-Control: no-cache\r\n"}, "b");
  CHECK(body_of(b.ask({})->received()).find("\"content\":\"b\"") != std::string::npos);
  CHECK(b.asked.size() == 3);
}

TEST_CASE("words about a cut are an event of their own, wherever in an event the stream broke off") {
  for (const std::size_t left_out : {1, 2, 10}) {
    CAPTURE(left_out);
    DoorBench b;
    const auto peer = b.ask({.stream = true});
    const std::string last = event("there");
    b.last().begin_stream();
    b.last().chunk(event("Hello"));
    b.last().chunk(std::string_view(last).substr(0, last.size() - left_out));
    b.last().end_stream();
    b.settle();
    const std::string got = body_of(peer->received());
    CHECK(got.starts_with(event("Hello") + "data: {\"error\":"));
    CHECK(got.contains("upstream_cut"));
    CHECK(got.ends_with("}\n\n"));
    CHECK(is_whole(peer->received()));
  }
}

TEST_CASE("a stream whose connection breaks after its end was whole, and is kept; before its end it broke off") {
  for (const bool ended : {true, false}) {
    CAPTURE(ended);
    DoorBench b;
    const auto client = b.ask({.stream = true});
    b.last().begin_stream();
    b.last().chunk(event("hi"));
    if (ended) b.last().chunk(k_stop + k_done);
    b.settle();
    b.last().peer->close();
    b.settle();
    const std::string got = client->received();
    CHECK(got.contains("upstream_cut") == !ended);
    CHECK(body_of(got).ends_with(k_done) == ended);
    CHECK((cache_of(b.ask({.stream = true})->received()) == "hit") == ended);
  }
}

TEST_CASE("a connection that breaks within the blank line after an answer's end has taken nothing from the last event") {
  const std::string whole = event("hi") + k_stop;
  for (const std::string& end : {std::string(), k_done}) {
    for (const std::size_t left_out : {0, 1, 2}) {
      CAPTURE(end, left_out);
      DoorBench b;
      const auto client = b.ask({.stream = true});
      b.last().begin_stream();
      const std::string body = whole + end;
      b.last().chunk(std::string_view(body).substr(0, body.size() - left_out));
      b.settle();
      b.last().peer->close();
      b.settle();
      CHECK(body_of(client->received()) == body);
      CHECK(is_whole(client->received()));
    }
  }
}

TEST_CASE("an event whose blank line came in two pieces has ended, and words about a cut may follow it") {
  DoorBench b;
  const auto client = b.ask({.stream = true});
  const std::string hello = event("Hello");
  b.last().begin_stream();
  b.last().chunk(std::string_view(hello).substr(0, hello.size() - 1));
  b.settle();
  b.last().chunk("\n");
  b.settle();
  b.last().peer->close();
  b.settle();
  CHECK(body_of(client->received()).starts_with(hello + "data: {\"error\":"));
}

TEST_CASE("a stale answer stands in for every kind of failure, marked as such") {
  struct Case {
    std::string_view name, raw;
  };
  for (const Case& c :
       {Case{"closed", ""}, Case{"503", "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"},
        Case{"429", "HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n"},
        Case{"529", "HTTP/1.1 529 X\r\nContent-Length: 0\r\n\r\n"}, Case{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n"},
        Case{"cut", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"choices\":"}}) {
    CAPTURE(c.name);
    DoorBench b("[cache]\nttl = \"10s\"\nstale_if_error = \"20s\"\n" + k_basic_config);
    b.exchange({}, "old");
    b.world.loop.run_for(11s);
    const auto peer = b.ask({});
    REQUIRE(b.asked.size() == 2);
    b.upstream.stop();
    b.last().send(c.raw);
    b.settle();
    b.last().peer->close();
    b.settle();
    CHECK(cache_of(peer->received()) == "stale");
    CHECK(field_of(peer->received(), "Age") == "11");
    CHECK(body_of(peer->received()).find("\"content\":\"old\"") != std::string::npos);
    CHECK(is_whole(peer->received()));
  }
}

TEST_CASE("a stale answer is too old at the end of its time, and never beats an error of the request itself") {
  DoorBench b("[cache]\nttl = \"10s\"\nstale_if_error = \"20s\"\n" + k_basic_config);
  b.exchange({}, "old");
  b.world.loop.run_for(11s);
  const auto bad = b.ask({});
  b.last().answer(R"({"error":{"message":"no"}})", 400);
  b.settle();
  CHECK(bad->received().starts_with("HTTP/1.1 400"));
  b.world.loop.run_for(20s);
  const auto late = b.ask({});
  b.upstream.stop();
  b.last().peer->close();
  b.settle();
  CHECK(late->received().starts_with("HTTP/1.1 502"));
}

TEST_CASE("observing serves nothing and says what would have been a hit") {
  for (const bool with_redis : {false, true}) {
    DoorBench b("[cache]\nmode = \"observe\"\n" + k_basic_config, with_redis);
    CHECK(cache_of(b.exchange({}, "a")) == "miss");
    b.settle();
    const std::string second = b.exchange({}, "b");
    CHECK(cache_of(second) == "observe");
    CHECK(body_of(second) == answer_json("b"));
    const auto one = b.ask({.text = "new"});
    const auto two = b.ask({.text = "new"});
    CHECK(b.asked.size() == 4);
  }
}

TEST_CASE("observing embeddings asks for every text, whatever Redis knows") {
  DoorBench b("[cache]\nmode = \"observe\"\n" + k_basic_config, true, 8192);
  const std::string answer =
      R"({"object":"list","data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}],"model":"m","usage":{"prompt_tokens":4,"total_tokens":4}})";
  const std::string question = post({.path = "/v1/embeddings"}, R"({"model":"m","input":["a","b"]})");
  const auto first = b.send(question);
  b.last().answer(answer);
  b.settle();
  b.push_out();
  const std::size_t before = b.asked.size();
  const auto second = b.send(question);
  REQUIRE(b.asked.size() == before + 1);
  CHECK(b.last().body.find("[\"a\",\"b\"]") != std::string::npos);
  b.last().answer(answer);
  b.settle();
  CHECK(body_of(second->received()) == answer);
}

std::string embeddings_of(std::string_view numbers) {
  std::string data;
  int index = 0;
  for (const char c : numbers) {
    data +=
        fmt::format("{}{{\"object\":\"embedding\",\"index\":{},\"embedding\":[{}]}}", data.empty() ? "" : ",", index++, c);
  }
  return "{\"object\":\"list\",\"data\":[" + data + "],\"model\":\"m\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}";
}

std::string ask_embeddings(std::string_view letters) {
  std::string input;
  for (const char c : letters) input += fmt::format("{}\"{}\"", input.empty() ? "" : ",", c);
  return post({.path = "/v1/embeddings"}, "{\"model\":\"m\",\"input\":[" + input + "]}");
}

TEST_CASE("of a batch only the new texts are asked for, and the answer has all of them in order") {
  DoorBench b;
  const auto first = b.send(ask_embeddings("ab"));
  b.last().answer(embeddings_of("12"));
  b.settle();
  const auto second = b.send(ask_embeddings("cbad"));
  REQUIRE(b.asked.size() == 2);
  CHECK(b.last().body.find("[\"c\",\"d\"]") != std::string::npos);
  b.last().answer(embeddings_of("34"));
  b.settle();
  const std::string body = body_of(second->received());
  std::size_t at = 0;
  for (const std::string_view number : {"[3]", "[2]", "[1]", "[4]"}) {
    at = body.find(number, at);
    CHECK(at != std::string::npos);
  }
  const auto third = b.send(ask_embeddings("dcba"));
  CHECK(b.asked.size() == 2);
  CHECK(cache_of(third->received()) == "hit");
}

constexpr std::string_view k_down = R"({"error":{"message":"down"}})";

TEST_CASE("vectors past their time stand in for an upstream that fails, if all of them are there") {
  DoorBench b("[cache]\nttl = \"10s\"\nstale_if_error = \"20s\"\n" + k_basic_config);
  const auto first = b.send(ask_embeddings("ab"));
  b.last().answer(embeddings_of("12"));
  b.world.loop.run_for(6s);
  const auto second = b.send(ask_embeddings("c"));
  b.last().answer(embeddings_of("3"));
  b.world.loop.run_for(6s);

  // One of three is fresh.
  const auto lead = b.send(ask_embeddings("bca"));
  const auto other = b.send(ask_embeddings("bca"));
  REQUIRE(b.asked.size() == 3);
  CHECK(b.last().body.contains(R"(["b","a"])"));
  b.last().answer(k_down, 503);
  b.settle();
  for (const auto& peer : {lead.get(), other.get()}) {
    const std::string answer = peer->received();
    CHECK(answer.starts_with("HTTP/1.1 200"));
    CHECK(cache_of(answer) == "stale");
    CHECK(field_of(answer, "Age") == "12");
    const std::string body = body_of(answer);
    CHECK(body.find("[2]") < body.find("[3]"));
    CHECK(body.find("[3]") < body.find("[1]"));
    CHECK(body.contains("[1]"));
  }
  CHECK(b.door.fills().size() == 0);

  const auto unknown = b.send(ask_embeddings("abd"));
  b.last().answer(k_down, 503);
  b.settle();
  CHECK(unknown->received().starts_with("HTTP/1.1 503"));
  CHECK(body_of(unknown->received()) == k_down);

  // Who asks for a new one gets a new one, and the client's own fault is the client's.
  const auto wrong = b.send(ask_embeddings("ab"));
  b.last().answer(k_down, 400);
  b.settle();
  CHECK(wrong->received().starts_with("HTTP/1.1 400"));
  const auto renewed = b.send(ask_embeddings("ab"));
  b.last().answer(embeddings_of("78"));
  b.settle();
  CHECK(body_of(renewed->received()) == embeddings_of("78"));
  CHECK(cache_of(b.send(ask_embeddings("ab"))->received()) == "hit");

  b.world.loop.run_for(31s);
  const auto late = b.send(ask_embeddings("ab"));
  b.last().answer(k_down, 503);
  b.settle();
  CHECK(late->received().starts_with("HTTP/1.1 503"));
}

TEST_CASE("vectors past their time that only Redis has stand in as well") {
  DoorBench b("[cache]\nttl = \"10s\"\nstale_if_error = \"60s\"\n" + k_basic_config, true, 8192);
  const auto first = b.send(ask_embeddings("ab"));
  b.last().answer(embeddings_of("12"));
  b.settle();
  b.push_out();
  b.world.loop.run_for(11s);
  const auto peer = b.send(ask_embeddings("ba"));
  b.last().answer(k_down, 503);
  b.settle();
  CHECK(cache_of(peer->received()) == "stale");
  CHECK(body_of(peer->received()).find("[2]") < body_of(peer->received()).find("[1]"));
  CHECK(field_of(peer->received(), "x-outrigger-attempts") == "1");
}

TEST_CASE("a waiter's max-age holds for every text of a batch that somebody else asked for") {
  DoorBench b;
  const auto first = b.send(ask_embeddings("a"));
  b.last().answer(embeddings_of("1"));
  b.world.loop.run_for(10s);
  const auto lead = b.send(ask_embeddings("ab"));
  const auto fields =
      post({.fields = "Cache-Control: max-age=5\r\n", .path = "/v1/embeddings"}, R"({"model":"m","input":["a","b"]})");
  const auto waiter = b.send(fields);
  REQUIRE(b.asked.size() == 2);
  b.last().answer(embeddings_of("2"));
  b.settle();
  CHECK(body_of(lead->received()).find("[1]") != std::string::npos);
  REQUIRE(b.asked.size() == 3);
  b.last().answer(embeddings_of("78"));
  b.settle();
  CHECK(body_of(waiter->received()) == embeddings_of("78"));
}

TEST_CASE("when part of a batch gets no usable answer, all of it is asked for as the client did") {
  struct Case {
    std::string_view name, fields, body;
  };
  for (const Case& c : {Case{"too few", "Content-Type: application/json\r\n", R"({"data":[],"model":"m"})"},
                        Case{"HTML", "Content-Type: text/html\r\n", "<html>"},
                        Case{"gzip", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "\x1f\x8b"}}) {
    CAPTURE(c.name);
    DoorBench b;
    const auto first = b.send(ask_embeddings("ab"));
    b.last().answer(embeddings_of("12"));
    b.settle();
    const auto second = b.send(ask_embeddings("bc"));
    REQUIRE(b.asked.size() == 2);
    b.last().answer(c.body, 200, c.fields);
    b.settle();
    REQUIRE(b.asked.size() == 3);
    CHECK(b.last().body.find("[\"b\",\"c\"]") != std::string::npos);
    b.last().answer(embeddings_of("78"));
    b.settle();
    CHECK(body_of(second->received()) == embeddings_of("78"));
    CHECK(field_of(second->received(), "x-outrigger-attempts") == "2");
  }
}

TEST_CASE("what is complete is stored and what is not is not, each with its reason") {
  const auto with_reason = [](std::string_view reason, std::string_view text = "ab") {
    return fmt::format(
        R"({{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"{}"}}]}})", text,
        reason);
  };
  struct Case {
    std::string body, fields, reason{};
    int status = 200;
  };
  const std::string k_json = "Content-Type: application/json\r\n";
  for (const Case& c :
       {Case{with_reason("stop"), k_json, ""}, Case{with_reason("length"), k_json, "length"},
        Case{with_reason("content_filter"), k_json, "filtered"}, Case{with_reason("stop", ""), k_json, "empty"},
        Case{"<html>", "Content-Type: text/html\r\n", "not_understood"}, Case{"{\"wrong\":,}", k_json, "not_understood"},
        Case{with_reason("stop"), k_json + "Content-Encoding: gzip\r\n", "not_understood"},
        Case{with_reason("stop", std::string(2000, 'x')), k_json, "too_large"},
        Case{with_reason("stop"), k_json, "error_status", 201},
        Case{R"({"error":{"message":"x"}})", k_json, "error_status", 500}}) {
    CAPTURE(c.body.substr(0, 90), c.reason);
    DoorBench b("[cache]\nmax_entry = \"1KiB\"\n" + k_basic_config);
    const auto peer = b.ask({});
    b.last().answer(c.body, c.status, c.fields);
    b.settle();
    CHECK(body_of(peer->received()) == c.body);
    CHECK(b.store.stats().entries == (c.reason.empty() ? 1 : 0));
    if (!c.reason.empty()) CHECK(b.metric("outrigger_cache_not_stored_total{reason=\"" + c.reason + "\"}") == "1");
  }
}

TEST_CASE("what was asked before a purge is not stored after it, and nobody who comes after it waits for that") {
  DoorBench b;
  const auto before = b.ask({});
  b.door.fills().forget({.all = true});
  const auto after = b.ask({});
  REQUIRE(b.asked.size() == 2);
  CHECK(b.ask({})->received().empty());
  CHECK(b.asked.size() == 2);  // shared again
  b.asked[0].answer(answer_json("old"));
  b.settle();
  CHECK(body_of(before->received()) == answer_json("old"));
  CHECK(b.store.stats().entries == 0);
  b.asked[1].answer(answer_json("new"));
  b.settle();
  CHECK(body_of(after->received()) == answer_json("new"));
  CHECK(cache_of(after->received()) == "miss");
  CHECK(b.store.stats().entries == 1);
}

TEST_CASE("a purge leaves alone what it does not mean") {
  for (const bool is_meant : {true, false}) {
    CAPTURE(is_meant);
    DoorBench b("[cache]\nttl = \"10s\"\nstale_if_error = \"20s\"\n" + k_basic_config);
    b.exchange({}, "first");
    b.world.loop.run_for(12s);
    const auto peer = b.ask({});
    const auto joined = b.ask({});
    REQUIRE(b.asked.size() == 2);
    b.door.fills().forget({.model = is_meant ? "m" : "another"});
    const auto after = b.ask({});
    CHECK(b.asked.size() == (is_meant ? 3 : 2));
    b.asked[1].answer(R"({"error":{"message":"it hurts"}})", 500);
    b.settle();
    // The answer of before stands in for a failure, unless it was purged.
    CHECK(cache_of(peer->received()) == (is_meant ? "miss" : "stale"));
    CHECK(cache_of(joined->received()) == (is_meant ? "coalesced" : "stale"));
    CHECK(after->received().empty() == is_meant);
  }
}

TEST_CASE("what is not understood passes through as it is, both ways") {
  DoorBench b;
  const auto upload =
      b.send("POST /v1/files?x=1 HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n4\r\nwiki\r\n");
  REQUIRE(b.asked.size() == 1);
  CHECK(b.last().head.starts_with("POST /v1/files?x=1 HTTP/1.1"));
  CHECK(field_of(b.last().head, "X-A") == "b");
  upload->send("5\r\npedia\r\n0\r\n\r\n");
  b.settle();
  CHECK(b.last().body.ends_with("0\r\n\r\n"));
  CHECK(b.last().body.find("wiki") != std::string::npos);
  CHECK(b.last().body.find("pedia") != std::string::npos);
  b.last().answer("thanks", 201, "Content-Type: text/plain\r\nX-Own: 1\r\n");
  b.settle();
  CHECK(upload->received().starts_with("HTTP/1.1 201"));
  CHECK(body_of(upload->received()) == "thanks");
  CHECK(field_of(upload->received(), "X-Own") == "1");
  CHECK(cache_of(upload->received()) == "bypass; reason=endpoint");
}

TEST_CASE("broken JSON reaches the provider, whose own error is the answer") {
  DoorBench b;
  const auto peer = b.send(post({}, "{\"model\":"));
  REQUIRE(b.asked.size() == 1);
  CHECK(b.last().body == "{\"model\":");
  b.last().answer(R"({"error":{"message":"parse it yourself"}})", 400);
  b.settle();
  CHECK(body_of(peer->received()) == R"({"error":{"message":"parse it yourself"}})");
  CHECK(cache_of(peer->received()) == "bypass; reason=not_json");
}

TEST_CASE("every request stands in the access log once, also one whose client leaves") {
  DoorBench b;
  b.exchange({}, "a");
  b.ask({});
  auto leaver = b.ask({.text = "b"});
  leaver->close();
  b.settle();
  REQUIRE(b.log.lines.size() == 3);
  CHECK(b.log.lines[0].find("\"cache\":\"miss\"") != std::string::npos);
  CHECK(b.log.lines[1].find("\"cache\":\"hit\"") != std::string::npos);
  CHECK(b.log.lines[2].find("\"error\":\"client_gone\"") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::proxy::test
