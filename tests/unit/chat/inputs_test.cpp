#include <catch2/catch_test_macros.hpp>

#include "chat/json_spans.h"
#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

std::string body(std::string_view input, std::string_view more = "") {
  return R"({"model":"m","input":)" + std::string(input) + std::string(more) + "}";
}
Request embed(std::string_view input, std::string_view more = "", Level level = Level::safe) {
  return understand(Endpoint::embeddings, body(input, more), level);
}
std::string only(std::string_view input, std::string_view more = "") {
  const Request request = embed(input, more);
  REQUIRE(request.inputs.size() == 1);
  return request.inputs[0].canonical;
}

}  // namespace

TEST_CASE("an element's form does not depend on what it was sent with") {
  const std::string a = only(R"("a")");
  CHECK(only(R"(["a"])") == a);
  CHECK(only(R"(["\u0061"])") == a);
  CHECK(only(R"("a")", R"(,"user":"u")") == a);
  CHECK(embed(R"("a")").canonical == a);
  CHECK(embed(R"(["a"])").canonical == a);
  const Request three = embed(R"(["b","a","c"])");
  REQUIRE(three.inputs.size() == 3);
  CHECK(three.inputs[1].canonical == a);
  CHECK(three.inputs[0].canonical == only(R"("b")"));
  CHECK(three.canonical != a);
  CHECK(three.canonical != embed(R"(["a","b","c"])").canonical);
  CHECK(three.canonical != embed(R"(["b","ac"])").canonical);
}

TEST_CASE("token lists are elements too") {
  const std::string tokens = only("[1,2,3]");
  CHECK(only("[[1,2,3]]") == tokens);
  const Request two = embed("[[1,2,3],[4]]");
  REQUIRE(two.inputs.size() == 2);
  CHECK(two.inputs[0].canonical == tokens);
  CHECK(two.inputs[1].canonical == only("[4]"));
  CHECK(two.inputs[0].tokens == 3);
  CHECK(two.prompt_tokens == 4);
  CHECK(only("[12]") != only("[1,2]"));
  CHECK(only("[1]") != only("\"1\""));
}

TEST_CASE("model, dimensions, encoding and unknown members are in an element's form") {
  const std::string plain = only(R"("a")");
  CHECK(only(R"("a")", R"(,"dimensions":256)") != plain);
  CHECK(only(R"("a")", R"(,"dimensions":256)") == only(R"("a")", R"(,"dimensions":256.0)"));
  CHECK(only(R"("a")", R"(,"dimensions":256)") != only(R"("a")", R"(,"dimensions":512)"));
  CHECK(only(R"("a")", R"(,"encoding_format":"base64")") != plain);
  CHECK(only(R"("a")", R"(,"encoding_format":"base64")") != only(R"("a")", R"(,"encoding_format":"float")"));
  CHECK(only(R"("a")", R"(,"input_type":"query")") != only(R"("a")", R"(,"input_type":"passage")"));
  CHECK(understand(Endpoint::embeddings, R"({"model":"n","input":"a"})", Level::safe).canonical != plain);
}

TEST_CASE("embeddings are folded no further than safe") {
  for (const Level level : {Level::safe, Level::faq, Level::faq_plus, Level::synonyms}) {
    CHECK(embed(R"("How?")", "", level).canonical != embed(R"("how")", "", level).canonical);
    CHECK(embed(R"("a  b ")", "", level).canonical == embed(R"("a b")", "", level).canonical);
  }
  CHECK(embed(R"("a  b")", "", Level::exact).canonical != embed(R"("a b")", "", Level::exact).canonical);
}

TEST_CASE("shapes of input that are not known are named") {
  for (const std::string_view input :
       {"null", "1", "true", "{}", "[]", "[[]]", "[null]", "[1.5]", "[-1]", R"(["a",1])", R"([1,"a"])", R"([["a"]])",
        R"([{}])", R"(["a",{}])", R"([{"text":"a"},1])", "[[1],[]]"}) {
    INFO(input);
    CHECK(reason(body(input), Endpoint::embeddings) == "not_understood");
    CHECK(embed(input).inputs.empty());
  }
  CHECK(reason(R"({"model":"m"})", Endpoint::embeddings) == "not_understood");
  CHECK(reason(R"({"input":"a"})", Endpoint::embeddings) == "not_understood");
}

