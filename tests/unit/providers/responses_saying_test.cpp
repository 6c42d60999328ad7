// Answers on their way between the responses dialect and others: the hearer, the speaker, and both in a row.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "providers/dialect.h"
#include "responses_support.h"

namespace outrigger::providers::responses {
namespace {

const Dialect& dialect() { return *dialect_of(chat::Endpoint::responses); }

// Writes down what it is told, and holds what saying.h promises.
class Notes final : public Speaker {
 public:
  std::string model, text_, reasoning_, refusal_, finish_, error_;
  std::vector<ToldTool> calls;
  UsageSaid usage_;
  std::string log;  // one letter for each call
  bool ended = false;

  void begin(std::string_view name) override {
    note('b');
    CHECK(log == "b");
    model = name;
  }
  void text(std::string_view piece) override {
    note('t');
    text_ += piece;
  }
  void reasoning(std::string_view piece) override {
    note('r');
    reasoning_ += piece;
  }
  void refusal(std::string_view piece) override {
    note('x');
    refusal_ += piece;
  }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    note('c');
    CHECK(number == calls.size());
    calls.push_back({std::string(id), std::string(tool), ""});
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    note('a');
    REQUIRE(number < calls.size());
    calls[number].arguments += piece;
  }
  void usage(const UsageSaid& usage) override {
    note('u');
    usage_ = usage;
  }
  void finish(Finish why, std::string_view) override {
    note('f');
    constexpr std::string_view k_names[] = {"stop", "stop_sequence", "length", "tool_calls", "filtered", "refused"};
    finish_ = k_names[static_cast<std::size_t>(why)];
  }
  void error(const ErrorSaid& error) override {
    note('e');
    error_ = error.code;
    CHECK(!error.message.empty());
  }
  void end() override {
    note('z');
    CHECK(!finish_.empty());
    ended = true;
  }
  std::string take() override { return {}; }

