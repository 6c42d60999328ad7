// A hit loses nothing and invents nothing: an answer replayed in the form in which it came is the provider's JSON, but for
// the id, the time, and the few members that parsers do not forgive the absence of.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"
#include "providers/json_doc.h"
#include "providers/sse.h"
#include "support.h"

namespace outrigger::providers {
namespace {

using Differences = std::vector<std::string>;
// What may differ, as differences() writes it. A rule that ends with `...` holds for all below.
using Rules = std::vector<std::string_view>;

const Rules k_always{"~/id",     "+/id",      "~/created",         "+/created",
                     "+/object", "+/choices", "+/choices/*/index", "+/choices/*/finish_reason"};
const Rules k_body{"+/usage", "+/choices/*/message/role", "+/choices/*/message/content"};
const Rules k_zero_body{"+/choices/*/message/role", "+/choices/*/message/content", "-/usage...", "~/usage...", "+/usage..."};
const Rules k_zero_chunk{"-/usage...",           "~/usage...",           "+/usage...",
                         "-/choices/*/usage...", "~/choices/*/usage...", "+/choices/*/usage..."};

bool allowed(const Rules& rules, std::string_view difference) {
  return std::ranges::any_of(rules, [&](std::string_view rule) {
    if (!rule.ends_with("...")) return rule == difference;
    rule.remove_suffix(3);
    return difference.starts_with(rule);
  });
}

// Those of `found` that no rule allows.
Differences forbidden(Differences found, const Rules& rules) {
  std::erase_if(found, [&](const std::string& one) { return allowed(k_always, one) || allowed(rules, one); });
  return found;
}

bool is_stream(const Exchange& exchange) { return exchange.streamed && !exchange.body.starts_with('{'); }

// The JSON texts of a stream's chunks, as far as they are chunks.
std::vector<std::string> chunks_of(std::string_view stream) {
  std::vector<std::string> chunks;
  SseSplitter splitter;
  while (const auto event = splitter.next(stream)) {
    const JsonDoc doc = JsonDoc::read(event->data);
    if (member(doc.root(), "choices") != nullptr || yyjson_is_obj(member(doc.root(), "usage"))) {
      chunks.emplace_back(event->data);
    }
  }
  return chunks;
}

bool tells_usage_only(std::string_view chunk) {
  const JsonDoc doc = JsonDoc::read(chunk);
  return yyjson_arr_size(member(doc.root(), "choices")) == 0 && yyjson_is_obj(member(doc.root(), "usage"));
}

void check_body(const Exchange& exchange) {
  const Answer answer = stored(exchange.endpoint, exchange.streamed, exchange.body);
  CHECK(forbidden(differences(exchange.body, rendered(exchange.endpoint, answer, {})), k_body) == Differences());
  const std::string zero = rendered(exchange.endpoint, answer, {.usage = UsagePolicy::zero});
  CHECK(forbidden(differences(exchange.body, zero), k_zero_body) == Differences());
}

void check_chunks(const std::vector<std::string>& want, const std::vector<std::string>& got, const Rules& rules) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO(want[i]);
    CHECK(forbidden(differences(want[i], got[i]), rules) == Differences());
  }
}

void check_stream(const Exchange& exchange) {
  const Answer answer = stored(exchange.endpoint, exchange.streamed, exchange.body);
  const auto replay = [&](bool include_usage, UsagePolicy usage) {
    return chunks_of(rendered(exchange.endpoint, answer, {.stream = true, .include_usage = include_usage, .usage = usage}));
  };
  std::vector<std::string> want = chunks_of(exchange.body);
  std::vector<std::string> asked = replay(true, UsagePolicy::original);
  // Who asked and was not told by the provider is told by us.
  if (std::ranges::none_of(want, tells_usage_only)) {
    REQUIRE(!asked.empty());
    REQUIRE(tells_usage_only(asked.back()));
    asked.pop_back();
  }
  check_chunks(want, asked, {"~/usage"});
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (tells_usage_only(want[i])) CHECK(forbidden(differences(want[i], asked[i]), {}) == Differences());
  }
  std::erase_if(want, tells_usage_only);
  check_chunks(want, replay(false, UsagePolicy::original), {});
  check_chunks(want, replay(false, UsagePolicy::zero), k_zero_chunk);
}

TEST_CASE("golden bodies are replayed as they were") {
  std::size_t seen = 0;
  for (const Exchange& exchange : golden_exchanges()) {
    if (exchange.verdict != "stored" || is_stream(exchange)) continue;
    INFO(exchange.name);
    check_body(exchange);
    ++seen;
  }
  CHECK(seen >= 6);
}

TEST_CASE("golden streams are replayed as they were, chunk by chunk") {
  std::size_t seen = 0;
  for (const Exchange& exchange : golden_exchanges()) {
    // The closing summary of MiniMax repeats the text, so that only its end is replayed.
    if (exchange.verdict != "stored" || !is_stream(exchange) || exchange.name == "minimax_stream.sse") continue;
    INFO(exchange.name);
    check_stream(exchange);
    ++seen;
  }
  CHECK(seen >= 16);
}