TEST_CASE("a credential check by embeddings is a ping") {
  CHECK(reason(body(R"("ping")"), Endpoint::embeddings) == "ping");
  CHECK(reason(body(R"(["ping"])"), Endpoint::embeddings) == "ping");
  CHECK(reason(body(R"(["ping","pong"])"), Endpoint::embeddings) == "");
  CHECK(reason(body(R"("Ping")"), Endpoint::embeddings) == "");
}

TEST_CASE("what a body is cut into is bounded") {
  const auto list = [](std::size_t count) {
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "\"a\"" : ",\"a\"";
    return text + "]";
  };
  CHECK(embed(list(4096)).inputs.size() == 4096);
  CHECK(reason(body(list(4097)), Endpoint::embeddings) == "not_understood");
  const std::string long_member = R"(,"x":")" + std::string(16 * 1024, 'x') + "\"";
  CHECK(reason(body("\"a\"", long_member), Endpoint::embeddings) == "not_understood");
  const std::string shorter = R"(,"x":")" + std::string(15 * 1024, 'x') + "\"";
  CHECK(reason(body("\"a\"", shorter), Endpoint::embeddings) == "");
}

TEST_CASE("an element keeps the text in which it was sent") {
  const Request request =
      understand(Endpoint::embeddings, R"( { "input" : [ "a\u0062" , "]\"," ,"" ] ,"model":"m"} )", Level::safe);
  REQUIRE(request.inputs.size() == 3);
  CHECK(request.inputs[0].json == R"("a\u0062")");
  CHECK(request.inputs[1].json == R"("]\",")");
  CHECK(request.inputs[2].json == "\"\"");
  CHECK(embed("[[1, 2],[3]]").inputs[0].json == "[1, 2]");
  CHECK(embed("[1, 2]").inputs[0].json == "[1, 2]");
  CHECK(embed(R"("a")").inputs[0].json == R"("a")");
}

TEST_CASE("a smaller request changes nothing but its input") {
  const std::string before = R"( {"x":{"input":[9]}, "input" : [ "a", "b\"]" , "c" ] , "model":"m","n":1.0 })";
  CHECK(with_inputs(before, {1}) == R"( {"x":{"input":[9]}, "input" : ["b\"]"] , "model":"m","n":1.0 })");
  CHECK(with_inputs(before, {2, 0}) == R"( {"x":{"input":[9]}, "input" : ["c","a"] , "model":"m","n":1.0 })");
  CHECK(with_inputs(R"({"input":"a","model":"m"})", {0}) == R"({"input":["a"],"model":"m"})");
  CHECK(with_inputs(R"({"model":"m","input":[1,2]})", {0}) == R"({"model":"m","input":[[1,2]]})");
  CHECK(with_inputs(R"({"model":"m","\u0069nput":[[1],[2]]})", {1}) == R"({"model":"m","\u0069nput":[[2]]})");
  const Request all = understand(Endpoint::embeddings, before, Level::safe);
  const Request some = understand(Endpoint::embeddings, with_inputs(before, {2, 0}), Level::safe);
  REQUIRE(some.inputs.size() == 2);
  CHECK(some.inputs[0].canonical == all.inputs[2].canonical);
  CHECK(some.inputs[1].canonical == all.inputs[0].canonical);
}

TEST_CASE("looking for input in a text that is not JSON finds nothing and ends") {
  for (const std::string_view text : {"", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"input\":", "[", "]", "{\"input\"}",
                                      "{]:[", "{\"a\":\"\\", "{,:,:", "{\"input\":[,,,", "{\"input\":]"}) {
    INFO(text);
    (void)find_input(text);
    CHECK(find_input(text).elements.size() <= 1);
  }
}

