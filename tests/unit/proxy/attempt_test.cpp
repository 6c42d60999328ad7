// The clocks of an attempt, one nanosecond before their limits and at them.
#include "proxy/attempt.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy {
namespace {

config::Timeouts limits(std::optional<Duration> first_token, std::optional<Duration> between_tokens, Duration total) {
  config::Timeouts limits;
  limits.first_token = first_token;
  limits.between_tokens = between_tokens;
  limits.total = total;
  return limits;
}

struct Listener final : AttemptHandler {
  std::string body;
  std::optional<int> status;
  bool ended = false;
  int drained = 0;
  std::optional<Error> error;
  bool notes_progress = true;
  Attempt* attempt = nullptr;

  void on_attempt_head(http::ResponseHead head) override { status = head.status; }
  void on_attempt_body(const Bytes& data) override {
    body += data.view();
    if (notes_progress) attempt->note_progress();
  }
  void on_attempt_end() override { ended = true; }
  void on_attempt_failed(Error problem) override { error = std::move(problem); }
  void on_attempt_drained() override { ++drained; }
};

class AttemptBench {
 public:
  AttemptBench(config::Timeouts timeouts, bool streamed_answer) : snapshot(test::snapshot_of(test::k_basic_config)) {
    AttemptRequest request;
    request.head.method = "POST";
    request.head.target = "/v1/chat/completions";
    request.head.headers.add("Host", "provider");
    request.body = Bytes::copy("{}");
    request.streamed_answer = streamed_answer;
    begun = world.loop.now();
    attempt =
        std::make_unique<Attempt>(world.loop, client, snapshot->targets().front(), timeouts, std::move(request), listener);
    listener.attempt = attempt.get();
  }
  sim::Peer& peer() { return *upstream.wait_for(1); }
  // Runs until one nanosecond before `span` after the beginning; then nothing may have failed; then to it.
  void run_to_limit(Duration span, MonoTime from) {
    world.loop.run_for(from + span - 1ns - world.loop.now());
    CHECK_FALSE(listener.error);
    world.loop.run_for(1ns);
  }