// A member that says nothing is put into an object of `text` that begins somewhere behind `at`; false if none does.
bool add_nothing(Rng& rng, std::string& text, std::size_t at, int number) {
  constexpr std::array<std::string_view, 4> k_nothings{"null", "\"\"", "[]", "{}"};
  constexpr std::array<std::string_view, 3> k_places{"\"delta\":{", "\"message\":{", "\"index\":0,"};
  std::size_t place = std::string::npos;
  for (const std::string_view before : k_places) {
    const std::size_t found = text.find(before, at);
    if (found < place && rng.chance(0.7)) place = found + before.size();
  }
  if (place == std::string::npos) return false;
  std::string extra = "\"own" + std::to_string(number) + "\":";
  extra += k_nothings[rng.below(k_nothings.size())];
  if (text[place] != '}') extra += ',';
  text.insert(place, extra);
  return true;
}

TEST_CASE("members that say nothing are replayed wherever they stand") {
  const std::uint64_t seed = 2025;
  INFO("seed " << seed);
  Rng rng(seed);
  std::size_t added = 0;
  for (int round = 0; round < 10; ++round) {
    for (const Exchange& exchange : golden_exchanges()) {
      if (exchange.verdict != "stored" || exchange.name == "minimax_stream.sse") continue;
      Exchange changed = exchange;
      for (int i = 0; i < 5; ++i) added += add_nothing(rng, changed.body, rng.below(changed.body.size()), i) ? 1 : 0;
      INFO(changed.body);
      is_stream(changed) ? check_stream(changed) : check_body(changed);
    }
  }
  CHECK(added > 300);
}

Exchange body_of(std::string_view message, std::string_view choice = "", std::string_view root = "") {
  Exchange exchange;
  exchange.body = R"({"id":"a","object":"chat.completion","created":1,"model":"m")" + std::string(root) +
                  R"(,"choices":[{"index":0,"message":{)" + std::string(message) + R"(},"finish_reason":"stop")" +
                  std::string(choice) + "}]}";
  return exchange;
}

TEST_CASE("known members that say nothing, and unknown ones of calls, are kept in a body") {
  constexpr std::string_view k_call =
      R"("tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}])";
  for (
      const std::string_view message :
      {R"("role":"assistant","content":"x","refusal":null,"annotations":[],"audio":null,"function_call":null,"tool_calls":[])",
       R"("role":"assistant","content":"x","refusal":"","reasoning_content":null,"reasoning":"","tool_calls":null)",
       R"("content":"x","function_call":{},"tool_calls":{})",
       R"("content":null,"tool_calls":[{"index":0,"id":null,"type":null,"custom":null,"own":"","function":{"name":"f"}}])",
       R"("content":null,"tool_calls":[{"index":null,"function":{"name":"f","arguments":null,"own":[1],"empty":{}}}])",
       R"("content":"","function_call":{"name":"f","arguments":null,"own":true})"}) {
    INFO(message);
    check_body(body_of(message));
  }
  for (const std::string_view content : {R"("content":"",)", R"("content":null,)", ""}) {
    INFO(content);
    check_body(body_of(std::string(content) + std::string(k_call)));
  }
  const std::string body = rendered(
      chat::Endpoint::chat_completions,
      stored(chat::Endpoint::chat_completions, false, body_of(std::string(R"("content":"",)") + std::string(k_call)).body),
      {});
  CHECK(body.find(R"("content":"")") != std::string::npos);
}

TEST_CASE("members of choices and of the whole answer are kept in a body") {
  for (const std::string_view choice :
       {R"(,"logprobs":null,"stop_reason":null)", R"(,"logprobs":{})", R"(,"logprobs":{"content":null,"refusal":null})",
        R"(,"logprobs":{"content":[]},"delta":null)", R"(,"logprobs":[],"text":"","delta":{})", R"(,"text":"y")",
        R"(,"usage":{"prompt_tokens":1,"completion_tokens":2})", R"(,"usage":null)"}) {
    INFO(choice);
    const Exchange exchange = body_of(R"("role":"assistant","content":"x")", choice);
    const Answer answer = stored(exchange.endpoint, false, exchange.body);
    CHECK(forbidden(differences(exchange.body, rendered(exchange.endpoint, answer, {})), k_body) == Differences());
  }
  for (const std::string_view root :
       {R"(,"error":null,"system_fingerprint":null,"service_tier":"","own":[])",
        R"(,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":null,"x":{}})"}) {
    INFO(root);
    check_body(body_of(R"("role":"assistant","content":"x")", "", root));
  }
}

TEST_CASE("no replayed body has members that neither the provider nor a parser knows of") {
  const auto answer =
      stored(chat::Endpoint::chat_completions, false, R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]})");
  const std::string body = rendered(chat::Endpoint::chat_completions, answer, {.usage = UsagePolicy::zero});
  CHECK(body == R"({"id":"chatcmpl-000000000000000000000000","object":"chat.completion","created":1000000000,"choices":[)"
                R"({"index":0,"message":{"content":"x","role":"assistant"},"finish_reason":"stop"}],)"
                R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}})");
}

