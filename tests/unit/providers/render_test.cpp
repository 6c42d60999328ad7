// Answers on the wire: what a blocking body and a stream look like to the byte, and what is fresh in each copy.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "providers/json_doc.h"
#include "providers/openai/cuts.h"
#include "support.h"

namespace outrigger::providers {
namespace {

constexpr auto k_chat = chat::Endpoint::chat_completions;
constexpr std::string_view k_head =
    R"({"id":"chatcmpl-000000000000000000000000","object":"chat.completion","created":1000000000,"model":"m")";
constexpr std::string_view k_chunk_head =
    R"(data: {"id":"chatcmpl-000000000000000000000000","object":"chat.completion.chunk","created":1000000000,"model":"m")";

TEST_CASE("a streamed answer as a blocking body") {
  const Answer answer = stored(
      k_chat, true,
      "data: {\"model\":\"m\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":\"\",\"refusal\":null}}]}\n\n"
      "data: {\"model\":\"m\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},"
      "\"logprobs\":{\"content\":[{\"logprob\":-1.50}],\"refusal\":null}}]}\n\n"
      "data: {\"model\":\"m\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\n\\\"!\"},"
      "\"logprobs\":{\"content\":[{\"logprob\":-2}],\"refusal\":null},\"finish_reason\":\"stop\",\"stop_reason\":7}]}\n\n"
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,\"cost\":0.10}}\n\n");
  CHECK(
      rendered(k_chat, answer, {}) ==
      std::string(k_head) +
          R"(,"choices":[{"index":0,"message":{"role":"assistant","content":"Hi\n\"!"},)"
          R"("logprobs":{"content":[{"logprob":-1.50},{"logprob":-2}],"refusal":null},"finish_reason":"stop","stop_reason":7}],)"
          R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"cost":0.10},"system_fingerprint":"fp"})");
  CHECK(rendered(k_chat, answer, {.usage = UsagePolicy::zero})
            .find(R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})") != std::string::npos);
}

TEST_CASE("a streamed answer as a stream, with and without usage") {
  const Answer answer = stored(
      k_chat, true,
      "data: "
      "{\"model\":\"m\",\"sfp\":1,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n"
      "event: x\ndata: {\"model\":\"m\",\"sfp\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"own\":[1]}}]}\n\n"
      "data: {\"model\":\"m\",\"sfp\":1,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
  const std::string head(k_chunk_head);
  const std::string pieces =
      head + R"(,"sfp":1,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})" + "\n\n" +
      head + R"(,"sfp":1,"choices":[{"index":0,"delta":{"content":"a","own":[1]},"finish_reason":null}]})" + "\n\n" + head +
      R"(,"sfp":1,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})" + "\n\n";
  CHECK(rendered(k_chat, answer, {.stream = true}) == pieces + "data: [DONE]\n\n");
  CHECK(rendered(k_chat, answer, {.stream = true, .include_usage = true, .prompt_tokens_estimate = 40}) ==
        pieces + head + R"(,"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":)" +
            std::to_string(answer.estimated_completion_tokens) + R"(,"total_tokens":)" +
            std::to_string(answer.estimated_completion_tokens + 40) + "}}\n\ndata: [DONE]\n\n");
}

TEST_CASE("a blocking answer as a stream comes as role, reasoning, text, calls and end") {
  const Answer answer =
      stored(k_chat, false,
             R"({"model":"m","fp":"x","choices":[{"index":0,"message":{"role":"assistant","content":"One. Two.",)"
             R"("reasoning_content":"Hm","own":1,"tool_calls":[{"id":"c","type":"function","function":)"
             R"({"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls","own":2}]})");
  const std::string head(k_chunk_head);
  const auto choice = [](std::string_view delta) {
    return R"("choices":[{"index":0,"delta":)" + std::string(delta) + R"(,"finish_reason":null}]})" + "\n\n";
  };
  CHECK(rendered(k_chat, answer, {.stream = true}) ==
        head + R"(,"fp":"x",)" + choice(R"({"role":"assistant","content":"","own":1})") + head + "," +
            choice(R"({"reasoning_content":"Hm"})") + head + "," + choice(R"({"content":"One. "})") + head + "," +
            choice(R"({"content":"Two."})") + head + "," +
            choice(R"({"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]})") +
            head + R"(,"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls","own":2}]})" + "\n\ndata: [DONE]\n\n");
}

TEST_CASE("text completions have their own objects") {
  const auto endpoint = chat::Endpoint::completions;
  const Answer answer =
      stored(endpoint, true,
             "data: {\"model\":\"m\",\"choices\":[{\"text\":\"a\",\"index\":0,\"logprobs\":null}]}\n\n"
             "data: {\"model\":\"m\",\"choices\":[{\"text\":\"b\",\"index\":0,\"finish_reason\":\"stop\"}]}\n\n");
  const std::string head =
      R"({"id":"cmpl-000000000000000000000000","object":"text_completion","created":1000000000,"model":"m","choices":)";
  CHECK(rendered(endpoint, answer, {.stream = true}) ==
        "data: " + head + R"([{"index":0,"text":"a","finish_reason":null,"logprobs":null}]})" + "\n\ndata: " + head +
            R"([{"index":0,"text":"b","finish_reason":"stop"}]})" + "\n\ndata: [DONE]\n\n");
  CHECK(rendered(endpoint, answer, {.usage = UsagePolicy::zero}) ==
        head + R"([{"index":0,"text":"ab","logprobs":null,"finish_reason":"stop"}],)"
               R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}})");
}

