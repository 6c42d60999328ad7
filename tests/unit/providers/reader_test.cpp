// The readers of answers: verdicts, kinds of events, usage, and limits, where no golden exchange says it better.
#include "providers/openai/reader.h"

#include <catch2/catch_test_macros.hpp>

#include "support.h"

namespace outrigger::providers {
namespace {

constexpr auto k_chat = chat::Endpoint::chat_completions;

std::string event(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }

std::string delta(std::string_view members, std::string_view finish_reason = "null") {
  return event("{\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{" + std::string(members) +
               "},\"finish_reason\":" + std::string(finish_reason) + "}]}");
}

std::string message(std::string_view members, std::string_view finish_reason = "\"stop\"", std::string_view more = "") {
  return "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{" + std::string(members) +
         "},\"finish_reason\":" + std::string(finish_reason) + "}]" + std::string(more) + "}";
}

std::string stream_verdict(std::string_view body) { return verdict_of(read_whole(k_chat, true, body)->finish()); }
std::string body_verdict(std::string_view body) { return verdict_of(read_whole(k_chat, false, body)->finish()); }

const std::string k_text = delta(R"("content":"x")");
const std::string k_stop = delta("", R"("stop")");
const std::string k_done = "data: [DONE]\n\n";

TEST_CASE("each finish reason has its verdict, in a stream and in a body") {
  struct Case {
    std::string_view reason, verdict;
  };
  const Case cases[] = {{"stop", "stored"},
                        {"tool_calls", "stored"},
                        {"function_call", "stored"},
                        {"eos", "stored"},
                        {"stop_sequence", "stored"},
                        {"end_turn", "stored"},
                        {"length", "length"},
                        {"max_tokens", "length"},
                        {"content_filter", "filtered"},
                        {"sensitive", "filtered"},
                        {"refusal", "refused"},
                        {"error", "error_in_answer"},
                        {"insufficient_system_resource", "unfinished"},
                        {"Stop", "unfinished"},
                        {"", "unfinished"}};
  for (const Case& one : cases) {
    INFO(one.reason);
    const std::string reason = "\"" + std::string(one.reason) + "\"";
    CHECK(stream_verdict(k_text + delta("", reason) + k_done) == one.verdict);
    CHECK(body_verdict(message(R"("content":"x")", reason)) == one.verdict);
  }
}

TEST_CASE("a stream ends well with a finish reason or not at all") {
  struct Case {
    std::string_view what;
    std::string body;
    std::string_view verdict;
  };
  const Case cases[] = {
      {"nothing", "", "cut"},
      {"only comments", ": a\n\n: b\n\n", "cut"},
      {"only the end mark", k_done, "unfinished"},
      {"text, no end", k_text, "cut"},
      {"text and mark", k_text + k_done, "unfinished"},
      {"text and reason", k_text + k_stop, "stored"},
      {"text, reason, mark", k_text + k_stop + k_done, "stored"},
      {"text after the reason, no mark", k_text + k_stop + k_text, "cut"},
      {"text after the reason, and mark", k_text + k_stop + k_text + k_done, "stored"},
      {"a bad reason is not taken back", k_text + delta("", "\"length\"") + k_stop + k_done, "length"},
      {"a good one is", k_text + k_stop + delta("", "\"length\"") + k_done, "length"},
      {"half a usage event after the reason", k_text + k_stop + "data: {\"choices\":[],\"us", "cut"},
      {"half a field name after the reason", k_text + k_stop + "dat", "cut"},
      {"half an end mark", k_text + k_stop + "data: [DON", "cut"},
      {"a comment without its line end", k_text + k_stop + ": ke", "stored"},
      {"rubbish after the end mark", k_text + k_stop + k_done + "data: {\"x", "stored"},
      {"an error after the end mark", k_text + k_stop + k_done + event(R"({"error":{"message":"x"}})"), "stored"},
      {"one of two choices unfinished",
       event(
           R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"},{"index":1,"delta":{"content":"b"}}]})") +
           k_done,
       "unfinished"},
      {"no text", k_stop + k_done, "empty"},
      {"not JSON in the middle", k_text + event("hello") + k_stop + k_done, "not_understood"},
      {"a list in place of an object", k_text + event("[1]") + k_stop + k_done, "not_understood"},
      {"a choice that is a number", event(R"({"choices":[1]})") + k_text + k_stop + k_done, "not_understood"},
      {"a tool call without a name", delta(R"("tool_calls":[{"index":0,"function":{"arguments":"{}"}}])") + k_stop + k_done,
       "not_understood"},
      {"arguments that are no string",
       delta(R"("tool_calls":[{"index":0,"function":{"name":"f","arguments":{}}}])") + k_stop + k_done, "not_understood"},
      {"an index beyond the last", event(R"({"choices":[{"index":128,"delta":{"content":"a"}}]})") + k_stop + k_done,
       "not_understood"},
  };
  for (const Case& one : cases) {
    INFO(one.what);
    CHECK(stream_verdict(one.body) == one.verdict);
  }
}

TEST_CASE("text that a reader would not see counts as empty") {
  for (const std::string_view nothing :
       {R"("content":"")", R"("content":null)", R"("content":" \r\n\t")", R"("content":"\u3000\u00a0\u200b\ufeff")",
        R"("content":"<think>so</think>\n")", R"("content":"\n<think>so")", R"("content":null,"reasoning_content":"so")",
        R"("role":"assistant")", R"("content":"","tool_calls":[])"}) {
    INFO(nothing);
    CHECK(body_verdict(message(nothing)) == "empty");
  }
  for (const std::string_view something : {R"("content":".")", R"("content":"<think>so</think>x")", R"("content":"\u3001")",
                                           R"("content":"<thinking>")", R"("content":"a <think>")"}) {
    INFO(something);
    CHECK(body_verdict(message(something)) == "stored");
  }
  CHECK(body_verdict("{\"model\":\"m\",\"choices\":[]}") == "empty");
}

TEST_CASE("errors come in many shapes, and a null error is none") {
  for (const std::string_view error :
       {R"({"error":{"message":"x"}})", R"({"error":"x"})", R"({"base_resp":{"status_code":1002}})",
        R"({"object":"error","message":"x"})", R"({"type":"error","message":"x"})", R"({"success":false,"code":500})",
        R"({"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"error":{"code":1}})"}) {
    INFO(error);
    const auto body = read_whole(k_chat, false, error);
    CHECK(verdict_of(body->finish()) == "error_in_answer");
    CHECK(body->saw_error());
    const auto stream = read_whole(k_chat, true, k_text + event(error));
    CHECK(stream->saw_error());
    CHECK(letters(stream->events()) == "te");
    CHECK(verdict_of(stream->finish()) == "error_in_answer");
  }
  for (const std::string_view fine :
       {R"(,"error":null)", R"(,"error":{})", R"(,"base_resp":{"status_code":0})", R"(,"success":true)"}) {
    INFO(fine);
    const auto body = read_whole(k_chat, false, message(R"("content":"x")", "\"stop\"", fine));
    CHECK(verdict_of(body->finish()) == "stored");
    CHECK(!body->saw_error());
  }
}

TEST_CASE("each event of a stream has its kind") {
  struct Case {
    std::string body;
    std::string_view kinds;
  };
  const Case cases[] = {
      {delta(R"("role":"assistant","content":"")"), "o"},
      {delta(R"("content":null)"), "o"},
      {delta(R"("content":"x")"), "t"},
      {delta(R"("reasoning":"x")"), "t"},
      {delta(R"("reasoning_content":"x")"), "t"},
      {delta(R"("refusal":"x")"), "t"},
      {delta(R"("tool_calls":[{"index":0,"function":{"name":"f"}}])"), "t"},
      {delta(R"("function_call":{"name":"f"})"), "t"},
      {delta(R"("audio":{"data":"x"})"), "t"},
      {k_stop, "t"},
      {": note\n\n", "o"},
      {"event: ping\n\n", "o"},
      {"data:\n\n", "o"},
      {event(R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})"), "u"},
      {event(R"({"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}})"), "u"},
      {event(R"({"usage":{"prompt_tokens":1,"completion_tokens":1}})"), "u"},
      {event(R"({"choices":[],"prompt_filter_results":[1]})"), "o"},
      {event(R"({"type":"ping"})"), "o"},
      {event("not JSON"), "t"},
      {"event: error\ndata: what\n\n", "e"},
      {k_done, "d"},
      {k_done + k_text + k_done, "doo"},
      {event(R"({"error":{"message":"x"}})") + k_text + k_done, "etd"},
  };
  for (const Case& one : cases) {
    INFO(one.body);
    CHECK(letters(read_whole(k_chat, true, one.body)->events()) == one.kinds);
  }
}

