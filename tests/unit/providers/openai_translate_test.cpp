// Chat completions as one end of a translation.
#include <catch2/catch_test_macros.hpp>

#include <set>

#include "providers/dialect.h"
#include "providers/openai/translate.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using chat::NotCarried;
using Kind = chat::Part::Kind;

const Dialect& dialect() { return *dialect_of(chat::Endpoint::chat_completions); }

std::string body_with(std::string_view more, std::string_view messages = R"([{"role":"user","content":"hi"}])") {
  return R"({"model":"m","messages":)" + std::string(messages) + std::string(more) + "}";
}

struct Heard {
  std::expected<chat::Conversation, NotCarried> said;
  chat::Losses losses;
};
Heard hear(std::string_view body) {
  Heard heard{std::unexpected(NotCarried::not_understood), {}};
  heard.said = dialect().hear_request(body, heard.losses);
  return heard;
}

// Heard, and written again.
std::string again(std::string_view body) {
  Heard heard = hear(body);
  REQUIRE(heard.said.has_value());
  auto written = dialect().say_request(*heard.said, heard.losses);
  REQUIRE(written.has_value());
  return *written;
}

struct Sayings final : Speaker {
  void begin(std::string_view model) override { log += "begin(" + std::string(model) + ")"; }
  void text(std::string_view piece) override { add("text", piece); }
  void reasoning(std::string_view piece) override { add("reasoning", piece); }
  void refusal(std::string_view piece) override { add("refusal", piece); }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    log += " call" + std::to_string(number) + "(" + std::string(id) + "," + std::string(tool) + ")";
    last = {};
  }
  void arguments(std::uint32_t number, std::string_view piece) override { add("arguments" + std::to_string(number), piece); }
  void usage(const UsageSaid& usage) override {
    log += " usage(" + std::to_string(usage.input) + "," + std::to_string(usage.output) + "," +
           std::to_string(usage.cached) + ")";
    last = {};
  }
  void finish(Finish why, std::string_view) override { log += " finish" + std::to_string(static_cast<int>(why)); }
  void error(const ErrorSaid& error) override {
    log += " error(" + error.type + "," + error.code + "," + error.message + ")";
  }
  void end() override { log += " end"; }
  std::string take() override { return {}; }

  // Neighbouring pieces of one kind are one text, however they came.
  void add(const std::string& kind, std::string_view piece) {
    if (kind == last) {
      log.pop_back();
    } else {
      log += " " + kind + "(";
    }
    log += std::string(piece) + ")";
    last = kind;
  }

  std::string log, last;
};

std::string sayings(bool streamed, std::string_view body, std::size_t piece = std::string_view::npos) {
  Sayings to;
  const auto hearer = dialect().make_hearer(streamed);
  for (std::size_t at = 0; at < body.size(); at += std::min(piece, body.size() - at)) {
    hearer->feed(body.substr(at, std::min(piece, body.size() - at)), to);
  }
  hearer->finish(to);
  return to.log;
}

}  // namespace

TEST_CASE("what chat completions carry comes back as it was") {
  for (const std::string& body : {
           body_with(""),
           body_with(
               R"(,"max_tokens":20,"temperature":0.70,"top_p":1,"frequency_penalty":0.5,"presence_penalty":-1,"seed":7,)"
               R"("stop":["a","b"],"user":"u")"),
           body_with(
               R"(,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},)"
               R"("strict":true}}],"parallel_tool_calls":false,"tool_choice":"required")"),
           body_with(R"(,"tools":[{"type":"function","function":{"name":"f"}}],)"
                     R"("tool_choice":{"type":"function","function":{"name":"f"}})"),
           body_with(R"(,"response_format":{"type":"json_schema","json_schema":{"name":"s","description":"d",)"
                     R"("schema":{"type":"object","properties":{"a":{"type":"string"}}},"strict":true}})"),
           body_with(R"(,"response_format":{"type":"json_object"})"),
           body_with("",
                     R"([{"role":"system","content":"be \"kind\""},{"role":"user","content":[{"type":"text","text":"see"},)"
                     R"({"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},)"
                     R"({"type":"image_url","image_url":{"url":"https://h/p.png"}}]}])"),
           body_with(
               "",
               R"([{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[)"
               R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},)"
               R"({"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},)"
               R"({"role":"tool","tool_call_id":"c1","content":"one"},{"role":"tool","tool_call_id":"c2","content":"two"},)"
               R"({"role":"user","content":"and?"}])"),
           body_with("",
                     R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"c"},)"
                     R"({"role":"user","content":"d"}])"),
       }) {
    CHECK(again(body) == body);
  }
  const std::string streamed = again(body_with(R"(,"stream":true)"));
  CHECK(streamed == body_with(R"(,"stream":true,"stream_options":{"include_usage":true})"));
}

