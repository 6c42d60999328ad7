// One call for many: who joins, who gets what, and what happens when somebody leaves.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string cache_of(const std::string& answer) { return field_of(answer, "x-outrigger-cache"); }

TEST_CASE("identical requests in flight share one call, each from where it stands") {
  DoorBench b;
  const auto first = b.ask({.stream = true});
  REQUIRE(b.asked.size() == 1);
  b.last().begin_stream();
  b.last().chunk(event("one"));
  b.settle();
  CHECK(body_of(first->received()) == event("one"));
  const auto second = b.ask({.stream = true});
  CHECK(body_of(second->received()) == event("one"));
  b.last().chunk(event("two"));
  b.settle();
  CHECK(body_of(first->received()) == event("one") + event("two"));
  CHECK(body_of(second->received()) == event("one") + event("two"));
  b.last().chunk(k_stop + k_done);
  b.last().end_stream();
  b.settle();
  CHECK(b.asked.size() == 1);
  CHECK(is_whole(first->received()));
  CHECK(is_whole(second->received()));
  CHECK(body_of(first->received()) == body_of(second->received()));
  CHECK(cache_of(first->received()) == "miss");
  CHECK(cache_of(second->received()) == "coalesced");
  CHECK(field_of(second->received(), "x-outrigger-attempts") == "0");
  CHECK(b.door.fills().size() == 0);
  CHECK(b.door.fills().recorded_bytes() == 0);
  // And the next one is a hit.
  CHECK(cache_of(b.ask({.stream = true})->received()) == "hit");
}

TEST_CASE("a thousand waiters on one stream make one call and get the same bytes") {
  DoorBench b;
  std::vector<std::unique_ptr<sim::Peer>> waiters;
  waiters.push_back(b.ask({.stream = true}));
  b.last().begin_stream();
  b.last().chunk(event("one"));
  for (int i = 0; i < 1000; ++i) {
    waiters.push_back(sim::dial(b.world, DoorBench::k_door));
    waiters.back()->send(wire({.stream = true}));
  }
  b.settle();
  b.last().chunk(event("two") + k_stop + k_done);
  b.last().end_stream();
  b.settle();
  CHECK(b.asked.size() == 1);
  for (const auto& waiter : waiters) {
    REQUIRE(is_whole(waiter->received()));
    REQUIRE(body_of(waiter->received()) == event("one") + event("two") + k_stop + k_done);
  }
  CHECK(b.door.fills().size() == 0);
}

TEST_CASE("when the first caller hangs up the others go on") {
  DoorBench b;
  const auto first = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(event("one"));
  const auto second = b.ask({.stream = true});
  first->close();
  b.settle();
  CHECK_FALSE(b.last().peer->ended());
  b.last().chunk(event("two") + k_stop + k_done);
  b.last().end_stream();
  b.settle();
  CHECK(body_of(second->received()) == event("one") + event("two") + k_stop + k_done);
  CHECK(is_whole(second->received()));
  CHECK(cache_of(b.ask({.stream = true})->received()) == "hit");
}

TEST_CASE("when the last one leaves the call is cancelled, and nothing of it is stored") {
  DoorBench b;
  auto first = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(event("one"));
  auto second = b.ask({.stream = true});
  first->close();
  b.settle();
  second->close();
  b.settle();
  CHECK(b.last().peer->ended());
  CHECK(b.door.fills().size() == 0);
  CHECK(b.door.fills().recorded_bytes() == 0);
  CHECK(b.store.stats().entries == 0);
  CHECK(b.metric("outrigger_cache_not_stored_total{reason=\"abandoned\"}") == "1");
  const auto third = b.ask({.stream = true});
  CHECK(b.asked.size() == 2);
}

TEST_CASE("a process that ends with answers under way leaves nothing that reads what is gone") {
  auto b = std::make_unique<DoorBench>();
  b->kept.push_back(b->ask({.stream = true}));
  b->last().begin_stream();
  b->last().chunk(event("one"));
  b->settle();
  b->kept.push_back(b->ask({.text = "another"}));
  CHECK(b->door.fills().size() == 2);
  // The server first, then the store, the client and the door; then the loop buries what they retired.
  b->server.reset();
  CHECK(b->door.fills().size() == 0);
  CHECK(b->door.fills().recorded_bytes() == 0);
  b.reset();
}

