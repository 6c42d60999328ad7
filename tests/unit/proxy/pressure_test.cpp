// Slow readers, large answers and windows: what is held, and who is cut off.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

// A connection that has sent its request and reads nothing.
std::unique_ptr<sim::Peer> idle_reader(DoorBench& b, std::string_view request) {
  auto peer = sim::dial(b.world, DoorBench::k_door);
  peer->pause();
  peer->send(request);
  b.settle();
  return peer;
}

const std::string k_upload = "GET /v1/files/1/content HTTP/1.1\r\nHost: o\r\n\r\n";

// Feeds the last request's answer as fast as the link takes it, until it stops taking or `most` has gone.
std::size_t pour(DoorBench& b, std::size_t most) {
  const std::string piece(16 * 1024, 'x');
  std::size_t sent = 0;
  for (int idle = 0; sent < most && idle < 20;) {
    if (b.last().peer->unsent() > 0) {
      b.world.loop.run_for(1ms);
      ++idle;
      continue;
    }
    idle = 0;
    b.last().chunk(piece);
    sent += piece.size();
    b.world.loop.run_for(1ms);
  }
  return sent;
}

TEST_CASE("a slow reader of what is passed through stops its source at a bounded amount") {
  DoorBench b;
  const auto peer = idle_reader(b, k_upload);
  REQUIRE(b.asked.size() == 1);
  b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::size_t taken = pour(b, 16u << 20);
  CHECK(taken < 2u << 20);
  CHECK(b.door.fills().recorded_bytes() <= Fill::k_window + 64 * 1024);
  peer->resume();
  b.settle();
  CHECK(pour(b, 1u << 20) == 1u << 20);
  b.last().end_stream();
  b.world.loop.run_for(1s);
  CHECK(is_whole(peer->received()));
}

TEST_CASE("a reader that takes something now and then is not given up") {
  DoorBench b;
  const auto peer = idle_reader(b, k_upload);
  b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  pour(b, 16u << 20);
  // Some 64 KiB every 50 seconds: below every rate, and yet alive.
  for (int i = 0; i < 12; ++i) {
    b.world.loop.run_for(50s);
    REQUIRE_FALSE(peer->ended());
    const std::size_t before = peer->received().size();
    peer->resume();
    b.world.loop.run_until([&] { return peer->received().size() > before; }, 1s);
    peer->pause();
  }
  CHECK_FALSE(peer->ended());
}

TEST_CASE("a reader that takes nothing at all is given up after a minute") {
  DoorBench b;
  const auto peer = idle_reader(b, k_upload);
  b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  pour(b, 16u << 20);
  b.world.loop.run_for(50s);
  CHECK(b.door.fills().size() == 1);
  b.world.loop.run_for(15s);
  CHECK(b.door.fills().size() == 0);
  CHECK(b.server->connections() == 0);
}

// A shared stream that has become too large to be stored.
class LargeStream {
 public:
  LargeStream() : b("[cache]\nmax_entry = \"64KiB\"\n" + k_basic_config) {}
  void begin(std::unique_ptr<sim::Peer> lead_, std::unique_ptr<sim::Peer> other_) {
    lead = std::move(lead_);
    other = std::move(other_);
    REQUIRE(b.asked.size() == 1);
    b.last().begin_stream();
  }
  std::size_t pour(std::size_t most) {
    const std::string piece = event(std::string(4000, 'y'));
    std::size_t sent = 0;
    for (int idle = 0; sent < most && idle < 20;) {
      if (b.last().peer->unsent() > 0) {
        b.world.loop.run_for(1ms);
        ++idle;
        continue;
      }
      idle = 0;
      b.last().chunk(piece);
      sent += piece.size();
      b.world.loop.run_for(1ms);
    }
    return sent;
  }
  DoorBench b;
  std::unique_ptr<sim::Peer> lead, other;
};

TEST_CASE("a slow reader holds up others for five seconds and not longer") {
  LargeStream s;
  auto lead = s.b.ask({.stream = true});
  s.begin(std::move(lead), idle_reader(s.b, wire({.stream = true})));
  const std::size_t taken = s.pour(8u << 20);
  CHECK(taken < 2u << 20);
  CHECK(s.b.door.fills().recorded_bytes() <= Fill::k_window + 128 * 1024);
  s.b.world.loop.run_for(Fill::k_patience);
  CHECK(s.pour(4u << 20) >= 4u << 20);
  s.b.last().chunk(k_stop + k_done);
  s.b.last().end_stream();
  s.b.world.loop.run_for(1s);
  CHECK(is_whole(s.lead->received()));
  s.other->resume();
  s.b.world.loop.run_for(1s);
  CHECK(s.other->ended());
  CHECK_FALSE(is_whole(s.other->received()));
  CHECK(s.b.door.fills().size() == 0);
}