  sim::SimWorld world;
  sim::ScriptedServer upstream{world, {"provider", 9000, false}};
  http::Client client{world.world(), {}};
  std::shared_ptr<const Snapshot> snapshot;
  Listener listener;
  MonoTime begun;
  std::unique_ptr<Attempt> attempt;
};

const std::string k_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_CASE("the total limit ends an attempt at its time, whatever it does") {
  for (const bool answering : {false, true}) {
    AttemptBench b(limits({}, {}, 7s), true);
    if (answering) b.peer().send(k_head + "1\r\nx\r\n");
    b.run_to_limit(7s, b.begun);
    REQUIRE(b.listener.error);
    CHECK(b.listener.error->code == ErrorCode::total_timeout);
    b.world.loop.run_for(1s);
    CHECK(b.peer().ended());
  }
}

TEST_CASE("the first token is waited for from the start of the call") {
  AttemptBench b(limits(3s, 20s, 60s), true);
  b.peer().send(k_head);
  b.run_to_limit(3s, b.begun);
  REQUIRE(b.listener.error);
  CHECK(b.listener.error->code == ErrorCode::first_token_timeout);
}

TEST_CASE("a first token in time starts the clock between tokens") {
  AttemptBench b(limits(3s, 2s, 60s), true);
  b.peer().send(k_head);
  b.world.loop.run_for(2s);
  b.peer().send("1\r\nx\r\n");
  REQUIRE(b.world.loop.run_until([&] { return b.listener.body == "x"; }, 1s));
  const MonoTime first = b.world.loop.now();
  b.world.loop.run_for(1999ms);
  b.peer().send("1\r\ny\r\n");
  REQUIRE(b.world.loop.run_until([&] { return b.listener.body == "xy"; }, 1ms));
  CHECK(b.world.loop.now() < first + 2s);
  b.run_to_limit(2s, b.world.loop.now());
  REQUIRE(b.listener.error);
  CHECK(b.listener.error->code == ErrorCode::stall_timeout);
}

TEST_CASE("bytes that are no tokens do not stop the clock of the first token") {
  AttemptBench b(limits(3s, {}, 60s), true);
  b.listener.notes_progress = false;
  b.peer().send(k_head + "c\r\n: keepalive\n\r\n");
  b.run_to_limit(3s, b.begun);
  REQUIRE(b.listener.error);
  CHECK(b.listener.error->code == ErrorCode::first_token_timeout);
}

TEST_CASE("a blocking answer knows the total limit only") {
  AttemptBench b(limits(1s, 1s, 10s), false);
  b.peer();
  b.world.loop.run_for(5s);
  b.peer().send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
  b.world.loop.run_for(4s);
  b.peer().send("b");
  b.world.loop.run_for(10ms);
  CHECK(b.listener.ended);
  CHECK(b.listener.body == "ab");
}

TEST_CASE("while nobody reads, the time between tokens does not count") {
  AttemptBench b(limits({}, 2s, 60s), true);
  b.peer().send(k_head + "1\r\nx\r\n");
  REQUIRE(b.world.loop.run_until([&] { return b.listener.body == "x"; }, 1s));
  b.attempt->read_body(false);
  b.world.loop.run_for(20s);
  CHECK_FALSE(b.listener.error);
  b.attempt->read_body(true);
  b.run_to_limit(2s, b.world.loop.now());
  REQUIRE(b.listener.error);
  CHECK(b.listener.error->code == ErrorCode::stall_timeout);
}

TEST_CASE("the head that goes out is the client's, but for what is between two neighbours or for us") {
  const auto snapshot = test::snapshot_of(R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
keys = ["key-one", "key-two"]
headers = { "x-team" = "support" }
)");
  http::RequestHead from;
  from.method = "POST";
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"Host", "outrigger"},
                                                                  {"Authorization", "Bearer client"},
                                                                  {"X-Api-Key", "client"},
                                                                  {"X-Goog-Api-Key", "client"},
                                                                  {"Connection", "close, X-Hop"},
                                                                  {"X-Hop", "1"},
                                                                  {"TE", "trailers"},
                                                                  {"Content-Length", "5"},
                                                                  {"Expect", "100-continue"},
                                                                  {"X-Outrigger-Timeout", "3s"},
                                                                  {"X-Stainless-Lang", "python"},
                                                                  {"x-team", "other"}}) {
    from.headers.add(name, value);
  }
  from.target = "/v1/chat/completions?a=1";
  const http::RequestHead head = outgoing_head(from, snapshot->destination(from.target), 3, true);
  CHECK(head.target == "/v1/chat/completions?a=1");
  CHECK(head.headers.get("host") == "provider:9000");
  CHECK(head.headers.get("authorization") == "Bearer key-two");
  CHECK(head.headers.get("x-stainless-lang") == "python");
  CHECK(head.headers.joined("x-team") == "support");
  for (const std::string_view gone :
       {"x-api-key", "x-goog-api-key", "connection", "x-hop", "te", "content-length", "expect", "x-outrigger-timeout"}) {
    CAPTURE(gone);
    CHECK_FALSE(head.headers.get(gone));
  }
}

TEST_CASE("the client's credential stays away from an upstream that it is not for") {
  const auto snapshot = test::snapshot_of(test::k_basic_config);
  http::RequestHead from;
  from.target = "/v1/chat/completions";
  const std::vector<std::string_view> credentials{"authorization", "x-api-key",           "api-key",       "x-goog-api-key",
                                                  "cookie",        "openai-organization", "openai-project"};
  for (const std::string_view name : credentials) from.headers.add(name, "secret");
  from.headers.add("accept", "text/event-stream");
  const Destination destination = snapshot->destination(from.target);
  for (const bool passes : {true, false}) {
    const http::RequestHead head = outgoing_head(from, destination, 0, passes);
    for (const std::string_view name : credentials) CHECK(head.headers.get(name).has_value() == passes);
    CHECK(head.headers.get("accept") == "text/event-stream");
  }
}

}  // namespace
}  // namespace outrigger::proxy