TEST_CASE("what must not be cut into elements stays whole, and its answers are those of embed") {
  struct Whole {
    std::string_view input;
    std::string_view more = "";
  };
  for (const Whole& row : {
           Whole{R"([{"text":"a"}])"},
           Whole{R"({"text":"a"})"},
           Whole{R"(["a",{"image":"iVBORw0KGgo="}])"},
           Whole{R"(["a","b"])", R"(,"late_chunking":true)"},
           Whole{R"("a")", R"(,"late_chunking":true)"},
           Whole{R"(["a"])", R"(,"return_multivector":true)"},
           Whole{R"(["a"])", R"(,"embedding_type":["float","binary"])"},
       }) {
    INFO(row.input << row.more);
    const Request request = embed(row.input, row.more);
    CHECK_FALSE(request.bypass);
    CHECK(request.inputs.empty());
    CHECK(request.endpoint == Endpoint::embed);
    CHECK_FALSE(request.canonical.empty());
    CHECK_FALSE(request.needs.unknown);
  }
  for (const std::string_view more :
       {R"(,"late_chunking":false)", R"(,"late_chunking":null)", R"(,"embedding_type":"base64")",
        R"(,"task":"text-matching","normalized":true,"truncate":true)"}) {
    INFO(more);
    CHECK(embed(R"(["a","b"])", more).inputs.size() == 2);
    CHECK(embed(R"(["a","b"])", more).endpoint == Endpoint::embeddings);
  }
}

TEST_CASE("whole inputs part ways where their answers may") {
  const auto whole = [](std::string_view input, std::string_view more = "") { return embed(input, more).canonical; };
  CHECK(whole(R"([{"text":"a"}])") != whole(R"([{"text":"b"}])"));
  CHECK(whole(R"([{"text":"a"}])") != whole(R"([{"image":"a"}])"));
  CHECK(whole(R"([{"text":"a"},{"text":"b"}])") != whole(R"([{"text":"b"},{"text":"a"}])"));
  CHECK(whole(R"([{"text":"a"}])") != whole(R"(["a"])"));
  CHECK(whole(R"(["a","b"])", R"(,"late_chunking":true)") != whole(R"(["a","b"])"));
  CHECK(whole(R"(["a","b"])", R"(,"late_chunking":true)") != whole(R"(["a"])", R"(,"late_chunking":true)"));
  CHECK(whole(R"([{"text":"a","x":1}])") == whole(R"([{"x":1,"text":"a"}])"));
}

TEST_CASE("pictures among inputs are looked at, texts that name a place are not") {
  const auto why = [](std::string_view input) { return reason(body(input), Endpoint::embeddings); };
  CHECK(why(R"([{"image":"https://h/a.png"}])") == "mutable_url");
  CHECK(why(R"([{"url":"https://h/a.png"}])") == "mutable_url");
  CHECK(why(R"([{"content":[{"type":"image_url","image_url":{"url":"https://h/a.png"}}]}])") == "mutable_url");
  CHECK(why(R"([{"image":"data:image/png;base64,AAAA"}])") == "");
  CHECK(why(R"([{"text":"https://h/a.png"}])") == "");
  CHECK(why(R"([{"title":"t","url":"https://h/a.html"}])") == "");
  CHECK(embed(R"([{"image":"AAAA"}])").needs.vision);
  CHECK_FALSE(embed(R"([{"text":"image"}])").needs.vision);
  CHECK_FALSE(embed(R"([{"text":"a","image":null,"bytes":12}])").needs.vision);
}

TEST_CASE("the longest whole input is what a context must hold, unless they share one") {
  const std::string inputs = R"([{"text":"one two three four"},{"text":"one two three four five six seven eight"}])";
  const Request apart = embed(inputs);
  const Request together = embed(inputs, R"(,"late_chunking":true)");
  CHECK(apart.prompt_tokens == together.prompt_tokens);
  CHECK(apart.needs.prompt_tokens < apart.prompt_tokens);
  CHECK(apart.needs.prompt_tokens > apart.prompt_tokens / 2);
  CHECK(together.needs.prompt_tokens == together.prompt_tokens);
}
