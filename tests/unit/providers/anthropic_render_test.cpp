// Messages on the wire, to the byte, and what is refused to be rendered.
#include <catch2/catch_test_macros.hpp>

#include "anthropic_support.h"
#include "providers/anthropic/stored.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using anthropic::Record;
using anthropic::RecordReader;
using anthropic::RecordWriter;
using anthropic_test::golden_message;
using anthropic_test::k_messages;

constexpr std::string_view k_blocking =
    R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"One. Two."},)"
    R"({"type":"tool_use","id":"t","name":"f","input":{"a":1.50}}],"stop_reason":"tool_use","stop_sequence":null,)"
    R"("usage":{"input_tokens":5,"output_tokens":7,"service_tier":"standard"}})";

std::string event(std::string_view name, std::string_view json) {
  return "event: " + std::string(name) + "\ndata: " + std::string(json) + "\n\n";
}

TEST_CASE("a blocking message as a body is what it was, but for the id") {
  const Answer answer = stored(k_messages, false, k_blocking);
  std::string want(k_blocking);
  want.replace(want.find("msg_1"), 5, "msg_000000000000000000000000");
  // Usage comes last wherever it stood; here it did.
  CHECK(rendered(k_messages, answer, {}) == want);
  CHECK(
      rendered(k_messages, answer, {.usage = UsagePolicy::zero})
          .find(
              R"("usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}})") !=
      std::string::npos);
}

TEST_CASE("a blocking message as a stream is cut where its sentences end") {
  const Answer answer = stored(k_messages, false, k_blocking);
  const auto stream = [](std::string_view start_usage, std::string_view end_usage) {
    return event("message_start",
                 R"({"type":"message_start","message":{"id":"msg_000000000000000000000000","type":"message",)"
                 R"("role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":)" +
                     std::string(start_usage) + "}}") +
           event("content_block_start",
                 R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})") +
           event("content_block_delta",
                 R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"One. "}})") +
           event("content_block_delta",
                 R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Two."}})") +
           event("content_block_stop", R"({"type":"content_block_stop","index":0})") +
           event("content_block_start", R"({"type":"content_block_start","index":1,"content_block":)"
                                        R"({"type":"tool_use","id":"t","name":"f","input":{}}})") +
           event("content_block_delta", R"({"type":"content_block_delta","index":1,"delta":)"
                                        R"({"type":"input_json_delta","partial_json":"{\"a\":1.50}"}})") +
           event("content_block_stop", R"({"type":"content_block_stop","index":1})") +
           event("message_delta",
                 R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":)" +
                     std::string(end_usage) + "}") +
           event("message_stop", R"({"type":"message_stop"})");
  };
  CHECK(rendered(k_messages, answer, {.stream = true}) ==
        stream(R"({"input_tokens":5,"output_tokens":0,"service_tier":"standard"})", R"({"output_tokens":7})"));
  CHECK(rendered(k_messages, answer, {.stream = true, .usage = UsagePolicy::zero}) ==
        stream(R"({"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0})",
               R"({"output_tokens":0})"));
}

TEST_CASE("a streamed message is replayed byte for byte, but for id and keep-alives") {
  for (const std::string_view name : {"tool_stream.sse", "thinking_stream.sse", "web_search_stream.sse",
                                      "cache_usage_stream.sse", "interleaved_tools_stream.sse"}) {
    INFO(name);
    std::string want = golden_message(name).body;
    const std::string ping = event("ping", R"({"type":"ping"})");
    if (const std::size_t at = want.find(ping); at != std::string::npos) want.erase(at, ping.size());
    const std::string id = "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyS";
    want.replace(want.find(id), id.size(), "msg_000000000000000000000000");
    CHECK(rendered(k_messages, stored(k_messages, true, golden_message(name).body), {.stream = true}) == want);
  }
}

