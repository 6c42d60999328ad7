// Limits and odd ends of reading Anthropic's messages.
#include <catch2/catch_test_macros.hpp>

#include "anthropic_support.h"
#include "providers/sse.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using anthropic_test::golden_message;
using anthropic_test::k_messages;

std::string verdict(std::string_view body, bool streamed = true) {
  return verdict_of(read_whole(k_messages, streamed, body)->finish());
}

// The text stream with something put in front of one of its events.
std::string with(std::string_view before, std::string_view inserted) {
  std::string body = golden_message("text_stream.sse").body;
  const std::size_t at = body.find("event: " + std::string(before));
  REQUIRE(at != std::string::npos);
  return body.insert(at, inserted);
}
std::string without(std::string_view begin) {
  std::string body = golden_message("text_stream.sse").body;
  const std::size_t at = body.find("event: " + std::string(begin));
  REQUIRE(at != std::string::npos);
  return body.erase(at, body.find("\n\n", at) + 2 - at);
}

TEST_CASE("what comes after the end mark is none of the message's") {
  const std::string& whole = golden_message("text_stream.sse").body;
  const Answer answer = stored(k_messages, true, whole);
  for (const std::string_view after :
       {": bye\n\n", "event: error\ndata: {\"type\":\"error\"}\n\n", "rubbish", "data: {\n\n"}) {
    INFO(after);
    const auto reader = read_whole(k_messages, true, whole + std::string(after));
    const auto other = reader->finish();
    REQUIRE(verdict_of(other) == "stored");
    CHECK(other->encoded.view() == answer.encoded.view());
    CHECK_FALSE(reader->saw_error());
  }
}

TEST_CASE("keep-alives, comments and blank data change nothing, wherever they are") {
  const Answer answer = stored(k_messages, true, golden_message("text_stream.sse").body);
  for (const std::string_view before : {"message_start", "content_block_start", "content_block_stop", "message_stop"}) {
    for (const std::string_view event :
         {"event: ping\ndata: {\"type\": \"ping\"}\n\n", ": hello\n\n", "data:\n\n", "event: x\n\n"}) {
      INFO(before << " " << event);
      const auto other = read_whole(k_messages, true, with(before, event))->finish();
      REQUIRE(verdict_of(other) == "stored");
      CHECK(other->encoded.view() == answer.encoded.view());
    }
  }
}

TEST_CASE("a stream that lacks one of its events is not stored") {
  CHECK(verdict(without("message_start")) == "not_understood");
  CHECK(verdict(without("content_block_start")) == "not_understood");
  CHECK(verdict(without("content_block_stop")) == "not_understood");
  CHECK(verdict(without("message_delta")) == "unfinished");
  CHECK(verdict(without("message_stop")) == "cut");
  CHECK(verdict("") == "cut");
  CHECK(verdict("", false) == "not_understood");
}

TEST_CASE("an error counts for more than all the rest") {
  const std::string error =
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n";
  CHECK(verdict(with("content_block_delta", error)) == "error_in_answer");
  CHECK(verdict(with("message_stop", error + "data: rubbish\n\n")) == "error_in_answer");
  CHECK(verdict("event: error\ndata: not json\n\n") == "error_in_answer");
  CHECK(verdict(R"({"error":"bad gateway"})", false) == "error_in_answer");
  CHECK(verdict(R"({"error":null})", false) == "not_understood");
  CHECK(verdict(R"({"error":{}})", false) == "not_understood");
}

TEST_CASE("usage is known while a stream comes, and of a body at its end") {
  const auto reader = make_answer_reader(k_messages, true);
  const std::string& body = golden_message("cache_usage_stream.sse").body;
  CHECK_FALSE(reader->usage());
  const std::size_t first = body.find("\n\n") + 2;
  reader->feed(std::string_view(body).substr(0, first));
  REQUIRE(reader->usage());
  CHECK(reader->usage()->prompt_tokens == 2104);
  CHECK(reader->usage()->completion_tokens == 1);
  reader->feed(std::string_view(body).substr(first));
  CHECK(reader->usage()->completion_tokens == 12);
  const auto blocking = make_answer_reader(k_messages, false);
  blocking->feed(golden_message("text_blocking.json").body);
  CHECK_FALSE(blocking->usage());
  CHECK(verdict_of(blocking->finish()) == "stored");
  CHECK(blocking->usage()->prompt_tokens == 12);
}

TEST_CASE("an event beyond the limit is relayed and not kept") {
  const std::string huge(SseSplitter::k_event_size_max, 'a');
  const std::string body =
      with("content_block_stop",
           "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + huge +
               "\"}}\n\n");
  CHECK(verdict(body) == "not_understood");
}

TEST_CASE("a name that would break its line is not kept") {
  CHECK(verdict(with("content_block_stop", "data: {\"type\":\"a\\nb\"}\n\n")) == "not_understood");
  CHECK(verdict(with("content_block_stop", "data: {\"type\":\"a b\"}\n\n")) == "stored");
}

TEST_CASE("where a call's input is told twice, nobody knows which one it is") {
  const auto stream = [](std::string_view input, std::string_view delta) {
    std::string body = golden_message("parallel_tools_stream.sse").body;
    const std::string blank = R"("name":"get_time","input":{})";
    body.replace(body.find(blank), blank.size(), R"("name":"get_time","input":)" + std::string(input));
    const std::string empty = R"("partial_json":""})";
    return body.replace(body.find(empty), empty.size(), R"("partial_json":)" + std::string(delta) + "}");
  };
  const auto second = [](const std::string& body) {
    return anthropic_test::told_by_body(rendered(k_messages, stored(k_messages, true, body), {})).content[1];
  };
  const auto call = [](std::string_view input) {
    return anthropic_test::sorted(R"({"type":"tool_use","id":"toolu_02","name":"get_time","input":)" + std::string(input) +
                                  "}");
  };
  CHECK(second(stream("{}", R"("")")) == call("{}"));
  CHECK(second(stream("null", R"("")")) == call("{}"));
  CHECK(second(stream(R"({"a":1})", R"("")")) == call(R"({"a":1})"));
  CHECK(second(stream("{}", R"("{\"a\":1}")")) == call(R"({"a":1})"));
  CHECK(verdict(stream(R"({"a":1})", R"("{\"a\":1}")")) == "not_understood");
  CHECK(verdict(stream(R"("x")", R"("")")) == "not_understood");
}

}  // namespace
}  // namespace outrigger::providers