TEST_CASE("reasoning models are asked with the parameters that they take") {
  const std::string body = again(R"({"model":"openai/o3-mini","messages":[{"role":"user","content":"x"}],"max_tokens":9,)"
                                 R"("temperature":0,"reasoning_effort":"low"})");
  CHECK(body == R"({"model":"openai/o3-mini","messages":[{"role":"user","content":"x"}],"max_completion_tokens":9,)"
                R"("reasoning_effort":"low"})");
  for (const std::string_view name : {"o1", "o3-mini", "o4-mini-2025", "gpt-5", "gpt-5-mini", "gpt-5.1", "x/gpt-5"})
    CHECK(openai::is_reasoning_model(name));
  for (const std::string_view name : {"gpt-4o", "gpt-5-chat-latest", "o10", "gpt-50", "llama-o1", ""})
    CHECK_FALSE(openai::is_reasoning_model(name));
}

TEST_CASE("what another wire cannot be told refuses, by name") {
  struct Row {
    std::string body;
    NotCarried reason;
  };
  const auto said_by = [](std::string_view part) { return R"([{"role":"user","content":[)" + std::string(part) + "]}]"; };
  const Row rows[] = {
      {"", NotCarried::not_understood},
      {"[]", NotCarried::not_understood},
      {R"({"model":"m"})", NotCarried::not_understood},
      {R"({"messages":[{"role":"user","content":"x"}]})", NotCarried::not_understood},
      {body_with("", "[]"), NotCarried::not_understood},
      {body_with(R"(,"messages":[{"role":"user","content":"other"}])"), NotCarried::not_understood},
      {body_with("", R"([{"role":"user"}])"), NotCarried::not_understood},
      {body_with("", R"([{"role":"function","content":"x"}])"), NotCarried::not_understood},
      {body_with(R"(,"n":2)"), NotCarried::several_answers},
      {body_with(R"(,"logprobs":true)"), NotCarried::logprobs},
      {body_with(R"(,"top_logprobs":2)"), NotCarried::logprobs},
      {body_with(R"(,"web_search_options":{"a":1})"), NotCarried::hosted_tool},
      {body_with(R"(,"tools":[{"type":"web_search"}])"), NotCarried::hosted_tool},
      {body_with(R"(,"tools":[{"type":"custom","custom":{"name":"x"}}])"), NotCarried::custom_tool},
      {body_with(R"(,"modalities":["text","audio"])"), NotCarried::audio},
      {body_with("", said_by(R"({"type":"input_audio","input_audio":{}})")), NotCarried::audio},
      {body_with("", said_by(R"({"type":"file","file":{"file_id":"f"}})")), NotCarried::provider_id},
      {body_with("", said_by(R"({"type":"file","file":{"file_data":"x"}})")), NotCarried::media},
      {body_with("", said_by(R"({"type":"video_url","video_url":{}})")), NotCarried::media},
      {body_with("", R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])"), NotCarried::continuation},
      {body_with(R"(,"previous_response_id":"r")"), NotCarried::provider_id},
      {body_with(R"(,"functions":[{"name":"f"}])"), NotCarried::not_understood},
  };
  for (const Row& row : rows) {
    INFO(row.body);
    const auto said = hear(row.body).said;
    REQUIRE_FALSE(said.has_value());
    CHECK(chat::name(said.error()) == chat::name(row.reason));
  }
  // Asked for and yet not: nothing is lost.
  for (const std::string_view more : {R"(,"n":1)", R"(,"logprobs":false)", R"(,"top_logprobs":0)", R"(,"tools":[])",
                                      R"(,"modalities":["text"])", R"(,"functions":[])", R"(,"stop":null)"}) {
    INFO(more);
    const Heard heard = hear(body_with(more));
    CHECK(heard.said.has_value());
    CHECK(heard.losses.names().empty());
  }
}

