// Answers from and into Anthropic's messages, piece by piece.
#include <catch2/catch_test_macros.hpp>

#include "anthropic_support.h"
#include "providers/json_doc.h"

namespace outrigger::providers {
namespace {

using anthropic_test::dialect;
using anthropic_test::golden_message;
using anthropic_test::golden_messages;

// Writes down what is said to it.
class Scribe final : public Speaker {
 public:
  void begin(std::string_view model) override { line("begin", model); }
  void text(std::string_view piece) override { line("text", piece); }
  void reasoning(std::string_view piece) override { line("reasoning", piece); }
  void refusal(std::string_view piece) override { line("refusal", piece); }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    line("call " + std::to_string(number), std::string(id) + " " + std::string(tool));
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    line("arguments " + std::to_string(number), piece);
  }
  void usage(const UsageSaid& told) override {
    line("usage", std::to_string(told.input) + " " + std::to_string(told.output) + " " + std::to_string(told.cached) + " " +
                      std::to_string(told.cache_written));
  }
  void finish(Finish why, std::string_view stop_sequence) override {
    constexpr std::string_view k_names[] = {"stop", "stop_sequence", "length", "tool_calls", "filtered", "refused"};
    line("finish", std::string(k_names[static_cast<std::size_t>(why)]) + " " + std::string(stop_sequence));
  }
  void error(const ErrorSaid& error) override {
    line("error", std::to_string(error.status) + " " + error.type + " " + error.message);
  }
  void end() override { line("end", ""); }
  std::string take() override { return std::exchange(said, {}); }

  std::string said;

