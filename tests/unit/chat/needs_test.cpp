#include "chat/needs.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

Needs needs(std::string_view body, Endpoint endpoint = Endpoint::chat_completions) {
  return understand(endpoint, body, Level::safe).needs;
}
Needs needs_more(std::string_view more) { return needs(ask("x", more)); }

// A conversation in which one message stands between a question and another.
std::string with_message(std::string_view message) {
  return R"({"model":"m","messages":[{"role":"user","content":"q"},)" + std::string(message) +
         R"(,{"role":"user","content":"and then?"}]})";
}
std::string with_part(std::string_view part) {
  return with_message(R"({"role":"user","content":[{"type":"text","text":"look"},)" + std::string(part) + "]}");
}

// What is asked for, by one letter each.
std::string asked(const Needs& n) {
  std::string letters;
  if (n.tools) letters += 't';
  if (n.vision) letters += 'v';
  if (n.audio) letters += 'a';
  if (n.json_schema) letters += 'j';
  if (n.json_object) letters += 'o';
  if (n.stream) letters += 's';
  if (n.logprobs) letters += 'l';
  if (n.several_answers) letters += 'n';
  if (n.bound) letters += 'b';
  if (n.ping) letters += 'p';
  if (n.unknown) letters += 'u';
  return letters;
}

struct Row {
  std::string body;
  std::string_view wanted;
};

using Relation = TargetAbilities::Relation;

}  // namespace

TEST_CASE("what a request asks of a target, by its parameters") {
  for (
      const auto& [more, wanted] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
          {"", ""},
          {R"(,"stream":true)", "s"},
          {R"(,"stream":false)", ""},
          {R"(,"tools":[])", ""},
          {R"(,"tools":null)", ""},
          {R"(,"tools":[{"type":"function","function":{"name":"f"}}])", "t"},
          {R"(,"functions":[{"name":"f"}])", "t"},
          {R"(,"functions":[])", ""},
          {R"(,"tools":[{"type":"file_search","vector_store_ids":["v"]}])", "tb"},
          {R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"signature":{"type":"string"}}}}}])",
           "t"},
          {R"(,"response_format":{"type":"json_schema","json_schema":{}})", "j"},
          {R"(,"response_format":{"type":"json_object"})", "o"},
          {R"(,"response_format":{"type":"text"})", ""},
          {R"(,"response_format":{"type":1})", ""},
          {R"(,"response_format":"json_schema")", ""},
          {R"(,"logprobs":true)", "l"},
          {R"(,"logprobs":false)", ""},
          {R"(,"logprobs":null)", ""},
          {R"(,"top_logprobs":2)", "l"},
          {R"(,"n":1)", ""},
          {R"(,"n":2)", "n"},
          {R"(,"best_of":3)", "n"},
          {R"(,"modalities":["text"])", ""},
          {R"(,"modalities":["text","audio"])", "a"},
          {R"(,"audio":{"voice":"v"})", "a"},
          {R"(,"previous_response_id":"resp_1")", "b"},
          {R"(,"previous_response_id":null)", ""},
          {R"(,"conversation":{"id":"c"})", "b"},
          {R"(,"background":false)", ""},
          {R"(,"include":["reasoning.encrypted_content"])", ""},
      }) {
    INFO(more);
    CHECK(asked(needs_more(more)) == wanted);
  }
}