TEST_CASE("a blocking request that waits for a stream gets the same answer in its own form, and the other way round") {
  for (const bool lead_streams : {true, false}) {
    CAPTURE(lead_streams);
    DoorBench b;
    const auto lead = b.ask({.stream = lead_streams});
    const auto other = b.ask({.stream = !lead_streams});
    REQUIRE(b.asked.size() == 1);
    if (lead_streams) {
      b.last().begin_stream();
      b.last().chunk(event("Hel") + event("lo") + k_stop + k_done);
      b.last().end_stream();
    } else {
      b.last().answer(answer_json("Hello"));
    }
    b.settle();
    REQUIRE(is_whole(other->received()));
    CHECK(b.asked.size() == 1);
    CHECK(cache_of(other->received()) == "coalesced");
    const std::string body = body_of(other->received());
    if (lead_streams) {
      CHECK(body.find("\"content\":\"Hello\"") != std::string::npos);
      CHECK(field_of(other->received(), "Content-Type") == "application/json");
    } else {
      CHECK(body.find("\"content\":\"Hello\"") != std::string::npos);
      CHECK(body.ends_with(k_done));
    }
  }
}

TEST_CASE("who asked for usage gets it and who did not does not, whichever way the lead asked") {
  for (const bool lead_usage : {true, false}) {
    CAPTURE(lead_usage);
    DoorBench b;
    const auto lead = b.ask({.stream = true, .usage = lead_usage});
    const auto other = b.ask({.stream = true, .usage = !lead_usage});
    REQUIRE(b.asked.size() == 1);
    b.last().begin_stream();
    b.last().chunk(event("Hello"));
    b.last().chunk(k_stop);
    if (lead_usage) b.last().chunk(k_usage);
    b.last().chunk(k_done);
    b.last().end_stream();
    b.settle();
    const std::string with = body_of((lead_usage ? lead : other)->received());
    const std::string without = body_of((lead_usage ? other : lead)->received());
    CHECK(without == event("Hello") + k_stop + k_done);
    CHECK(with.find("\"usage\"") != std::string::npos);
    CHECK(with.find("\"choices\":[]") != std::string::npos);
    CHECK(with.ends_with(k_done));
    CHECK(is_whole(lead->received()));
    CHECK(is_whole(other->received()));
  }
}

TEST_CASE("a stream whose end mark lacks its blank line is adapted all the same") {
  for (const bool lead_usage : {true, false}) {
    CAPTURE(lead_usage);
    DoorBench b;
    const auto lead = b.ask({.stream = true, .usage = lead_usage});
    const auto other = b.ask({.stream = true, .usage = !lead_usage});
    b.last().begin_stream();
    b.last().chunk(event("Hello") + k_stop);
    if (lead_usage) b.last().chunk(k_usage);
    b.last().chunk("data: [DONE]");
    b.last().end_stream();
    b.settle();
    const std::string body = body_of(other->received());
    CHECK(is_whole(other->received()));
    CHECK((body.find("\"usage\"") != std::string::npos) == !lead_usage);
    CHECK(body.ends_with("data: [DONE]"));
  }
}

TEST_CASE("usage that nobody asked for is left out, also where the stream ends with it and without its blank line") {
  DoorBench b;
  const auto lead = b.ask({.stream = true, .usage = true});
  const auto other = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(event("Hello") + k_stop);
  b.last().chunk(std::string_view(k_usage).substr(0, k_usage.size() - 1));
  b.last().end_stream();
  b.settle();
  CHECK(body_of(lead->received()) == event("Hello") + k_stop + k_usage.substr(0, k_usage.size() - 1));
  CHECK(body_of(other->received()) == event("Hello") + k_stop);
  CHECK(is_whole(other->received()));
}

TEST_CASE("an answer that cannot be converted is asked for again, for that client alone") {
  DoorBench b;
  const auto lead = b.ask({.stream = true});
  const auto other = b.ask({});
  b.last().begin_stream();
  b.last().chunk("data: {\"no\":\"chunk\"}\n\n" + k_done);
  b.last().end_stream();
  b.settle();
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("for you"));
  b.settle();
  CHECK(body_of(other->received()) == answer_json("for you"));
  CHECK(cache_of(other->received()) == "miss");
}

TEST_CASE("an error status is shared by those who waited, and not remembered") {
  DoorBench b;
  const auto lead = b.ask({});
  const auto other = b.ask({});
  REQUIRE(b.asked.size() == 1);
  b.last().answer(R"({"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}})", 429,
                  "Content-Type: application/json\r\nRetry-After: 3\r\nSet-Cookie: secret\r\n");
  b.settle();
  for (const auto& peer : {lead.get(), other.get()}) {
    CHECK(peer->received().starts_with("HTTP/1.1 429"));
    CHECK(field_of(peer->received(), "Retry-After") == "3");
  }
  CHECK(body_of(lead->received()) == body_of(other->received()));
  CHECK(field_of(other->received(), "Set-Cookie").empty());
  // The next one is not told what others were told, but asks for itself, as soon as it may.
  const auto next = b.ask({});
  CHECK(b.asked.size() == 1);
  b.world.loop.run_for(4s);
  CHECK(b.asked.size() == 2);
}