TEST_CASE("what is not known of a stream comes again as it was") {
  const std::string stream =
      rendered(k_messages, stored(k_messages, true, golden_message("unknown_things_stream.sse").body), {.stream = true});
  for (const std::string& part : {
           event("model_notice", R"({"type":"model_notice","note":[1.50]})"),
           event("content_block_stop", R"({"type":"content_block_stop","index":1,"own":2})"),
           std::string(R"("delta":{"type":"text_delta","text":"Done","own":true})"),
           std::string(R"("delta":{"type":"compaction_delta","content":"Summ","level":1})"),
           std::string(R"("container":{"id":"c1"})"),
           std::string(R"("context_management":{"applied_edits":[]})"),
           std::string(R"("amazon-bedrock-invocationMetrics":{"inputTokenCount":8})"),
       }) {
    INFO(part);
    CHECK(stream.find(part) != std::string::npos);
  }
}

TEST_CASE("deltas of an unknown kind grow what is unknown, and leave alone what makes a block what it is") {
  const auto content = [](std::string_view block, const std::vector<std::string_view>& deltas) {
    std::string stream = event("message_start", R"({"type":"message_start","message":{"content":[]}})") +
                         event("content_block_start",
                               R"({"type":"content_block_start","index":0,"content_block":)" + std::string(block) + "}");
    for (const std::string_view delta : deltas) {
      stream +=
          event("content_block_delta", R"({"type":"content_block_delta","index":0,"delta":)" + std::string(delta) + "}");
    }
    stream += event("content_block_stop", R"({"type":"content_block_stop","index":0})") +
              event("message_delta", R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})") +
              event("message_stop", R"({"type":"message_stop"})");
    return anthropic_test::told_by_body(rendered(k_messages, stored(k_messages, true, stream), {})).content.front();
  };
  CHECK(content(R"({"type":"new","a":"x","b":null})",
                {R"({"type":"d","a":"y"})", R"({"type":"d","a":"z","b":"1"})", R"({"type":"d","c":[1]})"}) ==
        anthropic_test::sorted(R"({"type":"new","a":"xyz","b":"1","c":[1]})"));
  // Where the kind of a value changes, the last counts.
  CHECK(content(R"({"type":"new"})", {R"({"type":"d","a":[1]})", R"({"type":"d","a":"y"})"}) == R"({"a":"y","type":"new"})");
  CHECK(content(R"({"type":"new"})", {R"({"type":"d","a":"y"})", R"({"type":"d","a":{}})"}) == R"({"a":{},"type":"new"})");
  CHECK(content(R"({"type":"text","text":"t"})", {R"({"type":"d","text":"u","own":"v"})"}) ==
        R"({"own":"v","text":"t","type":"text"})");
}

TEST_CASE("a streamed message without counts shows estimates, and zeros where the policy says so") {
  const Answer answer = stored(k_messages, true, golden_message("no_usage_stream.sse").body);
  const std::array<std::uint64_t, 2> estimate{40, answer.estimated_completion_tokens};
  const RenderOptions body{.prompt_tokens_estimate = 40};
  const RenderOptions stream{.stream = true, .prompt_tokens_estimate = 40};
  CHECK(anthropic_test::told_by_body(rendered(k_messages, answer, body)).usage == estimate);
  CHECK(anthropic_test::told_by_stream(rendered(k_messages, answer, stream)).usage == estimate);
  const std::array<std::uint64_t, 2> zero{0, 0};
  const Answer counted = stored(k_messages, true, golden_message("cache_usage_stream.sse").body);
  for (const bool is_stream : {false, true}) {
    const std::string text = rendered(k_messages, counted, {.stream = is_stream, .usage = UsagePolicy::zero});
    CHECK((is_stream ? anthropic_test::told_by_stream(text) : anthropic_test::told_by_body(text)).usage == zero);
    CHECK(text.find("2000") == std::string::npos);
  }
}

