// Text completions: what is particular to the older endpoint's answers.
#include <catch2/catch_test_macros.hpp>

#include "providers/json_doc.h"
#include "support.h"

namespace outrigger::providers {
namespace {

constexpr chat::Endpoint k_endpoint = chat::Endpoint::completions;

yyjson_val* first_choice(const JsonDoc& doc) { return yyjson_arr_get_first(member(doc.root(), "choices")); }

TEST_CASE("log probabilities of a stream of text become those of the whole text") {
  const std::string& whole = golden_exchange("completions_echo_logprobs.json").body;
  const Answer streamed = stored(k_endpoint, true, golden_exchange("completions_echo_logprobs_stream.sse").body);
  const std::string body = rendered(k_endpoint, streamed, {});
  INFO(body);
  CHECK(differences(whole, body) == std::vector<std::string>{"~/id", "~/created"});
}

TEST_CASE("a text with log probabilities is streamed in one piece, with all of them") {
  const Answer answer = stored(k_endpoint, false, golden_exchange("completions_echo_logprobs.json").body);
  const std::string stream = rendered(k_endpoint, answer, {.stream = true, .include_usage = true});
  INFO(stream);
  CHECK(told_to_dify(stream).content == "Say hi!");
  const Answer again = stored(k_endpoint, true, stream);
  const JsonDoc once = JsonDoc::read(rendered(k_endpoint, answer, {}));
  const JsonDoc twice = JsonDoc::read(rendered(k_endpoint, again, {}));
  CHECK(text_of(member(first_choice(once), "logprobs")) == text_of(member(first_choice(twice), "logprobs")));
}

TEST_CASE("streams of text completions are text_completion chunks without deltas") {
  const Answer answer = stored(k_endpoint, false, golden_exchange("completions_blocking.json").body);
  const std::string stream = rendered(k_endpoint, answer, {.stream = true, .include_usage = true});
  INFO(stream);
  CHECK(stream.find("\"delta\"") == std::string::npos);
  CHECK(stream.find("chat.completion") == std::string::npos);
  CHECK(stream.find(R"("object":"text_completion")") != std::string::npos);
  CHECK(stream.find(R"("role")") == std::string::npos);
  CHECK(stream.find(R"("id":"cmpl-)") != std::string::npos);
  CHECK(stream.find(R"("usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8})") != std::string::npos);
  const std::string without = rendered(k_endpoint, answer, {.stream = true});
  CHECK(without.find("prompt_tokens") == std::string::npos);
}

TEST_CASE("several texts in one answer are read apart, whatever their order") {
  const std::string body =
      R"({"id":"c","object":"text_completion","created":1,"model":"m","choices":[)"
      R"({"text":"b","index":1,"logprobs":null,"finish_reason":"stop"},{"text":"a","index":0,"logprobs":null,"finish_reason":"stop"}]})";
  CHECK(told_to_dify(rendered(k_endpoint, stored(k_endpoint, false, body), {.stream = true})).finish_reason == "stop");
  const auto chunk = [](std::string_view text, int index, std::string_view reason) {
    return R"(data: {"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":")" + std::string(text) +
           R"(","index":)" + std::to_string(index) + R"(,"logprobs":null,"finish_reason":)" + std::string(reason) +
           "}]}\n\n";
  };
  const std::string stream = chunk("a", 0, "null") + chunk("b", 1, "null") + chunk("A", 0, "\"stop\"") +
                             chunk("B", 1, "\"stop\"") + "data: [DONE]\n\n";
  const JsonDoc doc = JsonDoc::read(rendered(k_endpoint, stored(k_endpoint, true, stream), {}));
  yyjson_val* choices = member(doc.root(), "choices");
  REQUIRE(yyjson_arr_size(choices) == 2);
  CHECK(string_of(member(yyjson_arr_get(choices, 0), "text")) == "aA");
  CHECK(string_of(member(yyjson_arr_get(choices, 1), "text")) == "bB");
  // One of them without its end: nothing is stored.
  const std::string half = chunk("a", 0, "\"stop\"") + chunk("b", 1, "null") + "data: [DONE]\n\n";
  CHECK(verdict_of(read_whole(k_endpoint, true, half)->finish()) == "unfinished");
}

TEST_CASE("verdicts on text completions") {
  struct Row {
    std::string_view choice;
    std::string_view verdict;
  };
  for (const Row& row : {
           Row{R"({"text":"x","index":0,"finish_reason":"stop"})", "stored"},
           Row{R"({"text":" \n","index":0,"finish_reason":"stop"})", "empty"},
           Row{R"({"text":"","index":0,"finish_reason":"stop"})", "empty"},
           Row{R"({"text":null,"index":0,"finish_reason":"stop"})", "empty"},
           Row{R"({"text":"x","index":0,"finish_reason":"length"})", "length"},
           Row{R"({"text":"x","index":0,"finish_reason":"content_filter"})", "filtered"},
           Row{R"({"text":"x","index":0,"finish_reason":null})", "unfinished"},
           Row{R"({"text":7,"index":0,"finish_reason":"stop"})", "not_understood"},
           Row{R"({"text":"x","index":"0","finish_reason":"stop"})", "not_understood"},
       }) {
    INFO(row.choice);
    const std::string body =
        R"({"id":"c","object":"text_completion","model":"m","choices":[)" + std::string(row.choice) + "]}";
    CHECK(verdict_of(read_whole(k_endpoint, false, body)->finish()) == row.verdict);
  }
}

}  // namespace
}  // namespace outrigger::providers