TEST_CASE("what a request asks of a target, by its messages") {
  for (
      const Row& row : {
          Row{with_message(R"({"role":"assistant","content":"a"})"), ""},
          {with_message(
               R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]})"),
           "t"},
          {with_message(R"({"role":"assistant","content":"a","tool_calls":[]})"), ""},
          {with_message(R"({"role":"tool","content":"r","tool_call_id":"c"})"), "t"},
          {with_message(R"({"role":"function","name":"f","content":"r"})"), "t"},
          // pictures, sound, files
          {with_part(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}})"), "v"},
          {with_part(R"({"type":"image_url","image_url":{"url":"https://h/a.png"}})"), "v"},
          {with_part(R"({"type":"video_url","video_url":{"url":"https://h/a.mp4"}})"), "v"},
          {with_part(R"({"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}})"), "a"},
          {with_part(R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}})"), "v"},
          {with_part(R"({"type":"file","file":{"file_id":"file-1"}})"), "vb"},
          {with_part(R"({"type":"file","file":{"file_id":""}})"), "v"},
          {with_part(R"({"type":"video_url","video_url":{"url":"ms://f"}})"), "vb"},
          {with_part(R"({"type":"image_url","image_url":{"url":" oss://b/o"}})"), "vb"},
          {with_part(R"({"type":"text","text":"file_id"})"), ""},
          {with_message(R"({"role":"system","content":"fileid://file-fe-1"})"), "b"},
          {with_message(R"({"role":"system","content":"see fileid://file-fe-1"})"), ""},
          // what an answer has left behind
          {with_message(R"({"role":"assistant","content":"a","reasoning_content":"because"})"), "b"},
          {with_message(R"({"role":"assistant","content":"a","reasoning_content":""})"), ""},
          {with_message(R"({"role":"assistant","content":"a","reasoning_content":null})"), ""},
          {with_message(
               R"({"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]})"),
           "b"},
          {with_message(R"({"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking","signature":"x"}]})"),
           "b"},
          {with_message(
               R"({"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"x"},{"type":"text","text":"a"}]})"),
           "b"},
          {with_message(R"({"role":"assistant","content":[{"type":"redacted_thinking","data":"x"}]})"), "b"},
          {with_message(R"({"role":"assistant","content":"a","items":[{"deep":{"encrypted_content":"x"}}]})"), "b"},
          {with_message(R"({"role":"assistant","content":"a","items":[{"deep":{"encrypted_content":null}}]})"), ""},
          {with_message(R"({"role":"assistant","content":"a","audio":{"id":"audio_1"}})"), "b"},
          {with_message(
               R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"x"}}}]})"),
           "tb"},
          {with_message(
               R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"signature\":\"x\"}"}}]})"),
           "t"},
          {with_message(R"({"role":"user","content":"what is a signature?"})"), ""},
      }) {
    INFO(row.body);
    CHECK(asked(needs(row.body)) == row.wanted);
  }
}