TEST_CASE("usage is known as soon as it has passed, also from an answer that is not stored") {
  const auto reader = make_answer_reader(k_chat, true);
  reader->feed(k_text);
  CHECK(!reader->usage());
  reader->feed(event(R"({"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":1.0}})"));
  REQUIRE(reader->usage());
  CHECK(reader->usage()->completion_tokens == 1);
  reader->feed(event(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})"));
  reader->feed(event("rubbish"));
  CHECK(verdict_of(reader->finish()) == "not_understood");
  CHECK(reader->usage()->prompt_tokens == 3);
  CHECK(reader->usage()->completion_tokens == 2);
}

TEST_CASE("a usage of nothing is no usage") {
  const auto usage_of = [](std::string_view usage) {
    const auto reader =
        read_whole(k_chat, false, message(R"("content":"x")", "\"stop\"", ",\"usage\":" + std::string(usage)));
    CHECK(verdict_of(reader->finish()) == "stored");
    return reader->usage();
  };
  CHECK(!usage_of("null"));
  CHECK(!usage_of("{}"));
  CHECK(!usage_of("7"));
  CHECK(!usage_of(R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})"));
  CHECK(!usage_of(R"({"prompt_tokens":"3"})"));
  CHECK(usage_of(R"({"input_tokens":3,"output_tokens":4})")->completion_tokens == 4);
}