TEST_CASE("a refusal of one caller's credential is not the refusal of another's") {
  DoorBench b("[cache]\nscope = \"global\"\n" + k_basic_config);
  for (const int status : {401, 402, 403}) {
    CAPTURE(status);
    const std::size_t before = b.asked.size();
    const auto lead = b.ask({.text = std::to_string(status), .key = "expired"});
    const auto other = b.ask({.text = std::to_string(status), .key = "good"});
    REQUIRE(b.asked.size() == before + 1);
    b.last().answer(R"({"error":{"message":"no"}})", status);
    b.settle();
    CHECK(lead->received().starts_with("HTTP/1.1 " + std::to_string(status)));
    REQUIRE(b.asked.size() == before + 2);
    CHECK(field_of(b.last().head, "Authorization") == "Bearer good");
    b.last().answer(answer_json("yes"));
    b.settle();
    CHECK(body_of(other->received()) == answer_json("yes"));
  }
}

TEST_CASE("different credentials do not share, unless the scope says so") {
  for (const bool global : {false, true}) {
    DoorBench b((global ? "[cache]\nscope = \"global\"\n" : "") + k_basic_config);
    const auto one = b.ask({.key = "one"});
    const auto two = b.ask({.key = "two"});
    CHECK(b.asked.size() == (global ? 1 : 2));
  }
}

TEST_CASE("no-store and no-cache requests wait for nobody and are waited for by nobody") {
  for (const std::string_view value : {"no-store", "no-cache"}) {
    CAPTURE(value);
    DoorBench b;
    const std::string fields = "Cache-Control: " + std::string(value) + "\r\n";
    const auto lead = b.ask({});
    const auto alone = b.ask({.fields = fields});
    CHECK(b.asked.size() == 2);
    const auto after = b.ask({});
    CHECK(b.asked.size() == 2);
    b.asked[1].answer(answer_json("alone"));
    b.settle();
    CHECK(body_of(alone->received()) == answer_json("alone"));
    b.asked[0].answer(answer_json("shared"));
    b.settle();
    CHECK(body_of(lead->received()) == answer_json("shared"));
    CHECK(body_of(after->received()) == answer_json("shared"));
  }
}

TEST_CASE("requests whose answers cannot be stored do not wait behind each other for a minute") {
  DoorBench b;
  const std::string refused =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":"ab"},"finish_reason":"length"}]})";
  const auto first = b.ask({});
  b.last().answer(refused);
  b.settle();
  CHECK(body_of(first->received()) == refused);
  CHECK(b.metric("outrigger_cache_not_stored_total{reason=\"length\"}") == "1");
  const auto second = b.ask({});
  const auto third = b.ask({});
  CHECK(b.asked.size() == 3);
  b.asked[1].answer(refused);
  b.asked[2].answer(refused);
  b.world.loop.run_for(Unstorable::k_remember);
  const auto fourth = b.ask({});
  const auto fifth = b.ask({});
  CHECK(b.asked.size() == 4);
}

TEST_CASE("a failure before the answer is everybody's, each with a proper error") {
  DoorBench b;
  const auto lead = b.ask({.stream = true});
  const auto other = b.ask({});
  b.last().peer->close();
  b.settle();
  for (const auto& peer : {lead.get(), other.get()}) {
    CHECK(peer->received().starts_with("HTTP/1.1 502"));
    CHECK(is_whole(peer->received()));
    CHECK(peer->received().find("\"error\"") != std::string::npos);
    CHECK(field_of(peer->received(), "x-should-retry") == "false");
  }
  CHECK(b.door.fills().size() == 0);
}

TEST_CASE("a time limit that the first one asked for is not the others'") {
  DoorBench b;
  const auto hasty = b.ask({.fields = "x-outrigger-timeout: 1s\r\n"});
  b.world.loop.run_for(200ms);
  const auto other = b.ask({});
  const auto as_hasty = b.ask({.fields = "x-outrigger-timeout: 1s\r\n"});
  CHECK(b.asked.size() == 1);
  b.world.loop.run_for(1s);
  CHECK(hasty->received().starts_with("HTTP/1.1 504"));
  CHECK(as_hasty->received().starts_with("HTTP/1.1 504"));
  CHECK(other->received().empty());
  REQUIRE(b.asked.size() == 2);
  b.world.loop.run_for(5s);
  b.last().answer(answer_json("late"));
  b.settle();
  CHECK(body_of(other->received()) == answer_json("late"));
  CHECK(cache_of(other->received()) == "miss");
}

