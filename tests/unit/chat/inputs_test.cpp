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
  for (const std::string_view input : {"null", "1", "true", "{}", "[]", "[[]]", "[null]", "[1.5]", "[-1]", R"(["a",1])",
                                       R"([1,"a"])", R"([["a"]])", R"([{"text":"a"}])", "[[1],[]]"}) {
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