std::string chunk_of(std::string_view choice, std::string_view root = "") {
  return R"(data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,)" +
         std::string(choice) + "}]" + std::string(root) + "}\n\n";
}

TEST_CASE("chunks keep what they had and lack what they lacked") {
  for (const std::string_view choice :
       {R"("delta":{})", R"("delta":null)", R"("content_filter_offsets":{"x":1})", R"("delta":{},"finish_reason":"")",
        R"("delta":{"role":"","content":"y","refusal":null,"tool_calls":null,"audio":null},"logprobs":null)",
        R"("delta":{"role":null,"content":null,"reasoning_content":null,"reasoning":null,"function_call":null})",
        R"("delta":{"content":"y"},"text":"y")", R"("delta":{"content":"y"},"message":{"content":""},"usage":null)",
        R"("delta":{"tool_calls":[{"index":0,"id":null,"type":null,"function":{"name":"f","arguments":null}}]})"}) {
    INFO(choice);
    Exchange exchange;
    exchange.streamed = true;
    exchange.body = chunk_of(R"("delta":{"content":"x"})", R"(,"usage":{"prompt_tokens":4,"completion_tokens":0})") +
                    chunk_of(choice, R"(,"usage":null)") + chunk_of(R"("delta":{},"finish_reason":"stop")") +
                    R"(data: {"id":"a","choices":[],"service_tier":null})" + "\n\ndata: [DONE]\n\n";
    check_stream(exchange);
  }
}

TEST_CASE("a usage chunk keeps its place, its model and what else it tells") {
  Exchange exchange;
  exchange.streamed = true;
  exchange.body = chunk_of(R"("delta":{"content":"x"},"finish_reason":"stop")", R"(,"usage":null)") +
                  R"(data: {"id":"a","object":"","created":1,"model":"other","choices":[],"timings":{"ms":1},"empty":[],)"
                  R"("usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5,"prompt_tokens_details":null}})"
                  "\n\n"
                  R"(data: {"choices":[],"after":1})"
                  "\n\n";
  check_stream(exchange);
  const Answer answer = stored(exchange.endpoint, true, exchange.body);
  const std::string unasked = rendered(exchange.endpoint, answer, {.stream = true});
  CHECK(unasked.find("timings") == std::string::npos);
  const std::string zero =
      rendered(exchange.endpoint, answer, {.stream = true, .include_usage = true, .usage = UsagePolicy::zero});
  CHECK(zero.find(R"("timings":{"ms":1})") != std::string::npos);
  CHECK(zero.find(R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})") != std::string::npos);
}

TEST_CASE("usage told beside text goes to who did not ask as it was, and to who asked in a chunk of its own") {
  constexpr std::string_view k_usage = R"("usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5,"own":null})";
  const Answer answer = stored(chat::Endpoint::chat_completions, true,
                               chunk_of(R"("delta":{"content":"x"},"finish_reason":"stop")", "," + std::string(k_usage)));
  const auto count = [&](const RenderOptions& options, std::string_view what) {
    const std::string stream = rendered(chat::Endpoint::chat_completions, answer, options);
    std::size_t found = 0;
    for (std::size_t at = stream.find(what); at != std::string::npos; at = stream.find(what, at + 1)) ++found;
    return found;
  };
  constexpr std::string_view k_zero = R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})";
  CHECK(count({.stream = true}, k_usage) == 1);
  CHECK(count({.stream = true, .usage = UsagePolicy::zero}, k_usage) == 0);
  CHECK(count({.stream = true, .usage = UsagePolicy::zero}, k_zero) == 1);
  CHECK(count({.stream = true, .include_usage = true}, k_usage) == 1);
  CHECK(count({.stream = true, .include_usage = true}, R"("usage":null)") == 1);
}

TEST_CASE("what says nothing does not follow an answer into the other form") {
  const Answer body = stored(chat::Endpoint::chat_completions, false,
                             body_of(R"("content":"x","refusal":null,"annotations":[],"own":{},"audio":null)",
                                     R"(,"logprobs":null,"delta":{"content":"y"},"text":"z")", R"(,"service_tier":null)")
                                 .body);
  const std::string stream = rendered(chat::Endpoint::chat_completions, body, {.stream = true});
  for (const std::string_view gone :
       {"refusal", "annotations", "own", "audio", "logprobs", "service_tier", "text", "\"y\""}) {
    INFO(gone);
    CHECK(stream.find(gone) == std::string::npos);
  }
  const Answer streamed = stored(
      chat::Endpoint::chat_completions, true,
      chunk_of(R"("delta":{"content":"x","refusal":"","own":[],"tool_calls":null},"text":"x","finish_reason":"stop")"));
  const std::string whole = rendered(chat::Endpoint::chat_completions, streamed, {.usage = UsagePolicy::zero});
  for (const std::string_view gone : {"refusal", "own", "tool_calls", "text", "delta"}) {
    INFO(gone);
    CHECK(whole.find(gone) == std::string::npos);
  }
}

}  // namespace
}  // namespace outrigger::providers