TEST_CASE("a personal copy differs from the rendered one in id and time only") {
  for (const bool stream : {false, true}) {
    const Exchange& exchange = golden_exchange("openai_tools_blocking.json");
    const auto shared = render(k_chat, stored(k_chat, false, exchange.body).encoded.view(), {.stream = stream});
    REQUIRE(shared);
    const Bytes copy = personalise(*shared, 1, 2, 1'754'000'123);
    REQUIRE(copy.size() == shared->text.size());
    std::string same(copy.view());
    const std::string_view id = copy.view().substr(shared->ids.front(), k_id_size);
    CHECK(id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == std::string_view::npos);
    for (const std::uint32_t offset : shared->ids) {
      CHECK(copy.view().substr(offset, k_id_size) == id);
      CHECK(copy.view().substr(offset - 9, 9) == "chatcmpl-");
      same.replace(offset, k_id_size, k_id_size, '0');
    }
    for (const std::uint32_t offset : shared->createds) {
      CHECK(copy.view().substr(offset - 10, 20) == "\"created\":1754000123");
      same.replace(offset, 10, "1000000000");
    }
    CHECK(same == shared->text.view());
    CHECK(shared->ids.size() ==
          told_to_dify(stream ? shared->text.view() : "data: " + std::string(shared->text.view())).chunks);
  }
}

TEST_CASE("ids tell all pairs of words apart, and the time has ten digits whatever the clock says") {
  const auto shared = render(k_chat, stored(k_chat, false, golden_exchange("openai_blocking.json").body).encoded.view(), {});
  REQUIRE(shared);
  const auto part = [&](std::uint64_t high, std::uint64_t low, std::int64_t created, std::uint32_t offset,
                        std::size_t size) {
    return std::string(personalise(*shared, high, low, created).view().substr(offset, size));
  };
  std::set<std::string> ids;
  const std::uint64_t words[] = {0, 1, 61, 62, UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63, 52036560683837093ULL};
  for (const std::uint64_t high : words) {
    for (const std::uint64_t low : words) ids.insert(part(high, low, 0, shared->ids[0], k_id_size));
  }
  std::set<std::uint64_t> different(std::begin(words), std::end(words));
  CHECK(ids.size() == different.size() * different.size());
  const auto time = [&](std::int64_t created) { return part(0, 0, created, shared->createds[0], 10); };
  CHECK(time(0) == "1000000000");
  CHECK(time(-5) == "1000000000");
  CHECK(time(1'000'000'001) == "1000000001");
  CHECK(time(9'999'999'999) == "9999999999");
  CHECK(time(10'000'000'000) == "9999999999");
}

TEST_CASE("Dify's loop reads a replayed stream however the bytes arrive") {
  const Answer answer = stored(k_chat, true, golden_exchange("deepseek_reasoning_stream.sse").body);
  const std::string stream = rendered(k_chat, answer, {.stream = true, .include_usage = true});
  CHECK(stream.find('\r') == std::string::npos);
  CHECK(stream.find("event:") == std::string::npos);
  const Told whole = told_to_dify(stream, stream.size());
  CHECK(whole.failure.empty());
  CHECK(whole.content == "七天内可以退货。");
  for (std::size_t size = 1; size < 700; ++size) REQUIRE(told_to_dify(stream, size) == whole);
}

TEST_CASE("lists grow and other unknown members are replaced when deltas are put together") {
  const auto chunk = [](std::string_view own) {
    return "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"own\":" + std::string(own) +
           "}}]}\n\n";
  };
  const auto merged = [&](std::string_view first, std::string_view second) {
    const std::string end = "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n";
    const Answer answer = stored(k_chat, true, chunk(first) + chunk(second) + end);
    const std::string body = rendered(k_chat, answer, {});
    const JsonDoc doc = JsonDoc::read(body);
    return text_of(member(member(yyjson_arr_get_first(member(doc.root(), "choices")), "message"), "own"));
  };
  CHECK(merged("[1]", "[2,3]") == "[1,2,3]");
  CHECK(merged("\"a\\\"\"", "\"b\"") == "\"a\\\"b\"");
  CHECK(merged("1", "2") == "2");
  CHECK(merged("[1]", "2") == "2");
  CHECK(merged("{\"a\":1}", "{\"b\":1}") == "{\"b\":1}");
  CHECK(merged("null", "\"x\"") == "\"x\"");
}

TEST_CASE("tool calls are told apart and put together, whatever a vendor leaves out or repeats") {
  const auto streamed = [](std::initializer_list<std::string_view> deltas) {
    std::string body;
    for (const std::string_view delta : deltas) {
      body += R"(data: {"model":"m","choices":[{"index":0,"delta":{"tool_calls":[)" + std::string(delta) + "]}}]}\n\n";
    }
    body += "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"tool_calls\"}]}\n\n";
    return told_by_body(rendered(k_chat, stored(k_chat, true, body), {})).tools;
  };
  using Tools = std::vector<ToldTool>;
  // The name again in every part; the name in parts; an id again in every part.
  CHECK(streamed({R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})",
                  R"({"index":0,"id":"a","function":{"name":"f","arguments":"{"}})",
                  R"({"index":0,"id":"a","function":{"name":"f","arguments":"}"}})"}) == Tools{{"a", "f", "{}"}});
  CHECK(streamed({R"({"index":0,"id":"a","function":{"name":"get_"}})",
                  R"({"index":0,"function":{"name":"it","arguments":"{}"}})"}) == Tools{{"a", "get_it", "{}"}});
  // Parts of two calls mixed; calls with ids and without indices.
  CHECK(streamed({R"({"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}})",
                  R"({"index":0,"function":{"arguments":"1"}})", R"({"index":1,"function":{"arguments":"2"}})",
                  R"({"index":0,"function":{"arguments":"3"}})"}) == Tools{{"a", "f", "13"}, {"b", "g", "2"}});
  CHECK(streamed({R"({"id":"a","function":{"name":"f","arguments":"1"}})", R"({"function":{"arguments":"2"}})",
                  R"({"id":"b","function":{"name":"f","arguments":"3"}})", R"({"id":"a","function":{"arguments":"4"}})"}) ==
        Tools{{"a", "f", "124"}, {"b", "f", "3"}});
  // In a body every call is one, with or without arguments and ids.
  const Answer answer = stored(k_chat, false,
                               R"({"model":"m","choices":[{"message":{"content":"","tool_calls":[{"function":{"name":"f"}},)"
                               R"({"function":{"name":"g"}}]},"finish_reason":"stop"}]})");
  const std::string body = rendered(k_chat, answer, {});
  CHECK(told_by_body(body).tools == Tools{{"", "f", ""}, {"", "g", ""}});
  CHECK(body.find(R"("content":"")") != std::string::npos);
}

TEST_CASE("log probabilities of text and of refusal stand in lists of their own, and null ends neither") {
  const auto chunk = [](std::string_view logprobs) {
    return R"(data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"logprobs":)" + std::string(logprobs) +
           "}]}\n\n";
  };
  const Answer answer = stored(k_chat, true,
                               chunk(R"({"content":[1],"refusal":null})") + chunk(R"({"content":null,"refusal":[2]})") +
                                   chunk(R"({"content":[3],"refusal":[]})") +
                                   "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n");
  CHECK(rendered(k_chat, answer, {}).find(R"("logprobs":{"content":[1,3],"refusal":[2]})") != std::string::npos);
}

TEST_CASE("a keep-alive without choices is not replayed, and a vendor's metadata is") {
  const std::string end = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"tool\"},\"finish_reason\":\"stop\"}]}\n\n";
  const Answer answer = stored(k_chat, true,
                               "data: {\"type\":\"ping\"}\n\n"
                               "data: {\"choices\":[],\"filter\":[1]}\n\n"
                               "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}\n\n"
                               "data: {\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n" +
                                   end);
  const std::string stream = rendered(k_chat, answer, {.stream = true});
  CHECK(told_to_dify(stream).chunks == 4);
  CHECK(stream.find("ping") == std::string::npos);
  CHECK(stream.find(R"("filter":[1],"choices":[]})") != std::string::npos);
  CHECK(rendered(k_chat, answer, {}).find(R"("message":{"role":"assistant","content":"a"})") != std::string::npos);
}

TEST_CASE("a text is cut after sentences and words, never inside a character, and stays the same") {
  const auto cuts = [](std::string_view text) {
    std::vector<std::string> all;
    while (!text.empty()) {
      const std::string_view part = openai::first_cut(text);
      REQUIRE(!part.empty());
      all.emplace_back(part);
      text.remove_prefix(part.size());
    }
    return all;
  };
  using Cuts = std::vector<std::string>;
  CHECK(cuts("") == Cuts{});
  CHECK(cuts("a") == Cuts{"a"});
  CHECK(cuts("One. Two! Three") == Cuts{"One. ", "Two! ", "Three"});
  CHECK(cuts("v1.2 is out") == Cuts{"v1.2 is out"});
  CHECK(cuts("好。吗？行！") == Cuts{"好。", "吗？", "行！"});
  CHECK(cuts("a\n\nb\nc") == Cuts{"a\n\n", "b\n", "c"});
  const std::string ab = std::string(openai::k_cut_characters_max, 'a');
  CHECK(cuts(ab) == Cuts{ab});
  CHECK(cuts(ab + "b") == Cuts{ab, "b"});
  CHECK(cuts("word " + ab) == Cuts{"word ", ab});
  std::string wide;
  for (std::size_t i = 0; i < openai::k_cut_characters_max; ++i) wide += "漢";
  CHECK(cuts(wide + "🙂") == Cuts{wide, "🙂"});
  CHECK(cuts("\x80\x80") == Cuts{"\x80\x80"});
}

}  // namespace
}  // namespace outrigger::providers
