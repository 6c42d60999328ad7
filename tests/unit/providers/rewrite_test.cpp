#include "providers/openai/rewrite.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>

#include "providers/json_doc.h"
#include "unit/chat/random_request.h"

namespace outrigger::providers::openai {
namespace {

struct Row {
  std::string_view body;
  RequestRewrite rewrite;
  std::string_view wanted;
};

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    INFO(row.body);
    const auto text = rewrite_request(row.body, row.rewrite);
    REQUIRE(text);
    CHECK(*text == row.wanted);
  }
}

constexpr std::string_view k_odd =
    " \n{ \"b\" :9007199254740993 ,\"a\":[1e400, {\"model\" : \"x\"} ],\t\"t\":\"a  b\\u0041\\/\", "
    "\"mod\\u0065l\" : \"old\" , \"z\":-0.0\n} \r\n";

TEST_CASE("what is no JSON object is not rewritten") {
  for (const std::string_view body : {"", " ", "null", "[]", "[{}]", "1", "\"model\"", "{", "{\"a\":1", "{\"a\":1}x",
                                      "{'a':1}", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":\"\xff\"}", "{\"a\":1}{}"}) {
    INFO(body);
    CHECK_FALSE(rewrite_request(body, {}));
    CHECK_FALSE(rewrite_request(body, {.model = "m"}));
  }
}

TEST_CASE("without a change the bytes are the same") {
  for (const std::string_view body : {std::string_view("{}"), std::string_view(" { } "), k_odd}) {
    CHECK(rewrite_request(body, {}) == body);
    CHECK(rewrite_request(body, {.drop = {"absent", "", "mode"}, .rename = {{"absent", "b"}}}) == body);
  }
}

TEST_CASE("a stream is asked for its usage, and other options stay") {
  check({
      {R"({"a":1})", {.include_usage = true}, R"({"a":1,"stream_options":{"include_usage":true}})"},
      {R"({"stream_options":null,"a":1})", {.include_usage = true}, R"({"stream_options":{"include_usage":true},"a":1})"},
      {R"({"stream_options" : { "x" : 1.0 } })",
       {.include_usage = true},
       R"({"stream_options" : { "x" : 1.0 ,"include_usage":true} })"},
      {R"({"stream_options":{"include_usage":false,"x":{}}})",
       {.include_usage = true},
       R"({"stream_options":{"include_usage":true,"x":{}}})"},
      {R"({"stream_options":{"include_usage":null}})",
       {.include_usage = true},
       R"({"stream_options":{"include_usage":true}})"},
      {R"({"stream_options":5})", {.include_usage = true}, R"({"stream_options":5})"},
  });
}

TEST_CASE("the model is set, and all else stays byte for byte") {
  std::string wanted(k_odd);
  wanted.replace(wanted.find("\"old\""), 5, "\"new\"");
  CHECK(rewrite_request(k_odd, {.model = "new"}) == wanted);
  check({
      {R"({"model":"a"})", {.model = "b"}, R"({"model":"b"})"},
      {R"({"model":null,"x":1})", {.model = "b"}, R"({"model":"b","x":1})"},
      {R"({"model":{"model":"a"}})", {.model = "b"}, R"({"model":"b"})"},
      {R"({"x":"model"})", {.model = "b"}, R"({"x":"model","model":"b"})"},
      {R"({ })", {.model = "b"}, R"({"model":"b" })"},
      {R"({"model":"a"})", {.model = "a\"\\\n"}, R"({"model":"a\"\\\n"})"},
      {R"({"model":"a","model":"a"})", {.model = "b"}, R"({"model":"b","model":"b"})"},
  });
}

TEST_CASE("members are dropped with one comma and the blanks around them") {
  check({
      {R"({"a":1,"b":2,"c":3})", {.drop = {"a"}}, R"({"b":2,"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {.drop = {"b"}}, R"({"a":1,"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {.drop = {"c"}}, R"({"a":1,"b":2})"},
      {R"({"a":1,"b":2,"c":3})", {.drop = {"c", "a"}}, R"({"b":2})"},
      {R"({"a":1,"b":2,"c":3})", {.drop = {"c", "a", "b"}}, R"({})"},
      {R"({ "a" : [1,{"b":2}] , "b" : "},{" , "c":3 })", {.drop = {"b"}}, R"({ "a" : [1,{"b":2}] , "c":3 })"},
      {R"({"\u0061":1,"a":2,"aa":3})", {.drop = {"a"}}, R"({"aa":3})"},
      {R"({"a":1})", {.drop = {"a"}, .model = "m"}, R"({"model":"m"})"},
  });
}

