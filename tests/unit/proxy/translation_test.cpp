// Targets on another wire than the client's, through the whole door: what they are sent, and what the client hears of their answers.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/chain_bench.h"

namespace outrigger::proxy::test {
namespace {

// The first on OpenAI's wire, the second on Anthropic's.
const std::string k_claude_second = R"(
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[upstream]]
name = "relay"
url = "http://relay:9000"
dialect = "anthropic"
keys = ["relay-key"]
[[model]]
name = "m"
fallback = ["relay:claude"]
retry = { attempts = 1 }
)";
// The other way round.
const std::string k_claude_first = R"(
[[upstream]]
name = "main"
url = "http://provider:9000"
dialect = "anthropic"
[[upstream]]
name = "relay"
url = "http://relay:9000/v1"
keys = ["relay-key"]
[[model]]
name = "m"
fallback = ["relay:gpt"]
)";

struct WireBench : DoorBench {
  explicit WireBench(const std::string& config) : DoorBench(config) { add_upstream("relay"); }
  // Whom the requests went to so far.
  [[nodiscard]] std::string hosts() const {
    std::string all;
    for (const Asked& one : asked) all += one.host == "relay" ? 'r' : 'm';
    return all;
  }
};

std::string messages_event(std::string_view type, std::string_view rest) {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}
const std::string k_start =
    messages_event("message_start",
                   R"(,"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],)"
                   R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}})") +
    messages_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
std::string text_delta(std::string_view text) {
  return messages_event("content_block_delta",
                        fmt::format(R"(,"index":0,"delta":{{"type":"text_delta","text":"{}"}})", text));
}
const std::string k_message_end =
    messages_event("content_block_stop", R"(,"index":0)") +
    messages_event("message_delta",
                   R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2})") +
    messages_event("message_stop", "");
const std::string k_message =
    R"({"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hi"}],)"
    R"("stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}})";
const std::string k_overloaded = R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})";

// What an Anthropic client asks.
std::string ask_messages(std::string_view more = "") {
  return fmt::format(R"({{"model":"m","max_tokens":50,"messages":[{{"role":"user","content":"hello"}}]{}}})", more);
}
Question at_messages() { return {.fields = "anthropic-version: 2023-06-01\r\n", .path = "/v1/messages"}; }

}  // namespace

TEST_CASE("a chat client hears an Anthropic fallback in its own words, each as soon as it is said") {
  WireBench b(k_claude_second);
  const auto client = b.ask({.stream = true, .usage = true, .more = R"(,"temperature":1.5,"seed":3)"});
  b.last().answer(k_error, 500);
  b.settle();
  REQUIRE(b.hosts() == "mr");
  CHECK(b.last().head.starts_with("POST /v1/messages HTTP/1.1"));
  CHECK(field_of(b.last().head, "X-Api-Key") == "relay-key");
  CHECK(field_of(b.last().head, "anthropic-version") == "2023-06-01");
  CHECK(field_of(b.last().head, "Authorization").empty());
  CHECK(b.last().body.contains(R"("model":"claude")"));
  CHECK(b.last().body.contains(R"("max_tokens":8192)"));

  b.last().begin_stream();
  b.last().chunk(k_start);
  b.last().chunk(text_delta("hel"));
  b.settle();
  CHECK(body_of(client->received()).contains(R"("content":"hel")"));
  b.last().chunk(text_delta("lo"));
  b.last().chunk(k_message_end);
  b.last().end_stream();
  b.settle();
  const std::string got = client->received();
  REQUIRE(is_whole(got));
  CHECK(field_of(got, "Content-Type").starts_with("text/event-stream"));
  CHECK(field_of(got, "x-outrigger-served-by") == "relay:claude");
  const std::string body = body_of(got);
  CHECK(body.contains(R"("object":"chat.completion.chunk")"));
  CHECK(body.contains(R"("model":"claude")"));
  CHECK(body.contains(R"("finish_reason":"stop")"));
  CHECK(body.contains(R"("usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9})"));
  CHECK(body.ends_with("data: [DONE]\n\n"));
  INFO(b.log.lines.back());
  CHECK(b.log.lines.back().contains(R"("left_out":["seed","temperature"])"));
  CHECK(b.metric("outrigger_translations_total{from=\"chat_completions\",to=\"messages\"}") == "1");
  CHECK(b.metric("outrigger_translation_losses_total{what=\"seed\"}") == "1");
}