 private:
  void line(std::string_view what, std::string_view text) { said.append(what).append(":").append(text) += '\n'; }
};

struct Heard {
  std::string said;
  std::uint64_t skipped;
};
Heard hear(std::string_view body, bool streamed, std::size_t piece_size = std::string_view::npos) {
  const auto hearer = dialect().make_hearer(streamed);
  Scribe scribe;
  while (!body.empty()) {
    hearer->feed(body.substr(0, piece_size), scribe);
    body.remove_prefix(std::min(piece_size, body.size()));
  }
  hearer->finish(scribe);
  return {scribe.said, hearer->skipped()};
}
std::string heard(std::string_view golden) {
  const auto& exchange = golden_message(golden);
  return hear(exchange.body, exchange.streamed).said;
}

TEST_CASE("a stream of Anthropic's is heard event by event") {
  CHECK(heard("text_stream.sse") ==
        "begin:claude-sonnet-4-5-20250929\nusage:25 1 0 0\ntext:Hello\ntext:!\nusage:25 15 0 0\nfinish:stop \nend:\n");
  CHECK(heard("parallel_tools_stream.sse") ==
        "begin:claude-sonnet-4-5-20250929\nusage:25 1 0 0\ncall 0:toolu_01 get_weather\narguments 0:{\"city\":\"Par\n"
        "arguments 0:is\"}\ncall 1:toolu_02 get_time\narguments 1:{}\nusage:25 60 0 0\nfinish:tool_calls \nend:\n");
  CHECK(heard("interleaved_tools_stream.sse") ==
        "begin:claude-sonnet-4-5-20250929\nusage:25 1 0 0\ncall 0:toolu_01 a\ncall 1:toolu_02 b\narguments 1:{\"y\":\n"
        "arguments 0:{\"x\":1.50}\narguments 1:[2]}\nusage:25 9 0 0\nfinish:tool_calls \nend:\n");
  CHECK(heard("cache_usage_stream.sse") ==
        "begin:claude-sonnet-4-5-20250929\nusage:2104 1 2000 100\ntext:七天内\ntext:可以退货。\nusage:2104 12 2000 100\n"
        "finish:stop \nend:\n");
  const std::string thinking = heard("thinking_stream.sse");
  CHECK(thinking.find("reasoning:\n2. 453 = 400 + 50 + 3\ntext:27 * 453 = 12,231\n") != std::string::npos);
  CHECK(thinking.find("EqQB") == std::string::npos);
  CHECK(heard("stop_sequence_stream.sse").ends_with("finish:stop_sequence two\nend:\n"));
  CHECK(heard("max_tokens_stream.sse").ends_with("finish:length \nend:\n"));
  CHECK(heard("context_window_stream.sse").ends_with("finish:length \nend:\n"));
  CHECK(heard("refusal_stream.sse").ends_with("finish:refused \nend:\n"));
  CHECK(heard("no_stop_reason_stream.sse").ends_with("text:one\nfinish:length \nend:\n"));
  CHECK(heard("stop_without_blank_line_stream.sse").ends_with("end:\n"));
}

TEST_CASE("a stream that ends without its mark is not said to be whole") {
  CHECK(heard("no_message_stop_stream.sse").ends_with("finish:stop \n"));
  CHECK(heard("cut_stream.sse").ends_with("text:Hello\n"));
  CHECK(heard("not_json_stream.sse").empty());
  CHECK(hear("", true).said.empty());
}

TEST_CASE("an error ends what is heard") {
  CHECK(heard("overloaded_in_stream.sse").ends_with("text:Hel\nerror:529 overloaded_error Overloaded\n"));
  CHECK(heard("error_first_stream.sse") == "error:429 rate_limit_error Slow down\n");
  CHECK(heard("error_blocking.json") == "error:529 overloaded_error Overloaded\n");
  CHECK(heard("error_called_a_stream.sse") == "error:529 overloaded_error Overloaded\n");
  const std::string after = golden_message("overloaded_in_stream.sse").body + golden_message("text_stream.sse").body;
  CHECK(hear(after, true).said == heard("overloaded_in_stream.sse"));
}

TEST_CASE("what is not known is left out and counted") {
  const auto skipped = [](std::string_view golden) {
    const auto& exchange = golden_message(golden);
    return hear(exchange.body, exchange.streamed).skipped;
  };
  CHECK(skipped("text_stream.sse") == 0);
  CHECK(skipped("thinking_stream.sse") == 1);           // its signature
  CHECK(skipped("redacted_thinking_stream.sse") == 1);  // the block
  CHECK(skipped("web_search_stream.sse") == 3);         // the call, its result, a citation
  CHECK(skipped("web_search_blocking.json") == 2);
  CHECK(skipped("unknown_things_stream.sse") == 4);  // an event, a block and its two deltas
  CHECK(skipped("delta_before_block_stream.sse") == 2);
  CHECK(heard("web_search_stream.sse").find("text:I'll check.\ntext:It is 68°F.\n") != std::string::npos);
}

TEST_CASE("a body of Anthropic's is heard when it is whole") {
  CHECK(heard("tools_blocking.json") ==
        "begin:claude-sonnet-4-5-20250929\ntext:I'll check.\ncall 0:toolu_01A09q90qw90lq917835lq9 get_weather\n"
        "arguments 0:{\"location\":\"San Francisco, CA\",\"n\":1.5}\ncall 1:toolu_02 now\narguments 1:{}\nusage:12 6 0 0\n"
        "finish:tool_calls \nend:\n");
  CHECK(heard("body_called_a_stream.sse").ends_with("text:Hello!\nusage:12 6 0 0\nfinish:stop \nend:\n"));
  CHECK(heard("cut_blocking.json").empty());
  CHECK(heard("html.json").empty());
  CHECK(heard("openai_body.json").empty());
  CHECK(heard("no_stop_reason_blocking.json").find("end") == std::string::npos);
}

TEST_CASE("any split of a body is heard the same") {
  for (const auto& exchange : golden_messages()) {
    INFO(exchange.name);
    const Heard whole = hear(exchange.body, exchange.streamed);
    for (std::size_t cut = 1; cut < exchange.body.size(); ++cut) {
      const auto hearer = dialect().make_hearer(exchange.streamed);
      Scribe scribe;
      hearer->feed(std::string_view(exchange.body).substr(0, cut), scribe);
      hearer->feed(std::string_view(exchange.body).substr(cut), scribe);
      hearer->finish(scribe);
      REQUIRE(scribe.said == whole.said);
      REQUIRE(hearer->skipped() == whole.skipped);
    }
    for (const std::size_t size : {1, 3, 64}) REQUIRE(hear(exchange.body, exchange.streamed, size).said == whole.said);
  }
}

const SpeakerOptions k_streamed{.stream = true, .id_high = 1, .id_low = 2};
const SpeakerOptions k_blocking{.id_high = 1, .id_low = 2};

// Says the same to both forms.
template <class Say>
std::pair<anthropic_test::Told, anthropic_test::Told> say(Say&& what) {
  const auto stream = dialect().make_speaker(k_streamed);
  what(*stream);
  const auto body = dialect().make_speaker(k_blocking);
  what(*body);
  return {anthropic_test::told_by_stream(stream->take()), anthropic_test::told_by_body(body->take())};
}

std::string block(std::string_view json) { return anthropic_test::sorted(json); }

TEST_CASE("an answer is said in either form") {
  const auto [stream, body] = say([](Speaker& to) {
    to.begin("m");
    to.reasoning("hm");
    to.text("He");
    to.text("");
    to.text("llo");
    to.call(0, "call_1", "f");
    to.arguments(0, R"({"a":)");
    to.call(1, "call_2", "g");
    to.arguments(1, R"({"b")");
    to.arguments(0, "1}");
    to.arguments(1, ":2}");
    to.call(2, "", "h");
    to.usage({.input = 100, .output = 7, .cached = 30, .cache_written = 20});
    to.finish(Finish::tool_calls, {});
    to.usage({.input = 100, .output = 9, .cached = 30, .cache_written = 20});
    to.end();
    to.text("too late");
    to.end();
  });
  REQUIRE(stream.content.size() == 4);
  CHECK(stream.content[0] == block(R"({"type":"text","text":"Hello"})"));
  CHECK(stream.content[1] == block(R"({"type":"tool_use","id":"call_1","name":"f","input":{"a":1}})"));
  CHECK(stream.content[2] == block(R"({"type":"tool_use","id":"call_2","name":"g","input":{"b":2}})"));
  CHECK(stream.content[3].starts_with(R"({"id":"toolu_)"));
  CHECK(stream.stop_reason == "tool_use");
  CHECK(stream.model == "m");
  CHECK(stream.usage == std::array<std::uint64_t, 2>{100, 9});
  CHECK(stream.failure.empty());
  CHECK(body.content == stream.content);
  CHECK(body.stop_reason == stream.stop_reason);
  CHECK(body.usage == stream.usage);
  CHECK(body.model == stream.model);
}

TEST_CASE("a stream says each piece when it comes") {
  const auto speaker = dialect().make_speaker(k_streamed);
  speaker->begin("m");
  const std::string start = speaker->take();
  CHECK(start.starts_with("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_"));
  CHECK(start.ends_with("\n\n"));
  for (int i = 0; i < 64; ++i) speaker->reasoning("hm");
  CHECK(speaker->take() == "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  speaker->text("Hi");
  CHECK(speaker->take() ==
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n");
  speaker->call(0, "c", "f");
  CHECK(speaker->take() ==
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":"
        "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}}\n\n");
  speaker->arguments(0, "{\"a\"");
  CHECK(speaker->take().find(R"("partial_json":"{\"a\"")") != std::string::npos);
  speaker->call(1, "d", "g");
  speaker->text("between");
  CHECK(speaker->take().empty());
  speaker->arguments(0, ":1}");
  speaker->finish(Finish::stop, {});
  const std::string blocks = speaker->take();
  CHECK(blocks.find("\"index\":1") < blocks.find("\"index\":2"));
  CHECK(blocks.find("\"index\":2") < blocks.find("between"));
  CHECK(blocks.find("message_delta") == std::string::npos);
  speaker->end();
  CHECK(speaker->take() ==
        "event: message_delta\ndata: "
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"
        "\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}}"
        "\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
  speaker->end();
  speaker->error({});
  CHECK(speaker->take().empty());
}

TEST_CASE("why an answer ended is said in Anthropic's words") {
  struct Row {
    Finish why;
    std::string_view stop_sequence, want, want_sequence;
  };
  for (const Row& row : {
           Row{Finish::stop, "", "end_turn", ""},
           Row{Finish::stop_sequence, "END", "stop_sequence", "END"},
           Row{Finish::length, "", "max_tokens", ""},
           Row{Finish::tool_calls, "", "tool_use", ""},
           Row{Finish::filtered, "", "refusal", ""},
           Row{Finish::refused, "", "refusal", ""},
       }) {
    const auto [stream, body] = say([&](Speaker& to) {
      to.begin("m");
      to.text("x");
      to.finish(row.why, row.stop_sequence);
      to.end();
    });
    INFO(row.want);
    CHECK(stream.stop_reason == row.want);
    CHECK(body.stop_reason == row.want);
    CHECK(stream.stop_sequence == row.want_sequence);
    CHECK(body.stop_sequence == row.want_sequence);
  }
  const auto [stream, body] = say([](Speaker& to) {
    to.begin("m");
    to.refusal("I cannot.");
    to.finish(Finish::stop, {});
    to.end();
  });
  CHECK(stream.stop_reason == "refusal");
  CHECK(stream.content == std::vector{block(R"({"type":"text","text":"I cannot."})")});
  CHECK(body.content == stream.content);
  CHECK(body.stop_reason == "refusal");
}

TEST_CASE("arguments and ids that Anthropic would refuse are put right") {
  const auto speaker = dialect().make_speaker(k_blocking);
  speaker->begin("m");
  speaker->call(0, "a.b", "f");
  speaker->arguments(0, "[1");
  speaker->call(1, "c", "g");
  speaker->arguments(5, "nobody's");
  speaker->finish(Finish::tool_calls, {});
  speaker->end();
  const auto told = anthropic_test::told_by_body(speaker->take());
  CHECK(told.content == std::vector{block(R"({"type":"tool_use","id":"a_b","name":"f","input":{"text":"[1"}})"),
                                    block(R"({"type":"tool_use","id":"c","name":"g","input":{}})")});
}

TEST_CASE("an answer that breaks off is not whole, and an error says so") {
  const ErrorSaid error{.status = 529, .type = "", .code = "stall_timeout", .message = "Stopped."};
  const auto stream = dialect().make_speaker(k_streamed);
  stream->begin("m");
  stream->text("x");
  CHECK(anthropic_test::told_by_stream(stream->take()).failure == "ended early");
  stream->error(error);
  stream->end();
  CHECK(stream->take() == dialect().error_event(error, 2));
  stream->begin("m");
  stream->text("y");
  stream->finish(Finish::stop, {});
  CHECK(stream->take().empty());
  const auto body = dialect().make_speaker(k_blocking);
  body->begin("m");
  body->text("x");
  CHECK(body->take().empty());
  body->error(error);
  body->end();
  CHECK(body->take() == dialect().error_body(error));
}

// Consecutive pieces of one kind as one, arguments without their blanks, and usage as it ended: what a speaker may change.
std::string gist(const std::string& said) {
  std::string out, last_head, usage;
  std::size_t at = 0;
  while (at < said.size()) {
    const std::size_t end = said.find('\n', at);
    std::string line = said.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("arguments ")) std::erase(line, ' ');
    const std::string head = line.substr(0, line.find(':'));
    if (head == "usage") {
      usage = line;
    } else if (head == last_head && (head == "text" || head.starts_with("arguments"))) {
      out += line.substr(head.size() + 1);
    } else if (head != "reasoning") {
      out += (out.empty() ? "" : "\n") + line;
    }
    if (head != "usage") last_head = head;
  }
  return out + "\n" + usage;
}

TEST_CASE("what is said is heard the same") {
  for (const std::string_view name :
       {"text_stream.sse", "tool_stream.sse", "parallel_tools_stream.sse", "cache_usage_stream.sse",
        "stop_sequence_stream.sse", "max_tokens_stream.sse", "refusal_stream.sse", "line_ends_stream.sse",
        "tools_blocking.json", "text_blocking.json"}) {
    INFO(name);
    const auto& exchange = golden_message(name);
    const std::string want = gist(hear(exchange.body, exchange.streamed).said);
    for (const bool stream : {true, false}) {
      const auto hearer = dialect().make_hearer(exchange.streamed);
      const auto speaker = dialect().make_speaker({.stream = stream});
      hearer->feed(exchange.body, *speaker);
      hearer->finish(*speaker);
      CHECK(gist(hear(speaker->take(), stream).said) == want);
    }
  }
}

}  // namespace
}  // namespace outrigger::providers