 private:
  void note(char letter) {
    const bool in_order = !ended && error_.empty() && (letter == 'b' || letter == 'e' || log.starts_with('b'));
    if (!in_order) FAIL_CHECK("after " << log << " comes " << letter);
    log += letter;
  }
};

std::unique_ptr<Notes> heard(bool streamed, std::string_view body, std::size_t size = std::string_view::npos,
                             std::uint64_t* skipped = nullptr) {
  auto notes = std::make_unique<Notes>();
  const auto hearer = dialect().make_hearer(streamed);
  while (!body.empty()) {
    hearer->feed(body.substr(0, size), *notes);
    body.remove_prefix(std::min(size, body.size()));
  }
  hearer->finish(*notes);
  if (skipped != nullptr) *skipped = hearer->skipped();
  return notes;
}

std::string finish_of(const Golden& golden) {
  if (!golden.finish.empty()) return golden.finish;
  return !golden.calls.empty() ? "tool_calls" : !golden.refusal.empty() ? "refused" : "stop";
}

bool is_damaged(const Golden& golden) {
  return golden.verdict == "not_understood" || golden.verdict == "cut" || golden.verdict == "unfinished";
}

TEST_CASE("responses: golden exchanges are heard as what they say") {
  for (const Golden& golden : goldens()) {
    if (is_damaged(golden)) continue;
    INFO(golden.name);
    const auto notes = heard(golden.streamed, golden.body);
    CHECK(notes->error_ == golden.error);
    if (!golden.error.empty()) {
      CHECK(!notes->ended);
      continue;
    }
    CHECK(notes->ended);
    CHECK(notes->text_ == golden.text);
    CHECK(notes->refusal_ == golden.refusal);
    CHECK(notes->reasoning_ == golden.reasoning);
    CHECK(notes->calls == golden.calls);
    CHECK(notes->finish_ == finish_of(golden));
    if (!golden.model.empty()) CHECK(notes->model == golden.model);
    if (!golden.usage) continue;
    CHECK(notes->usage_.input == (*golden.usage)[0]);
    CHECK(notes->usage_.output == (*golden.usage)[1]);
    if (golden.cached > 0) CHECK(notes->usage_.cached == golden.cached);
    if (golden.cached > 0) CHECK(notes->usage_.cache_written == 7);
    if (golden.reasoning_tokens > 0) CHECK(notes->usage_.reasoning == golden.reasoning_tokens);
  }
}

TEST_CASE("responses: what is damaged is heard as far as it goes") {
  const auto no_final = heard(true, golden("no_final.sse").body);
  CHECK(no_final->text_ == "ab");
  CHECK(!no_final->ended);
  CHECK(no_final->log == "btt");
  CHECK(heard(true, golden("final_without_object.sse").body)->log == "bt");
  CHECK(heard(false, golden("queued.json").body)->log.empty());
  CHECK(heard(false, golden("list.json").body)->log.empty());
  CHECK(heard(false, "").get()->log.empty());
  CHECK(heard(true, "").get()->log.empty());
  // Arguments may be anything: whoever called for them must judge them.
  CHECK(heard(true, golden("bad_arguments.sse").body)->ended);
}

TEST_CASE("responses: what has no place elsewhere is skipped and counted") {
  struct Row {
    std::string_view name;
    std::uint64_t skipped;
  };
  for (const Row& row :
       {Row{"text.sse", 0}, Row{"relay_done.sse", 0}, Row{"parallel_calls.sse", 0}, Row{"reasoning_summary.sse", 0},
        Row{"refusal.sse", 0}, Row{"reasoning_text.sse", 0}, Row{"text.json", 0}, Row{"web_search.sse", 5},
        Row{"custom_tool.sse", 4}, Row{"list.json", 1}, Row{"final_without_object.sse", 1}}) {
    INFO(row.name);
    std::uint64_t skipped = 99;
    heard(golden(row.name).streamed, golden(row.name).body, std::string_view::npos, &skipped);
    CHECK(skipped == row.skipped);
  }
}

TEST_CASE("responses: every reasoning item of a body is heard") {
  const auto notes = heard(
      false, R"({"object":"response","model":"m","status":"completed","output":[)"
             R"({"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]},)"
             R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
             R"({"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"d"}]}]})");
  CHECK(notes->reasoning_ == "a\n\nb\n\nd");
  CHECK(notes->log == "brrrcarrfz");
}

TEST_CASE("responses: text is heard at once, not at the end") {
  const std::string& body = golden("text.sse").body;
  const auto hearer = dialect().make_hearer(true);
  Notes notes;
  const std::size_t at = body.find("\n\n", body.find("output_text.delta")) + 2;
  hearer->feed(std::string_view(body).substr(0, at), notes);
  CHECK(notes.log == "bt");
  CHECK(notes.text_ == "Hi");
}

TEST_CASE("responses: any split is heard the same") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    const auto whole = heard(golden.streamed, golden.body);
    const auto compare = [&](const Notes& other) {
      REQUIRE(other.log == whole->log);
      REQUIRE(other.text_ == whole->text_);
      REQUIRE(other.calls == whole->calls);
      REQUIRE(other.reasoning_ == whole->reasoning_);
    };
    for (std::size_t cut = 1; cut < golden.body.size(); ++cut) {
      Notes notes;
      const auto hearer = dialect().make_hearer(golden.streamed);
      hearer->feed(std::string_view(golden.body).substr(0, cut), notes);
      hearer->feed(std::string_view(golden.body).substr(cut), notes);
      hearer->finish(notes);
      compare(notes);
    }
    for (const std::size_t size : {1, 3, 100}) compare(*heard(golden.streamed, golden.body, size));
  }
}