TEST_CASE("records are read as they were written") {
  const std::vector<Record> records{
      {.kind = Record::Kind::message_start, .members = R"("a":1)", .usage = "{}"},
      {.kind = Record::Kind::text_delta, .index = 300, .text = "x"},
      {.kind = Record::Kind::signature_delta, .index = 0, .text = ""},
      {.kind = Record::Kind::block_stop, .index = 1023},
      {.kind = Record::Kind::event, .text = "name", .members = R"("b":[])"},
      {.kind = Record::Kind::message_delta, .members = "", .usage = ""},
  };
  RecordWriter writer;
  for (const Record& record : records) writer.add(record);
  const anthropic::Head head{
      .streamed = true, .model = "m", .usage = Usage{UINT64_MAX, 1}, .estimated_completion_tokens = 1000};
  const Bytes encoded = anthropic::encode(head, writer.records());
  auto reader = RecordReader::open(encoded.view());
  REQUIRE(reader);
  CHECK(reader->head().streamed);
  CHECK(reader->head().model == "m");
  REQUIRE(reader->head().usage);
  CHECK(reader->head().usage->prompt_tokens == UINT64_MAX);
  CHECK(reader->head().estimated_completion_tokens == 1000);
  Record record;
  for (const Record& want : records) {
    REQUIRE(reader->next(record));
    CHECK(record.kind == want.kind);
    CHECK(record.index == want.index);
    CHECK(record.text == want.text);
    CHECK(record.members == want.members);
    CHECK(record.usage == want.usage);
  }
  CHECK_FALSE(reader->next(record));
  CHECK_FALSE(reader->broken());
}

TEST_CASE("stored messages that are not whole, or another endpoint's, are not rendered") {
  const Answer answer = stored(k_messages, true, golden_message("tool_stream.sse").body);
  const std::string encoded(answer.encoded.view());
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    CHECK_FALSE(render(k_messages, encoded.substr(0, size), {}));
  }
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    std::string damaged = encoded;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    CHECK_FALSE(render(k_messages, damaged, {.stream = true}));
  }
  CHECK_FALSE(render(chat::Endpoint::chat_completions, encoded, {}));
  const Answer other = stored(chat::Endpoint::chat_completions, false, golden_exchange("openai_blocking.json").body);
  CHECK_FALSE(render(k_messages, other.encoded.view(), {}));
}

TEST_CASE("records behind a right checksum that do not fit together are not rendered") {
  const auto sealed = [](bool streamed, const std::vector<Record>& records, std::string_view rest = {}) {
    RecordWriter writer;
    for (const Record& record : records) writer.add(record);
    return std::string(
        anthropic::encode({.streamed = streamed, .model = "m"}, std::string(writer.records()) + std::string(rest)).view());
  };
  const Record start{.kind = Record::Kind::message_start, .members = R"("type":"message","content":[])", .usage = "{}"};
  const Record body{.kind = Record::Kind::body, .members = R"("type":"message","content":[])", .usage = "{}"};
  const auto both = [](const std::string& encoded) {
    return std::pair(render(k_messages, encoded, {}).has_value(), render(k_messages, encoded, {.stream = true}).has_value());
  };
  CHECK(both(sealed(true, {start})) == std::pair(true, true));
  CHECK(both(sealed(false, {body})) == std::pair(true, true));
  CHECK(both(sealed(true, {body})) == std::pair(false, false));
  CHECK(both(sealed(false, {start})) == std::pair(false, false));
  CHECK(both(sealed(false, {body, body})).first == false);
  CHECK(both(sealed(true, {})).first == false);
  CHECK(both(sealed(true, {start}, "\xff")) == std::pair(false, false));
  CHECK(both(sealed(true, {start}, std::string_view("\0", 1))) == std::pair(false, false));
  // A delta without its block.
  CHECK(both(sealed(true, {start, {.kind = Record::Kind::text_delta, .index = 0, .text = "x"}})).first == false);
  CHECK(both(sealed(false, {{.kind = Record::Kind::body, .members = "rubbish", .usage = "{}"}})).second == false);
}

}  // namespace
}  // namespace outrigger::providers
