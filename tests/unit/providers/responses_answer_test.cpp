// Answers of the responses dialect: what is stored, what is not, and how a stored one is told again.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "providers/json_doc.h"
#include "providers/openai/dialects.h"
#include "providers/sealed.h"
#include "responses_support.h"
#include "slow.h"

namespace outrigger::providers::responses {
namespace {

constexpr auto k_here = chat::Endpoint::responses;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

void check_told(const ToldHere& told, const Golden& golden) {
  CHECK(told.failure == "");
  CHECK(told.text == golden.text);
  CHECK(told.reasoning == golden.reasoning);
  CHECK(told.calls == golden.calls);
  CHECK(told.status == "completed");
}

TEST_CASE("responses: golden exchanges get the verdict, the events and the usage that stand beside them") {
  REQUIRE(goldens().size() > 35);
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    const auto reader = read_whole(k_here, golden.streamed, golden.body);
    const auto answer = reader->finish();
    CHECK(verdict_of(answer) == golden.verdict);
    CHECK(reader->saw_error() == (golden.verdict == "error_in_answer"));
    CHECK(letters(reader->events()) == golden.events);
    REQUIRE(reader->usage().has_value() == golden.usage.has_value());
    if (golden.usage) {
      CHECK(reader->usage()->prompt_tokens == (*golden.usage)[0]);
      CHECK(reader->usage()->completion_tokens == (*golden.usage)[1]);
    }
    if (!answer) continue;
    CHECK(answer->model == golden.model);
    CHECK(answer->estimated_completion_tokens > 0);
  }
}

TEST_CASE("responses: what is stored tells the same in either form") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored") continue;
    INFO(golden.name);
    const Answer answer = stored(k_here, golden.streamed, golden.body);
    const std::string body = rendered(k_here, answer, {});
    INFO(body);
    const ToldHere whole = told_by_object(body);
    check_told(whole, golden);
    CHECK(whole.model == golden.model);
    if (golden.usage)
      CHECK(whole.usage == std::array{(*golden.usage)[0], (*golden.usage)[1], (*golden.usage)[0] + (*golden.usage)[1]});
    const std::string stream = rendered(k_here, answer, {.stream = true});
    INFO(stream);
    const ToldHere streamed = told_by_stream(stream);
    if (golden.name != "no_deltas.sse") check_told(streamed, golden);
    CHECK(streamed.usage == whole.usage);
    CHECK(streamed.id == whole.id);
  }
}

TEST_CASE("responses: a replayed stream is the original but for id, times, padding and who asked") {
  for (const Golden& golden : goldens()) {
    // What those lack is mended.
    if (golden.name == "relay_empty_output.sse") continue;
    if (golden.verdict != "stored" || !golden.streamed || golden.body.starts_with('{') || golden.name == "relay_done.sse")
      continue;
    INFO(golden.name);
    const std::string stream = rendered(k_here, stored(k_here, true, golden.body), {.stream = true});
    std::string original = replaced(golden.body, "\r\n", "\n");
    for (const std::string_view padding : {"x", "x9", "x9K", "x9Kd"}) {
      original = replaced(original, ",\"obfuscation\":\"" + std::string(padding) + "\"", "");
    }
    original = replaced(original, "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "resp_000000000000000000000000");
    original = replaced(original, "1741476542", "1000000000");
    original = replaced(original, "\"4f1e9a\"", "null");
    CHECK(stream == replaced(original, "\xe2\x80\xa8", "\\u2028"));
  }
}

TEST_CASE("responses: a relay without event lines and numbers is replayed with both") {
  const std::string stream = rendered(k_here, stored(k_here, true, golden("relay_done.sse").body), {.stream = true});
  CHECK(told_by_stream(stream).failure == "");
  CHECK(stream.starts_with("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_0"));
  CHECK(stream.find("[DONE]") == stream.npos);
  CHECK(stream.find("gen-1741476542") == stream.npos);
}

TEST_CASE("responses: a blocking answer is rendered as it was but for id, times and who asked") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored" || golden.streamed || !golden.usage) continue;
    INFO(golden.name);
    const std::string body = rendered(k_here, stored(k_here, false, golden.body), {});
    auto found = differences(golden.body, body);
    std::erase(found, "~/completed_at");
    CHECK(found == std::vector<std::string>{"~/id", "~/created_at", "~/prompt_cache_key", "~/safety_identifier"});
  }
}

TEST_CASE("responses: a blocking answer streams in natural pieces") {
  const Golden& golden = responses::golden("text.json");
  const ToldHere told = told_by_stream(rendered(k_here, stored(k_here, false, golden.body), {.stream = true}));
  CHECK(told.failure == "");
  REQUIRE(told.pieces.size() == 8);
  INFO(told.pieces[2] << "|" << told.pieces[3] << "|" << told.pieces[4] << "|" << told.pieces[5]);
  CHECK(told.pieces[0] == "In a peaceful grove beneath a silver moon, a unicorn named ");
  CHECK(told.pieces[1] == "Lumina discovered a hidden pool. ");
  const std::vector<std::string> first{"response.created", "response.in_progress", "response.output_item.added",
                                       "response.content_part.added", "response.output_text.delta"};
  CHECK(std::vector(told.types.begin(), told.types.begin() + 5) == first);
  const std::vector<std::string> last{"response.output_text.done", "response.content_part.done", "response.output_item.done",
                                      "response.completed"};
  CHECK(std::vector(told.types.end() - 4, told.types.end()) == last);
}