constexpr SpeakerOptions k_options{
    .stream = true, .id_high = UINT64_MAX / 3, .id_low = UINT64_MAX / 5, .created = 1'755'780'090};

std::string spoken_again(const Golden& golden, bool stream) {
  SpeakerOptions options = k_options;
  options.stream = stream;
  const auto speaker = dialect().make_speaker(options);
  const auto hearer = dialect().make_hearer(golden.streamed);
  std::string text;
  for (std::string_view left = golden.body; !left.empty(); left.remove_prefix(std::min<std::size_t>(left.size(), 50))) {
    hearer->feed(left.substr(0, 50), *speaker);
    text += speaker->take();
  }
  hearer->finish(*speaker);
  return text + speaker->take();
}

TEST_CASE("responses: what is heard and said again is the same answer without its reasoning, for SDKs and for hearers") {
  for (const Golden& golden : goldens()) {
    if (is_damaged(golden) || !golden.error.empty()) continue;
    INFO(golden.name);
    for (const bool stream : {false, true}) {
      const std::string again = spoken_again(golden, stream);
      INFO(again);
      const ToldHere told = stream ? told_by_stream(again) : told_by_object(again);
      CHECK(told.failure == "");
      CHECK(told.text == golden.text);
      CHECK(told.refusal == golden.refusal);
      CHECK(told.reasoning == "");
      CHECK(told.calls == golden.calls);
      CHECK(told.status == (golden.finish.empty() ? "completed" : "incomplete"));
      CHECK(told.incomplete == (golden.finish == "length"     ? "max_output_tokens"
                                : golden.finish == "filtered" ? "content_filter"
                                                              : ""));
      if (golden.usage)
        CHECK(told.usage == std::array{(*golden.usage)[0], (*golden.usage)[1], (*golden.usage)[0] + (*golden.usage)[1]});
      const auto notes = heard(stream, again);
      CHECK(notes->text_ == golden.text);
      CHECK(notes->calls == golden.calls);
      CHECK(notes->finish_ == finish_of(golden));
      CHECK(notes->ended);
      // A reader judges it as the original, but for what only the other had.
      if (golden.name == "custom_tool.sse") continue;
      CHECK(verdict_of(read_whole(chat::Endpoint::responses, stream, again)->finish()) == golden.verdict);
    }
  }
}

TEST_CASE("responses: a stream is said event by event") {
  const auto speaker = dialect().make_speaker(k_options);
  speaker->begin("m");
  const std::string begun = speaker->take();
  CHECK(begun.starts_with("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_"));
  CHECK(begun.find("\"created_at\":1755780090,\"status\":\"in_progress\"") != begun.npos);
  CHECK(begun.find("\"output\":[]") != begun.npos);
  speaker->text("");
  CHECK(speaker->take().empty());
  speaker->text("Hi\n");
  const std::string first = speaker->take();
  CHECK(first.find("\"item\":{\"id\":\"msg_") != first.npos);
  CHECK(first.ends_with(
      "\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\\n\",\"logprobs\":[],\"sequence_number\":4}\n\n"));
  speaker->reasoning("hm");
  CHECK(speaker->take().empty());
  speaker->text(" there");
  CHECK(std::ranges::count(speaker->take(), '\n') == 3);
}

TEST_CASE("responses: a message closes before what comes after it, interleaved calls close together") {
  const auto speaker = dialect().make_speaker(k_options);
  speaker->begin("m");
  speaker->text("a");
  speaker->call(0, "c0", "f");
  speaker->call(1, "", "g");
  speaker->arguments(1, "{");
  speaker->arguments(0, "{}");
  speaker->arguments(1, "}");
  speaker->arguments(7, "lost");
  speaker->call(9, "lost", "lost");
  speaker->text("b");
  speaker->refusal("c");
  speaker->text("d");
  speaker->usage({.input = 5, .output = 6, .cached = 1, .cache_written = 2, .reasoning = 3});
  speaker->finish(Finish::stop, {});
  speaker->end();
  speaker->text("late");
  speaker->end();
  const std::string stream = speaker->take();
  INFO(stream);
  const ToldHere told = told_by_stream(stream);
  CHECK(told.failure == "");
  CHECK(told.text == "abd");
  CHECK(told.refusal == "c");
  REQUIRE(told.calls.size() == 2);
  CHECK(told.calls[0] == ToldTool{"c0", "f", "{}"});
  CHECK(told.calls[1].arguments == "{}");
  CHECK(told.calls[1].id.starts_with("call_"));
  const std::vector<std::string> want{
      "response.created",           "response.in_progress",      "response.output_item.added", "response.content_part.added",
      "response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done",
      "response.output_item.added", "response.output_item.added"};
  CHECK(std::vector(told.types.begin(), told.types.begin() + 10) == want);
  CHECK(
      stream.find(R"("input_tokens":5,"input_tokens_details":{"cached_tokens":1,"cache_write_tokens":2},"output_tokens":6,)"
                  R"("output_tokens_details":{"reasoning_tokens":3},"total_tokens":11})") != stream.npos);
}

TEST_CASE("responses: an answer without an end is not said to be complete") {
  for (const bool stream : {false, true}) {
    SpeakerOptions options = k_options;
    options.stream = stream;
    const auto speaker = dialect().make_speaker(options);
    speaker->begin("m");
    speaker->text("a");
    speaker->finish(Finish::stop, {});
    const std::string text = speaker->take();
    CHECK(text.find("response.completed") == text.npos);
    CHECK(text.empty() == !stream);
  }
  const auto speaker = dialect().make_speaker(k_options);
  speaker->end();
  CHECK(told_by_stream(speaker->take()).failure == "");
}

TEST_CASE("responses: a refusal without a word is no complete answer") {
  const auto speaker = dialect().make_speaker(k_options);
  speaker->begin("m");
  speaker->text("Well");
  speaker->finish(Finish::refused, {});
  speaker->end();
  const ToldHere told = told_by_stream(speaker->take());
  CHECK(told.failure == "");
  CHECK(told.status == "incomplete");
  CHECK(told.incomplete == "content_filter");
}

TEST_CASE("responses: an error is the last that is said") {
  const ErrorSaid error{.status = 500, .type = "server_error", .code = {}, .message = "Sorry."};
  for (const bool stream : {false, true}) {
    SpeakerOptions options = k_options;
    options.stream = stream;
    const auto speaker = dialect().make_speaker(options);
    speaker->begin("m");
    speaker->text("a");
    speaker->error(error);
    speaker->text("b");
    speaker->finish(Finish::stop, {});
    speaker->end();
    const std::string text = speaker->take();
    if (stream) {
      CHECK(text.ends_with(
          "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Sorry.\",\"param\":null,"
          "\"sequence_number\":5}\n\n"));
      CHECK(text.find("\"b\"") == text.npos);
    } else {
      CHECK(text == R"({"error":{"message":"Sorry.","type":"server_error","param":null,"code":""}})");
    }
  }
}

TEST_CASE("responses: errors of a status are heard in every shape") {
  struct Row {
    std::string_view body;
    ErrorSaid want;
  };
  for (const Row& row : {
           Row{R"({"error":{"message":"Bad key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})",
               {.type = "invalid_request_error", .code = "invalid_api_key", .message = "Bad key"}},
           Row{R"({"error":{"message":"x","code":429}})", {.code = "429", .message = "x"}},
           Row{R"({"error":"too much"})", {.message = "too much"}},
           Row{R"({"type":"error","code":"server_error","message":"x"})", {.code = "server_error", .message = "x"}},
           Row{R"({"message":"x"})", {.message = "x"}},
           Row{"<html>", {}},
           Row{"", {}},
           Row{"[1]", {}},
       }) {
    INFO(row.body);
    const ErrorSaid said = dialect().hear_error(429, row.body);
    CHECK(said.status == 429);
    CHECK(said.type == row.want.type);
    CHECK(said.code == row.want.code);
    CHECK(said.message == row.want.message);
  }
}

}  // namespace
}  // namespace outrigger::providers::responses