TEST_CASE("an Anthropic client hears a chat fallback in its own words") {
  for (const bool stream : {false, true}) {
    CAPTURE(stream);
    WireBench b(k_claude_first);
    const auto client = b.send(post(at_messages(), ask_messages(stream ? R"(,"stream":true)" : "")));
    CHECK(b.last().head.starts_with("POST /v1/messages HTTP/1.1"));
    b.last().answer(k_overloaded, 529);
    b.settle();
    REQUIRE(b.hosts() == "mr");
    CHECK(b.last().head.starts_with("POST /v1/chat/completions HTTP/1.1"));
    CHECK(field_of(b.last().head, "Authorization") == "Bearer relay-key");
    CHECK(field_of(b.last().head, "anthropic-version").empty());
    CHECK(b.last().body.contains(R"("model":"gpt")"));
    if (stream) {
      answer_stream(b.last(), "hi");
    } else {
      b.last().answer(answer_json("hi"));
    }
    b.settle();
    const std::string got = client->received();
    REQUIRE(is_whole(got));
    const std::string body = body_of(got);
    CHECK(body.contains(stream ? R"("type":"text_delta","text":"hi")" : R"("type":"text","text":"hi")"));
    CHECK(body.contains(R"("stop_reason":"end_turn")"));
    CHECK(body.ends_with(stream ? "data: {\"type\":\"message_stop\"}\n\n" : "}"));
    CHECK(field_of(got, "Content-Type").starts_with(stream ? "text/event-stream" : "application/json"));
  }
}

TEST_CASE("a first target on another wire is asked with the client's own credential, in its form") {
  WireBench b(k_claude_first);
  const auto client = b.ask({.key = "sk-mine"});
  CHECK(b.last().head.starts_with("POST /v1/messages HTTP/1.1"));
  CHECK(field_of(b.last().head, "X-Api-Key") == "sk-mine");
  CHECK(field_of(b.last().head, "Authorization").empty());
  b.last().answer(k_message);
  b.settle();
  CHECK(body_of(client->received()).contains(R"("content":"hi")"));
  CHECK(b.store.stats().entries == 1);
  // Stored in the client's dialect: the next one needs nobody, and may stream.
  const auto again = b.ask({.stream = true, .key = "sk-mine"});
  CHECK(b.hosts() == "m");
  CHECK(field_of(again->received(), "x-outrigger-cache") == "hit");
  CHECK(body_of(again->received()).contains(R"("content":"hi")"));
}

TEST_CASE("errors of another wire reach the client in its own shape, with the provider's words") {
  WireBench b(k_claude_first);
  const auto client = b.ask({});
  b.last().answer(R"({"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"}})", 400);
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 400"));
  CHECK(body_of(client->received()) ==
        R"({"error":{"message":"max_tokens: too large","type":"invalid_request_error","param":null,"code":""}})");

  WireBench inside(k_claude_first);
  const auto stream = inside.ask({.stream = true});
  inside.last().begin_stream();
  inside.last().chunk(k_start + text_delta("a"));
  inside.settle();
  inside.last().chunk("event: error\ndata: " + k_overloaded + "\n\n");
  inside.last().end_stream();
  inside.settle();
  CHECK(body_of(stream->received()).contains(R"("message":"Overloaded","type":"overloaded_error")"));
  CHECK_FALSE(body_of(stream->received()).contains("[DONE]"));
}

TEST_CASE("an answer that broke off on another wire is one that broke off") {
  WireBench b(k_claude_first);
  const auto client = b.ask({.stream = true});
  b.last().begin_stream();
  b.last().chunk(k_start + text_delta("a"));
  b.last().end_stream();
  b.settle();
  CHECK(body_of(client->received()).contains(R"("code":"upstream_cut")"));
  CHECK(b.store.stats().entries == 0);
}