TEST_CASE("responses: what is rendered can be read and stored again, and renders the same") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored") continue;
    INFO(golden.name);
    const Answer first = stored(k_here, golden.streamed, golden.body);
    for (const bool stream : {false, true}) {
      const std::string once = rendered(k_here, first, {.stream = stream});
      const Answer again = stored(k_here, stream, once);
      CHECK(rendered(k_here, again, {.stream = stream}) == once);
      CHECK(rendered(k_here, again, {}) == rendered(k_here, first, {}));
      CHECK(again.estimated_completion_tokens == first.estimated_completion_tokens);
    }
  }
}

TEST_CASE("responses: id and time are fresh at every place where they stand") {
  for (const bool stream : {false, true}) {
    const Answer answer = stored(k_here, false, golden("text.json").body);
    const auto out = render(k_here, answer.encoded.view(), {.stream = stream});
    REQUIRE(out);
    CHECK(out->ids.size() == (stream ? 3U : 1U));
    CHECK(out->createds.size() == (stream ? 4U : 2U));  // completed_at is not there yet when it begins
    const std::string text(personalise(*out, UINT64_MAX / 3, UINT64_MAX / 5, 1'755'780'090).view());
    CHECK(text.find("resp_0000") == text.npos);
    CHECK(text.find("1000000000") == text.npos);
    CHECK(text.find("\"created_at\":1755780090") != text.npos);
    CHECK(text.find("\"completed_at\":1755780090") != text.npos);
    const ToldHere told = stream ? told_by_stream(text) : told_by_object(text);
    CHECK(told.failure == "");
    CHECK(told.id.size() == 5 + k_id_size);
  }
}

TEST_CASE("responses: the usage shown is the original, zero, or an estimate") {
  using Counts = std::array<std::uint64_t, 3>;
  for (const bool stream : {false, true}) {
    const auto told = [&](std::string_view name, const RenderOptions& options) {
      const Golden& from = golden(name);
      const std::string text = rendered(k_here, stored(k_here, from.streamed, from.body), options);
      const ToldHere here = options.stream ? told_by_stream(text) : told_by_object(text);
      CHECK(here.failure == "");
      return here.usage.value();
    };
    CHECK(told("text.sse", {.stream = stream}) == Counts{37, 11, 48});
    CHECK(told("text.sse", {.stream = stream, .usage = UsagePolicy::zero}) == Counts{0, 0, 0});
    CHECK(told("no_usage.json", {.stream = stream, .prompt_tokens_estimate = 7}) == Counts{7, 1, 8});
    CHECK(told("no_usage.json", {.stream = stream, .usage = UsagePolicy::zero, .prompt_tokens_estimate = 7}) ==
          Counts{0, 0, 0});
  }
}

TEST_CASE("responses: what an answer repeats of who asked is told to nobody else") {
  const std::string body = replaced(replaced(golden("text.json").body, "\"user\": null", "\"user\": \"anna\""),
                                    "\"metadata\": {}", "\"metadata\": {\"dify_app_id\": \"anna\"}");
  REQUIRE(body.find("anna") != body.npos);
  for (const bool stream : {false, true}) {
    const std::string text = rendered(k_here, stored(k_here, false, body), {.stream = stream});
    CHECK(text.find("anna") == text.npos);
    CHECK(text.find("4f1e9a") == text.npos);
  }
}

TEST_CASE("responses: any split of a body gives the same events and the same answer") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    const auto whole = read_whole(k_here, golden.streamed, golden.body);
    const auto answer = whole->finish();
    const auto compare = [&](AnswerReader& reader) {
      const auto other = reader.finish();
      REQUIRE(verdict_of(other) == verdict_of(answer));
      REQUIRE(letters(reader.events()) == letters(whole->events()));
      const auto same_end = [](const Event& a, const Event& b) { return a.end == b.end; };
      REQUIRE(std::ranges::equal(reader.events(), whole->events(), same_end));
      if (answer) REQUIRE(other->encoded.view() == answer->encoded.view());
    };
    for (std::size_t cut = 1; cut < golden.body.size(); cut += k_is_slow ? 3 : 1) {
      INFO("cut after " << cut);
      const auto reader = make_answer_reader(k_here, golden.streamed);
      reader->feed(std::string_view(golden.body).substr(0, cut));
      reader->feed(std::string_view(golden.body).substr(cut));
      compare(*reader);
    }
    for (const std::size_t size : {1, 2, 7, 100}) compare(*read_whole(k_here, golden.streamed, golden.body, size));
  }
}