TEST_CASE("the output asked for is the largest that is named") {
  const auto most = [](std::string_view more) { return needs_more(more).max_output; };
  CHECK(most("") == std::nullopt);
  CHECK(most(R"(,"max_tokens":null)") == std::nullopt);
  CHECK(most(R"(,"max_tokens":"9")") == std::nullopt);
  CHECK(most(R"(,"max_tokens":-1)") == std::nullopt);
  CHECK(most(R"(,"max_tokens":0)") == 0);
  CHECK(most(R"(,"max_tokens":512)") == 512);
  CHECK(most(R"(,"max_tokens":5.12e2)") == 512);
  CHECK(most(R"(,"max_completion_tokens":7)") == 7);
  CHECK(most(R"(,"max_output_tokens":8)") == 8);
  CHECK(most(R"(,"max_tokens":9,"max_completion_tokens":7)") == 9);
  CHECK(most(R"(,"max_tokens":1e400)") == 9'000'000'000'000'000);
}

TEST_CASE("a credential check is a ping for a target as it is for the cache") {
  CHECK(needs(ask("ping", R"(,"max_tokens":20)")).ping);
  CHECK_FALSE(needs(ask("ping", R"(,"max_tokens":21)")).ping);
  CHECK_FALSE(needs(ask("ping")).ping);
  CHECK_FALSE(needs(ask("pong", R"(,"max_tokens":5)")).ping);
  CHECK(needs(R"({"model":"m","input":["ping"]})", Endpoint::embeddings).ping);
  CHECK(needs(R"({"model":"m","prompt":"ping","max_tokens":5})", Endpoint::completions).ping);
  // Though another reason is named first.
  CHECK(needs(ask("ping", R"(,"max_tokens":5,"stream":true,"n":2)")).ping);
}

TEST_CASE("a prompt is measured as it stands, of embeddings the longest element") {
  const Request request = understand(Endpoint::chat_completions, ask("hello there"), Level::safe);
  CHECK(request.needs.prompt_tokens == request.prompt_tokens);
  CHECK(request.needs.prompt_tokens > 0);
  const Request many =
      understand(Endpoint::embeddings, R"({"model":"m","input":["a","twelve letters and more","bb"]})", Level::safe);
  CHECK(many.needs.prompt_tokens == many.inputs[1].tokens);
  CHECK(many.needs.prompt_tokens < many.prompt_tokens);
}

TEST_CASE("of what is not understood it is known that it is not") {
  CHECK(asked(needs("{")) == "u");
  CHECK(asked(needs(ask("x"), Endpoint::other)) == "u");
  CHECK(asked(Request{}.needs) == "u");
  const Needs shape = needs(R"({"model":"m","messages":3,"stream":true,"metadata":{"user_id":"u"}})");
  CHECK(asked(shape) == "su");
  CHECK(shape.user == user_hash("u"));
}

TEST_CASE("a user has one hash under every name, and nobody has 0") {
  CHECK(user_hash("") == 0);
  CHECK(user_hash("u") == 0xb2f7a30e142a0568ULL);  // the same in every replica and version
  CHECK(needs_more("").user == 0);
  for (const std::string_view more : {R"(,"user":"u")", R"(,"user_id":"u")", R"(,"safety_identifier":"u")",
                                      R"(,"metadata":{"user_id":"u"})", R"(,"user":"u","user_id":"v")"}) {
    INFO(more);
    CHECK(needs_more(more).user == user_hash("u"));
  }
  CHECK(same(ask("x", R"(,"user":"u")"), ask("x", R"(,"user":"v")")));  // no part of the key all the same
  std::set<std::uint64_t> low_bits;
  std::set<std::uint64_t> all;
  for (int i = 0; i < 1000; ++i) {
    all.insert(user_hash("user-" + std::to_string(i)));
    low_bits.insert(user_hash("user-" + std::to_string(i)) % 16);
  }
  CHECK(all.size() == 1000);
  CHECK(low_bits.size() == 16);
}

TEST_CASE("a target that can do all is fit, and each thing that it cannot is a reason of its own") {
  using enum UnfitReason;
  CHECK(unfit({}, {}) == std::nullopt);
  CHECK(unfit({.tools = true, .vision = true, .audio = true, .json_schema = true, .stream = true}, {}) == std::nullopt);
  CHECK(unfit({.tools = true}, {.tools = false}) == tools);
  CHECK(unfit({.vision = true}, {.vision = false}) == vision);
  CHECK(unfit({.audio = true}, {.audio = false}) == audio);
  CHECK(unfit({.json_schema = true}, {.json_schema = false}) == json_schema);
  CHECK(unfit({.json_object = true}, {.json_schema = false}) == std::nullopt);
  CHECK(unfit({.stream = true}, {.stream = false}) == stream);
  CHECK(unfit({}, {.tools = false, .vision = false, .json_schema = false, .stream = false, .audio = false}) == std::nullopt);
}

TEST_CASE("a ping stays where it is, what is bound stays with its provider") {
  using enum UnfitReason;
  const TargetAbilities first{.relation = Relation::first};
  const TargetAbilities same{.relation = Relation::same_provider};
  CHECK(unfit({.ping = true}, {}) == ping);
  CHECK(unfit({.ping = true}, same) == ping);
  CHECK(unfit({.ping = true}, first) == std::nullopt);
  CHECK(unfit({.bound = true}, {}) == bound);
  CHECK(unfit({.bound = true}, same) == std::nullopt);
  CHECK(unfit({.bound = true}, first) == std::nullopt);
  CHECK(unfit({.unknown = true}, {}) == not_understood);
  CHECK(unfit({.unknown = true}, same) == std::nullopt);
}

TEST_CASE("a context is too short when the estimate and a tenth, and the output, do not fit") {
  using enum UnfitReason;
  const auto at = [](std::uint64_t context, const Needs& n, std::optional<std::uint64_t> most = std::nullopt) {
    return unfit(n, {.context = context, .max_output = most});
  };
  CHECK(at(1100, {.prompt_tokens = 1000}) == std::nullopt);
  CHECK(at(1099, {.prompt_tokens = 1000}) == context_length);
  CHECK(at(1600, {.prompt_tokens = 1000, .max_output = 500}) == std::nullopt);
  CHECK(at(1599, {.prompt_tokens = 1000, .max_output = 500}) == context_length);
  CHECK(at(1200, {.prompt_tokens = 1000, .max_output = 500}, 100) == std::nullopt);  // it is cut down to 100
  CHECK(at(1199, {.prompt_tokens = 1000, .max_output = 500}, 100) == context_length);
  CHECK(at(0, {}) == std::nullopt);
  CHECK(at(1u << 20, {.prompt_tokens = ~std::uint64_t{0}, .max_output = ~std::uint64_t{0}}) == context_length);
  CHECK(unfit({.prompt_tokens = ~std::uint64_t{0}}, {}) == std::nullopt);
}

TEST_CASE("every reason against a target has a name of its own") {
  std::set<std::string_view> names;
  for (unsigned char i = 0; i <= static_cast<unsigned char>(UnfitReason::stream); ++i)
    names.insert(name(static_cast<UnfitReason>(i)));
  CHECK(names.size() == 9);
  CHECK(name(UnfitReason::context_length) == "context_length");
  CHECK(name(UnfitReason::ping) == "ping");
}