TEST_CASE("what is left out is told, once and by our own names") {
  const Heard heard =
      hear(body_with(R"(,"logit_bias":{"1":2},"x-secret":1,"y":2,"prediction":{"type":"content"},"metadata":{"a":"b"})"));
  REQUIRE(heard.said.has_value());
  CHECK(heard.losses.names() == std::vector<std::string_view>{"logit_bias", "unknown", "prediction"});
  struct Row {
    std::string_view more, lost;
  };
  for (const Row& row : {Row{R"(,"min_p":0.1)", "sampling"}, Row{R"(,"typical_p":0.1)", "sampling"},
                         Row{R"(,"enable_thinking":true)", "thinking"}, Row{R"(,"thinking":{"type":"enabled"})", "thinking"},
                         Row{R"(,"reasoning":{"effort":"low"})", "thinking"}, Row{R"(,"echo":true)", "unknown"},
                         Row{R"(,"enable_thinking":false)", ""}, Row{R"(,"chat_template_kwargs":{})", ""}}) {
    CAPTURE(row.more);
    const Heard one = hear(body_with(row.more));
    REQUIRE(one.said.has_value());
    CHECK(one.losses.names() == (row.lost.empty() ? std::vector<std::string_view>{} : std::vector{row.lost}));
  }

  chat::Losses losses;
  chat::Conversation said =
      *hear(body_with(R"(,"top_k":3,"reasoning_effort":"high","verbosity":"low","thinking_budget":9)")).said;
  REQUIRE(dialect().say_request(said, losses).has_value());
  CHECK(losses.names() == std::vector<std::string_view>{"effort", "top_k", "thinking_budget", "verbosity"});
  said.stops = {"1", "2", "3", "4", "5"};
  CHECK(dialect().say_request(said, losses).error() == NotCarried::stop_sequences);
}

TEST_CASE("an answer is heard as it was told, however it arrives") {
  const std::string stream =
      "data: {\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
      ": keep-alive\n\n"
      "data: {\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüß\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" dich\"}}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"\"}}]}}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\","
      "\"arguments\":\"{\"}}]}}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
      "data: "
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":"
      "2}}}\n\n"
      "data: [DONE]\n\n";
  const std::string expected =
      "begin(gpt) reasoning(hm) text(Grüß dich) call0(a,f) call1(b,g) arguments1({) arguments0({}) arguments1(}) finish3 "
      "usage(9,4,2) end";
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    INFO(piece);
    REQUIRE(sayings(true, stream, piece) == expected);
  }
}

TEST_CASE("only a whole answer ends") {
  const std::string begun = "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
  const std::string finished = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
  CHECK(sayings(true, begun) == "begin(m) text(a)");
  CHECK(sayings(true, begun + "data: [DONE]\n\n") == "begin(m) text(a)");  // nobody said why it ends
  CHECK(sayings(true, begun + finished) == "begin(m) text(a) finish0 end");
  CHECK(sayings(true, begun + finished + "data: {\"cho") == "begin(m) text(a) finish0");
  CHECK(sayings(true, begun + "data: {\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":\"c\"}}\n\n" + finished) ==
        "begin(m) text(a) error(t,c,no)");
  CHECK(sayings(false, R"({"error":{"message":"no","type":"t","code":5}})") == " error(t,5,no)");
  CHECK(sayings(false, R"({"model":"m","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"length"}]})") ==
        "begin(m) text(x) finish2 end");
  CHECK(sayings(false, "{").empty());
  CHECK(sayings(false, "").empty());
}