TEST_CASE("who asks anew has what is left of its own time") {
  DoorBench b;
  const auto hasty = b.ask({.fields = "x-outrigger-timeout: 1s\r\n"});
  const auto other = b.ask({.fields = "x-outrigger-timeout: 3s\r\n"});
  b.world.loop.run_for(2s);
  CHECK(hasty->received().starts_with("HTTP/1.1 504"));
  CHECK(other->received().empty());
  CHECK(b.asked.size() == 2);
  b.world.loop.run_for(1s);
  CHECK(other->received().starts_with("HTTP/1.1 504"));
}

TEST_CASE("nor is what the first one's impatience means in a queue") {
  DoorBench b(k_basic_config + "concurrency = 1\n");
  const auto busy = b.ask({.text = "busy"});
  const auto hasty = b.ask({.fields = "x-outrigger-timeout: 1s\r\n"});
  const auto other = b.ask({});
  b.world.loop.run_for(2s);
  CHECK(hasty->received().starts_with("HTTP/1.1 429"));
  CHECK(other->received().empty());
  CHECK(b.asked.size() == 1);
  b.last().answer(answer_json("busy"));
  b.settle();
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(body_of(other->received()) == answer_json("new"));
}

TEST_CASE("nor is its low place in a queue") {
  DoorBench b(k_basic_config + "concurrency = 1\nqueue = { depth = 1 }\n");
  const auto busy = b.ask({.text = "busy"});
  const auto low = b.ask({.fields = "x-outrigger-priority: low\r\n"});
  const auto as_low = b.ask({.fields = "x-outrigger-priority: low\r\n"});
  const auto high = b.ask({.fields = "x-outrigger-priority: high\r\n"});
  const auto displacing = b.ask({.text = "another"});
  CHECK(low->received().starts_with("HTTP/1.1 429"));
  CHECK(as_low->received().starts_with("HTTP/1.1 429"));
  CHECK(high->received().empty());
  CHECK(displacing->received().starts_with("HTTP/1.1 429"));  // in its turn
  b.last().answer(answer_json("busy"));
  b.settle();
  REQUIRE(b.asked.size() == 2);
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(body_of(high->received()) == answer_json("new"));
}

TEST_CASE("a stream that breaks off ends with an error event for the streaming and with an error for the blocking") {
  DoorBench b;
  const auto lead = b.ask({.stream = true});
  const auto other = b.ask({});
  b.last().begin_stream();
  b.last().chunk(event("one") + "data: {\"half");
  b.settle();
  b.last().peer->close();
  b.settle();
  const std::string body = body_of(lead->received());
  CHECK(body.starts_with(event("one") + "data: {\"error\""));
  CHECK(body.find("half") == std::string::npos);
  CHECK(body.ends_with("\n\n"));
  CHECK(is_whole(lead->received()));
  CHECK(other->received().starts_with("HTTP/1.1 502"));
  CHECK(b.store.stats().entries == 0);
}

TEST_CASE("a stream that just ends, in proper HTTP, is a broken one") {
  DoorBench b;
  const auto lead = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(event("one"));
  b.last().end_stream();
  b.settle();
  CHECK(body_of(lead->received()).starts_with(event("one") + "data: {\"error\""));
  CHECK(b.store.stats().entries == 0);
}

TEST_CASE("several waiters share what Redis has, and the limits of each of them hold") {
  DoorBench b("[cache]\nttl = \"1h\"\n" + k_basic_config, true, 8192);
  b.exchange({}, "old");
  b.world.loop.run_for(30s);
  b.push_out();
  const std::size_t before = b.asked.size();
  b.redis->slow = 5ms;
  auto lead = sim::dial(b.world, DoorBench::k_door);
  auto waiter = sim::dial(b.world, DoorBench::k_door);
  auto strict = sim::dial(b.world, DoorBench::k_door);
  lead->send(wire({}));
  b.world.loop.run_for(1ms);
  waiter->send(wire({.stream = true}));
  strict->send(wire({.fields = "Cache-Control: max-age=10\r\n"}));
  b.settle();
  CHECK(cache_of(lead->received()) == "hit");
  CHECK(cache_of(waiter->received()) == "hit");
  CHECK(body_of(waiter->received()).find("\"content\":\"old\"") != std::string::npos);
  REQUIRE(b.asked.size() == before + 1);
  b.last().answer(answer_json("new"));
  b.settle();
  CHECK(body_of(strict->received()) == answer_json("new"));
}

}  // namespace
}  // namespace outrigger::proxy::test