TEST_CASE("what cannot be said on the other wire leaves the target out, by name") {
  struct Case {
    std::string more, outcome;
  };
  for (const Case& c : {
           Case{R"(,"n":2)", "unfit_several_answers"},
           Case{R"(,"logprobs":true)", "unfit_logprobs"},
           Case{R"(,"tools":[{"type":"web_search"}])", "unfit_hosted_tool"},
       }) {
    CAPTURE(c.more);
    WireBench b(k_claude_second);
    const auto client = b.ask({.more = c.more});
    b.last().answer(k_error, 503);
    b.settle();
    CHECK_FALSE(b.hosts().contains('r'));
    b.world.loop.run_for(1s);
    CHECK(body_of(client->received()) == k_error);
    CHECK(b.log.lines.back().contains(c.outcome));
    CHECK(b.metric(fmt::format("outrigger_unfit_total{{target=\"relay:claude\",reason=\"{}\"}}", c.outcome.substr(6))) ==
          "1");
  }
}

TEST_CASE("when no target can take a request, the client learns that it is the request") {
  WireBench b(k_claude_first);
  const auto client = b.ask({.more = R"(,"n":2)"});
  b.settle();
  CHECK(b.asked.empty() == false);  // the fallback speaks the client's wire
  CHECK(b.hosts() == "r");
  WireBench alone(R"(
[[upstream]]
name = "main"
url = "http://provider:9000"
dialect = "anthropic"
)");
  const auto refused = alone.ask({.more = R"(,"n":2)"});
  alone.settle();
  CHECK(alone.asked.empty());
  CHECK(refused->received().starts_with("HTTP/1.1 400"));
  CHECK(body_of(refused->received()).contains(R"("code":"unfit")"));
}

TEST_CASE("an upstream that does not speak what is asked is asked on what it speaks") {
  const std::string config = R"(
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
speaks = ["chat/completions"]
)";
  WireBench b(config);
  const auto client =
      b.send(post({.path = "/v1/responses"}, R"({"model":"m","input":"hello","instructions":"be kind","store":false})"));
  REQUIRE(b.hosts() == "m");
  CHECK(b.last().head.starts_with("POST /v1/chat/completions HTTP/1.1"));
  CHECK(b.last().body ==
        R"({"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hello"}]})");
  b.last().answer(answer_json("hi"));
  b.settle();
  const std::string body = body_of(client->received());
  CHECK(body.contains(R"("object":"response")"));
  CHECK(body.contains(R"("status":"completed")"));
  CHECK(body.contains(R"("text":"hi")"));
}

TEST_CASE("another success than 200 is no answer that could be translated") {
  WireBench b(R"(
[[upstream]]
name = "main"
url = "http://provider:9000"
dialect = "anthropic"
[[model]]
name = "m"
retry = { attempts = 1 }
)");
  const auto client = b.ask({});
  b.last().answer("{}", 202);
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 502"));
  CHECK(body_of(client->received()).contains("upstream_protocol"));
}

TEST_CASE("what is not understood is never translated, whatever its path") {
  const std::string body = R"({"model":"m","metadata":{"a":"b"}})";
  for (const std::string_view speaks : {"dialect = \"anthropic\"", "speaks = [\"responses\"]"}) {
    CAPTURE(speaks);
    WireBench b(fmt::format("[[upstream]]\nname = \"main\"\nurl = \"http://provider:9000/v1\"\n{}\n", speaks));
    for (const auto& [method, fields] : {std::pair("PUT", ""), std::pair("POST", "Content-Encoding: identity\r\n")}) {
      CAPTURE(method);
      const auto client = b.send(fmt::format(
          "{} /v1/chat/completions HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n{}Content-Type: application/json\r\n"
          "Content-Length: {}\r\n\r\n{}",
          method, fields, body.size(), body));
      CHECK(b.last().head.starts_with(fmt::format("{} /v1/chat/completions HTTP/1.1", method)));
      CHECK(b.last().body == body);
      b.last().answer("{}");
      b.settle();
      CHECK(body_of(client->received()) == "{}");
    }
  }
}

}  // namespace outrigger::proxy::test