TEST_CASE("what is no part of the answer does not begin it, and is counted") {
  const std::string filter = R"(data: {"choices":[],"model":"","object":"","prompt_filter_results":[]})"
                             "\n\n";
  const std::string notice = R"(data: {"object":"notice"})"
                             "\n\n";
  const std::string rest = R"(data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]})"
                           "\n\n"
                           R"(data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}})"
                           "\n\n";
  Sayings to;
  const auto hearer = dialect().make_hearer(true);
  hearer->feed(filter + notice + rest, to);
  hearer->finish(to);
  CHECK(to.log == "begin(m) text(a) finish0 usage(1,1,0) end");
  CHECK(hearer->skipped() == 2);
}

TEST_CASE("what a provider ends for a reason that is not known is not whole") {
  const auto ended = [](std::string_view message, std::string_view reason) {
    return sayings(false, R"({"model":"m","choices":[{"index":0,"message":)" + std::string(message) +
                              R"(,"finish_reason":")" + std::string(reason) + "\"}]}");
  };
  CHECK(ended(R"({"content":"x"})", "insufficient_system_resource") == "begin(m) text(x) finish2 end");
  CHECK(ended(R"({"tool_calls":[{"function":{"arguments":"{}"}}]})", "tool_calls") == "begin(m) finish2 end");
}

TEST_CASE("calls are numbered as they begin, and an id that is missing is the speaker's to make") {
  const auto delta = [](std::string_view call) {
    return "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[" + std::string(call) + "]}}]}\n\n";
  };
  const std::string stream = delta(R"({"index":0,"function":{"arguments":"{"}})") +
                             delta(R"({"index":1,"function":{"name":"g"}})") +
                             delta(R"({"index":0,"function":{"name":"f","arguments":"}"}})") +
                             "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
  CHECK(sayings(true, stream) == "begin(m) call0(,g) call1(,f) arguments1({}) finish3 end");
  for (const bool streamed : {true, false}) {
    std::vector<std::string> told;
    for (const std::uint64_t answer : {1U, 2U}) {
      const auto speaker = dialect().make_speaker({.stream = streamed, .id_high = answer, .id_low = 2});
      speaker->begin("m");
      for (const std::uint32_t number : {0U, 1U}) speaker->call(number, "", "f");
      speaker->finish(Finish::tool_calls, {});
      speaker->end();
      const std::string body = speaker->take();
      for (const ToldTool& tool : (streamed ? told_to_dify(body) : told_by_body(body)).tools) told.push_back(tool.id);
    }
    REQUIRE(told.size() == 4);
    CHECK(std::set<std::string>(told.begin(), told.end()).size() == 4);
    CHECK(told[0].starts_with("call_"));
  }
}

TEST_CASE("what chat completions have no place for is not lost without a word") {
  const auto unfit = [](const chat::Conversation& said) {
    chat::Losses losses;
    const auto body = dialect().say_request(said, losses);
    return body ? std::string() : std::string(chat::name(body.error()));
  };
  const chat::Conversation plain = *hear(body_with("")).said;
  for (const chat::Role role : {chat::Role::instruction, chat::Role::assistant}) {
    chat::Conversation said = plain;
    said.turns.insert(said.turns.begin(), {.role = role, .parts = {{.kind = Kind::image, .media = {.url = "https://h/p"}}}});
    CHECK(unfit(said) == "media");
  }
  chat::Conversation goes_on = plain;
  goes_on.turns.push_back({.role = chat::Role::assistant, .parts = {{.text = "and"}}});
  CHECK(unfit(goes_on) == "continuation");
  chat::Conversation stops = plain;
  stops.stops = {"END"};
  CHECK(unfit(stops).empty());
  stops.model = "o3";
  CHECK(unfit(stops) == "stop_sequences");
  chat::Conversation silent = plain;
  silent.turns.insert(silent.turns.begin(), {.role = chat::Role::instruction, .parts = {{.text = ""}}});
  silent.user = std::string(65, 'u');
  chat::Losses losses;
  CHECK(*dialect().say_request(silent, losses) == body_with(""));
  CHECK(losses.names() == std::vector<std::string_view>{"user"});
}