TEST_CASE("members are renamed, and none that is there is overwritten") {
  const std::vector<RequestRewrite::Rename> there{{"max_tokens", "max_completion_tokens"}};
  const std::vector<RequestRewrite::Rename> back{{"max_completion_tokens", "max_tokens"}};
  check({
      {R"({"max_tokens" : 5})", {.rename = there}, R"({"max_completion_tokens" : 5})"},
      {R"({"max_completion_tokens":5})", {.rename = back}, R"({"max_tokens":5})"},
      {R"({"max_tokens":5,"x":1,"max_completion_tokens":7})", {.rename = there}, R"({"x":1,"max_completion_tokens":7})"},
      {R"({"max_tokens":5,"max_completion_tokens":null})", {.rename = there}, R"({"max_completion_tokens":5})"},
      {R"({"max_completion_tokens":null})", {.rename = there}, R"({"max_completion_tokens":null})"},
      {R"({"max_tokens":5,"max_tokens":6})", {.rename = there}, R"({"max_completion_tokens":5})"},
      {R"({"a":1,"b":2})", {.rename = {{"a", "c"}, {"b", "c"}}}, R"({"c":1})"},
      {R"({"a":1})", {.rename = {{"a", "b"}, {"b", "c"}}}, R"({"c":1})"},
      {R"({"a":1})", {.rename = {{"a", "a"}}}, R"({"a":1})"},
      {R"({"a":1,"b":2})", {.drop = {"b"}, .rename = {{"a", "b"}}}, R"({"b":1})"},
  });
}

TEST_CASE("a limit comes down to what the target gives, and never up") {
  check({
      {R"({"max_tokens":101})", {.max_output = 100}, R"({"max_tokens":100})"},
      {R"({"max_tokens":100})", {.max_output = 100}, R"({"max_tokens":100})"},
      {R"({"max_tokens":1.01e2})", {.max_output = 100}, R"({"max_tokens":100})"},
      {R"({"max_tokens":1.00e2})", {.max_output = 100}, R"({"max_tokens":1.00e2})"},
      {R"({"max_tokens":1e400})", {.max_output = 100}, R"({"max_tokens":100})"},
      {R"({"max_tokens":99999999999999999999})", {.max_output = 100}, R"({"max_tokens":100})"},
      {R"({"max_tokens":9007199254740993})", {.max_output = 9007199254740992}, R"({"max_tokens":9007199254740992})"},
      {R"({"max_tokens":-1})", {.max_output = 100}, R"({"max_tokens":-1})"},
      {R"({"max_tokens":"500"})", {.max_output = 100}, R"({"max_tokens":"500"})"},
      {R"({"max_tokens":null})", {.max_output = 100}, R"({"max_tokens":null})"},
      {R"({"x":500})", {.max_output = 100}, R"({"x":500})"},
      {R"({"max_completion_tokens":500,"max_output_tokens":500})",
       {.max_output = 100},
       R"({"max_completion_tokens":100,"max_output_tokens":100})"},
      {R"({"max_tokens":500})",
       {.rename = {{"max_tokens", "max_completion_tokens"}}, .max_output = 100},
       R"({"max_completion_tokens":100})"},
  });
}

TEST_CASE("the stream is switched when asked for") {
  check({
      {R"({"stream":false,"x":1})", {.stream = true}, R"({"stream":true,"x":1})"},
      {R"({"stream":null})", {.stream = true}, R"({"stream":true})"},
      {R"({"x":1})", {.stream = true}, R"({"x":1,"stream":true})"},
      {R"({"x":1})", {.stream = false}, R"({"x":1})"},
      {R"({"stream":true,"stream_options":{"include_usage":true},"x":1})", {.stream = false}, R"({"stream":false,"x":1})"},
      {R"({"stream":true,"stream_options":{"include_usage":true}})",
       {.stream = true},
       R"({"stream":true,"stream_options":{"include_usage":true}})"},
  });
}

// The top-level members of a body, by what their names mean.
std::map<std::string, std::string> members(const std::string& text) {
  std::map<std::string, std::string> found;
  const JsonDoc doc = JsonDoc::read(text);
  REQUIRE(yyjson_is_obj(doc.root()));
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* name = nullptr;
  yyjson_val* value = nullptr;
  yyjson_obj_foreach(doc.root(), index, count, name, value) found[std::string(*string_of(name))] = text_of(value);
  return found;
}

TEST_CASE("of random requests only the named members change") {
  constexpr std::uint64_t k_seed = 20261125;
  Rng rng(k_seed);
  for (int i = 0; i < 2000; ++i) {
    const std::string body = chat::test::written(chat::test::random_chat(rng), &rng);
    INFO("seed " << k_seed << ", request " << i << "\n" << body);
    REQUIRE(rewrite_request(body, {}) == body);
    auto wanted = members(body);
    RequestRewrite rewrite{.model = "another"};
    wanted["model"] = "\"another\"";
    for (const auto& [name, value] : members(body)) {
      if (name == "model") continue;
      if (rng.chance(0.2)) {
        rewrite.drop.push_back(name);
        wanted.erase(name);
      } else if (rng.chance(0.2)) {
        rewrite.rename.push_back({name, name + "_of_old"});
        wanted[name + "_of_old"] = value;
        wanted.erase(name);
      }
    }
    const auto text = rewrite_request(body, rewrite);
    REQUIRE(text);
    REQUIRE(members(*text) == wanted);
    REQUIRE(rewrite_request(*text, rewrite) == text);
  }
}

}  // namespace
}  // namespace outrigger::providers::openai