TEST_CASE("an answer says what it is and estimates what it cost") {
  const Answer answer = stored(k_chat, false, message(R"("content":"Twelve letter words, four of them.")"));
  CHECK(answer.model == "m");
  CHECK(!answer.usage);
  CHECK(answer.estimated_completion_tokens > 4);
  CHECK(answer.estimated_completion_tokens < 20);
}

TEST_CASE("an event too large ends the reading and leaves the events before it as they were") {
  const auto reader = make_answer_reader(k_chat, true);
  reader->feed(k_text);
  const std::string megabyte(std::size_t{1} << 20, 'x');
  reader->feed("data: \"");
  for (int i = 0; i < 9; ++i) reader->feed(megabyte);
  reader->feed("\"\n\n" + k_stop + k_done);
  CHECK(letters(reader->events()) == "t");
  CHECK(reader->events()[0].end == k_text.size());
  CHECK(verdict_of(reader->finish()) == "not_understood");
}

TEST_CASE("a blocking body too large is not understood") {
  const auto reader = make_answer_reader(k_chat, false);
  const std::string part(std::size_t{8} << 20, ' ');
  for (std::size_t size = 0; size <= openai::BlockingReader::k_body_size_max; size += part.size()) reader->feed(part);
  reader->feed(message(R"("content":"x")"));
  CHECK(verdict_of(reader->finish()) == "not_understood");
}

TEST_CASE("a body is understood up to the last choice, tool call and unknown member allowed") {
  const auto choices = [](std::uint32_t count) {
    std::string body = "{\"choices\":[";
    for (std::uint32_t i = 0; i < count; ++i) {
      body += (i == 0 ? "" : ",") + std::string("{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}");
    }
    return body + "]}";
  };
  CHECK(body_verdict(choices(openai::k_choices_max)) == "stored");
  CHECK(body_verdict(choices(openai::k_choices_max + 1)) == "not_understood");
  const auto tools = [](std::uint32_t count) {
    std::string list;
    for (std::uint32_t i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + std::string(R"({"function":{"name":"f"}})");
    return message("\"tool_calls\":[" + list + "]");
  };
  CHECK(body_verdict(tools(openai::k_tools_max)) == "stored");
  CHECK(body_verdict(tools(openai::k_tools_max + 1)) == "not_understood");
  const auto extras = [](std::uint32_t from, std::uint32_t to) {
    std::string members;
    for (std::uint32_t i = from; i < to; ++i) members += ",\"x" + std::to_string(i) + "\":1";
    return members;
  };
  CHECK(body_verdict(message(R"("content":"x")", "\"stop\"", extras(0, openai::k_extras_max))) == "stored");
  CHECK(body_verdict(message(R"("content":"x")", "\"stop\"", extras(0, openai::k_extras_max + 1))) == "not_understood");
  // Spread over the chunks of a stream they add up.
  const std::string first = event("{\"choices\":[]" + extras(0, openai::k_extras_max) + "}");
  const std::string second = event("{\"choices\":[]" + extras(1, openai::k_extras_max + 1) + "}");
  CHECK(stream_verdict(first + k_text + k_stop + k_done) == "stored");
  CHECK(stream_verdict(first + second + k_text + k_stop + k_done) == "not_understood");
}

TEST_CASE("there are readers for chat completions and completions only") {
  for (const bool streamed : {false, true}) {
    CHECK(make_answer_reader(chat::Endpoint::chat_completions, streamed));
    CHECK(make_answer_reader(chat::Endpoint::completions, streamed));
    CHECK(!make_answer_reader(chat::Endpoint::embeddings, streamed));
    CHECK(!make_answer_reader(chat::Endpoint::other, streamed));
  }
}

}  // namespace
}  // namespace outrigger::providers