TEST_CASE("who is alone with a stream is not cut off for being slow when the others have left") {
  LargeStream s;
  auto lead = s.b.ask({.stream = true});
  s.begin(std::move(lead), idle_reader(s.b, wire({.stream = true})));
  s.pour(8u << 20);
  s.lead->close();
  s.b.world.loop.run_for(Fill::k_patience * 2);
  CHECK(s.b.door.fills().size() == 1);
  s.other->resume();
  s.b.settle();
  CHECK(s.pour(1u << 20) >= 1u << 20);
  s.b.last().chunk(k_stop + k_done);
  s.b.last().end_stream();
  s.b.world.loop.run_for(1s);
  CHECK(is_whole(s.other->received()));
}

TEST_CASE("a late reader of a stream that is no longer whole asks for itself") {
  LargeStream s;
  auto lead = s.b.ask({.stream = true});
  s.begin(std::move(lead), nullptr);
  s.pour(200'000);
  const auto late = s.b.ask({.stream = true});
  CHECK(s.b.asked.size() == 2);
}

TEST_CASE("a stream too large to be read along that dies inside an event is broken for all to see") {
  LargeStream s;
  auto lead = s.b.ask({.stream = true});
  s.begin(std::move(lead), nullptr);
  s.pour(Fill::k_unstored_max + 100'000);
  SECTION("inside an event the connection is closed") {
    s.b.last().chunk("data: {\"choi");
    s.b.settle();
    s.b.last().peer->close();
    s.b.world.loop.run_for(100ms);
    CHECK(s.lead->ended());
    CHECK_FALSE(is_whole(s.lead->received()));
  }
  SECTION("between two events there is room for an error") {
    s.b.last().peer->close();
    s.b.world.loop.run_for(100ms);
    CHECK(is_whole(s.lead->received()));
    const std::string body = body_of(s.lead->received());
    CHECK(body.find("\n\ndata: {\"error\"") != std::string::npos);
  }
}

TEST_CASE("a blocking waiter of a stream that grew too large asks for itself") {
  LargeStream s;
  auto lead = s.b.ask({.stream = true});
  s.begin(std::move(lead), s.b.ask({}));
  Asked& stream = s.b.last();
  for (int i = 0; i < 40; ++i) stream.chunk(event(std::string(4000, 'y')));
  s.b.world.loop.run_for(100ms);
  REQUIRE(s.b.asked.size() == 2);
  s.b.last().answer(answer_json("short"));
  s.b.settle();
  CHECK(body_of(s.other->received()) == answer_json("short"));
}

TEST_CASE("a part of a batch whose answer is beyond all limits gives way to the whole batch, passed on as it comes") {
  DoorBench b;
  const auto known = b.send(post({.path = "/v1/embeddings"}, R"({"model":"m","input":["a"]})"));
  b.last().answer(R"({"data":[{"index":0,"embedding":[1]}],"model":"m"})");
  b.settle();
  const auto peer = b.send(post({.path = "/v1/embeddings"}, R"({"model":"m","input":["a","b"]})"));
  REQUIRE(b.asked.size() == 2);
  b.last().send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-First: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string piece(1u << 20, ' ');
  for (std::uint64_t sent = 0; sent <= Fill::k_batch_max && b.asked.size() == 2; sent += piece.size()) {
    b.last().chunk(piece);
    b.world.loop.run_for(20ms);
  }
  REQUIRE(b.asked.size() == 3);
  CHECK(peer->received().empty());
  CHECK(b.door.fills().recorded_bytes() == 0);
  b.last().answer("the whole", 200, "Content-Type: application/json\r\nX-Second: 1\r\n");
  b.world.loop.run_for(100ms);
  CHECK(body_of(peer->received()) == "the whole");
  CHECK(field_of(peer->received(), "X-First").empty());
  CHECK(field_of(peer->received(), "X-Second") == "1");
}

TEST_CASE("an upload is slowed to what the upstream takes") {
  DoorBench b;
  b.upstream.reading = false;
  auto peer = sim::dial(b.world, DoorBench::k_door);
  peer->send("POST /v1/files HTTP/1.1\r\nHost: o\r\nContent-Length: 8388608\r\n\r\n");
  std::size_t sent = 0;
  const std::string piece(16 * 1024, 'u');
  for (int idle = 0; idle < 20;) {
    if (peer->unsent() > 0) {
      ++idle;
    } else {
      idle = 0;
      peer->send(piece);
      sent += piece.size();
    }
    b.world.loop.run_for(1ms);
    REQUIRE(sent < 2u << 20);
  }
  REQUIRE(b.upstream.accepted() == 1);
  b.upstream.peer(0).resume();
  for (; sent < 8u << 20; sent += piece.size()) {
    peer->send(piece);
    b.world.loop.run_for(1ms);
  }
  b.world.loop.run_for(1s);
  b.upstream.peer(0).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  b.settle();
  CHECK(body_of(peer->received()) == "ok");
}

}  // namespace
}  // namespace outrigger::proxy::test