TEST_CASE("responses: a body cut anywhere is stored only if nothing of the answer is missing") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    // Every byte where the end is near; before that, all the same is missing.
    constexpr std::size_t k_near = 1500;
    for (std::size_t size = 0; size < golden.body.size(); size += size + k_near < golden.body.size() ? 11 : 1) {
      INFO("cut after " << size << " of " << golden.body.size());
      const auto answer = read_whole(k_here, golden.streamed, std::string_view(golden.body).substr(0, size))->finish();
      if (!answer) continue;
      REQUIRE(golden.verdict == "stored");
      check_told(told_by_object(rendered(k_here, *answer, {})), golden);
    }
  }
}

TEST_CASE("responses: half a character, JSON without an end and no object are relayed and not stored") {
  const std::string good = golden("text.sse").body;
  struct Row {
    std::string_view what;
    std::string body;
  };
  for (const Row& row : {
           Row{"half a character", replaced(good, "\"delta\":\"日本語\"", "\"delta\":\"\xe6\x97\"")},
           Row{"no end", replaced(good, "\"delta\":\"?\\n\"", "\"delta\":\"?\\n")},
           Row{"a list", "data: [1]\n\n" + good},
           Row{"no type", "data: {}\n\n" + good},
           Row{"a type of two lines", "data: {\"type\":\"a\\nb\"}\n\n" + good},
           Row{"an output_index that is none", replaced(good, "\"output_index\":0", "\"output_index\":-1")},
           Row{"a huge output_index", replaced(good, "\"output_index\":0", "\"output_index\":99999999999")},
           Row{"too deep", "data: {\"type\":\"x\",\"a\":" + std::string(100, '[') + std::string(100, ']') + "}\n\n" + good},
           Row{"no id", replaced(good, "\"id\":\"resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b\"", "\"id\":null")},
       }) {
    INFO(row.what);
    REQUIRE(row.body != good);
    const auto reader = read_whole(k_here, true, row.body);
    CHECK(verdict_of(reader->finish()) == "not_understood");
    CHECK(letters(reader->events()).ends_with('d'));
    CHECK(reader->usage().has_value());
  }
}

TEST_CASE("responses: rubbish, another version and another endpoint's answer render as nothing") {
  const Answer answer = stored(k_here, true, golden("text.sse").body);
  const std::string good(answer.encoded.view());
  CHECK(!render(k_here, "", {}));
  CHECK(!render(k_here, "ORR\x02" + good.substr(4), {}));
  CHECK(!render(chat::Endpoint::chat_completions, good, {}));
  const auto chat = openai::chat_dialect().fixed_answer("m", "text");
  REQUIRE(chat);
  CHECK(!render(k_here, chat->encoded.view(), {}));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(!render(k_here, std::string_view(good).substr(0, size), {}));
  for (std::size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    CHECK(!render(k_here, bad, {.stream = true}));
  }
  // Behind a right checksum: whatever comes out, nothing breaks, and what is cut short is not taken for whole.
  const std::string contents(unseal("ORR\x01", good).value());
  for (std::size_t size = 0; size < contents.size(); ++size) {
    const Bytes cut = seal("ORR\x01", std::string_view(contents).substr(0, size));
    const auto out = render(k_here, cut.view(), {.stream = true});
    if (out) CHECK(out->text.size() < good.size() * 3);
  }
}

TEST_CASE("responses: a fixed answer says its words in either form") {
  const auto answer = fixed_answer(k_here, "gpt-5", "Closed for \"today\".");
  REQUIRE(answer);
  CHECK(answer->model == "gpt-5");
  CHECK(!answer->usage);
  const ToldHere whole = told_by_object(rendered(k_here, *answer, {}));
  CHECK(whole.failure == "");
  CHECK(whole.text == "Closed for \"today\".");
  const ToldHere streamed = told_by_stream(rendered(k_here, *answer, {.stream = true}));
  CHECK(streamed.failure == "");
  CHECK(streamed.text == whole.text);
}

TEST_CASE("responses: an error of our own is OpenAI's as a body and an `error` event in a stream") {
  const Dialect& dialect = *dialect_of(k_here);
  const ErrorSaid error{
      .status = 429, .type = "rate_limit_error", .code = "rate_limit_exceeded", .message = "Slow \"down\"."};
  CHECK(dialect.error_body(error) ==
        R"({"error":{"message":"Slow \"down\".","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}})");
  const std::string event = dialect.error_event(error, 5);
  CHECK(event ==
        "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"Slow \\\"down\\\".\","
        "\"param\":null,\"sequence_number\":5}\n\n");
  const auto reader = read_whole(k_here, true, event);
  CHECK(letters(reader->events()) == "e");
  CHECK(verdict_of(reader->finish()) == "error_in_answer");
}

}  // namespace
}  // namespace outrigger::providers::responses