TEST_CASE("every golden answer of chat completions is heard the same in one piece and in many") {
  for (const Exchange& exchange : golden_exchanges()) {
    if (exchange.endpoint != chat::Endpoint::chat_completions) continue;
    INFO(exchange.name);
    const std::string whole = sayings(exchange.streamed, exchange.body);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}}) {
      CHECK(sayings(exchange.streamed, exchange.body, piece) == whole);
    }
    if (exchange.verdict == "stored" && exchange.streamed) CHECK(whole.ends_with(" end"));
  }
}

TEST_CASE("what is said is read as an answer fit for storing, in both forms") {
  for (const bool streamed : {true, false}) {
    const auto speaker = dialect().make_speaker({.stream = streamed, .id_high = 1, .id_low = 2, .created = 1'700'000'000});
    speaker->begin("m");
    speaker->reasoning("hm");
    speaker->text("a");
    speaker->text("b\n");
    speaker->call(0, "x", "f");
    speaker->arguments(0, "{\"k\"");
    speaker->arguments(0, ":1}");
    speaker->call(1, "y", "g");
    speaker->arguments(1, "{}");
    speaker->usage({.input = 5, .output = 3, .cached = 1});
    speaker->finish(Finish::tool_calls, {});
    speaker->end();
    const std::string body = speaker->take();
    INFO(body);
    const auto reader = read_whole(chat::Endpoint::chat_completions, streamed, body);
    CHECK(verdict_of(reader->finish()) == "stored");
    const Told told = streamed ? told_to_dify(body) : told_by_body(body);
    CHECK(told.failure.empty());
    CHECK(told.content == "ab\n");
    CHECK(told.reasoning_content == "hm");
    CHECK(told.tools == std::vector<ToldTool>{{"x", "f", "{\"k\":1}"}, {"y", "g", "{}"}});
    CHECK(told.finish_reason == "tool_calls");
    CHECK(told.usage == std::array<std::uint64_t, 3>{5, 3, 8});
  }
}

TEST_CASE("an answer that was not ended is one that broke off") {
  const auto speaker = dialect().make_speaker({.stream = true});
  speaker->begin("m");
  speaker->text("a");
  CHECK(verdict_of(read_whole(chat::Endpoint::chat_completions, true, speaker->take())->finish()) == "cut");
  // Why it stops was said, but the end never came: a reason that clients had read would be an end to them.
  const auto unended = dialect().make_speaker({.stream = true});
  unended->begin("m");
  unended->text("a");
  unended->finish(Finish::stop, {});
  CHECK(verdict_of(read_whole(chat::Endpoint::chat_completions, true, unended->take())->finish()) == "cut");
  const auto blocking = dialect().make_speaker({.stream = false});
  blocking->begin("m");
  blocking->text("a");
  CHECK(blocking->take().empty());
}

TEST_CASE("errors of every shape keep their words") {
  struct Row {
    std::string_view body, type, code, message;
  };
  const Row rows[] = {
      {R"({"error":{"message":"m","type":"t","code":"c"}})", "t", "c", "m"},
      {R"({"error":"m"})", "", "", "m"},
      {R"({"message":"m","code":12})", "", "12", "m"},
      {R"({"detail":"m"})", "", "", "m"},
      {R"([{"error":{"message":"m","code":429}}])", "", "429", "m"},
      {"<html>", "", "", "The model provider reported an error."},
      {"", "", "", "The model provider reported an error."},
  };
  for (const Row& row : rows) {
    INFO(row.body);
    const ErrorSaid said = dialect().hear_error(503, row.body);
    CHECK(said.status == 503);
    CHECK(said.type == row.type);
    CHECK(said.code == row.code);
    CHECK(said.message == row.message);
  }
}

}  // namespace outrigger::providers
