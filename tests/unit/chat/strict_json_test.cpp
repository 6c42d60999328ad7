#include <catch2/catch_test_macros.hpp>

#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

// A chat request with `value` as an unknown member.
std::string with(std::string_view value) { return ask("hello", R"(,"x":)" + std::string(value)); }

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

TEST_CASE("what is not strict JSON is named not_json") {
  const std::string good = ask("hello");
  REQUIRE(reason(good) == "");
  for (const std::string& body : {
           std::string(),
           std::string(" "),
           std::string("null"),
           std::string("[]"),
           std::string("\"text\""),
           std::string("1"),
           good + "x",
           good + good,
           good + std::string(1, 0),
           good.substr(0, good.size() - 1),
           "\xef\xbb\xbf" + good,
           with("01"),
           with("+1"),
           with(".5"),
           with("1."),
           with("1e"),
           with("-"),
           with("NaN"),
           with("Infinity"),
           with("0x10"),
           with("[1,]"),
           with("{\"a\":1,}"),
           with("/*c*/1"),
           with("'a'"),
           with("True"),
           with("\"\t\""),
           with("\"\\x\""),
           with("\"\\ud800\""),
           with("\"\\udc00\\ud800\""),
           with("\"\\ud800\\u0041\""),
           with("\"\xff\""),
           with("\"\xc0\xaf\""),
           with("\"\xed\xa0\x80\""),
           with("\"\xf4\x90\x80\x80\""),
           with("\"\xe4\xbd\""),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_json");
    CHECK(form(body).empty());
  }
}

TEST_CASE("duplicate members are refused at any depth, however they are spelled") {
  for (const std::string& body : {
           ask("hello", R"(,"model":"n")"),
           ask("hello", R"(,"seed":1,"seed":1)"),
           ask("hello", R"(,"user":"a","user":"b")"),
           ask("hello", R"(,"seed":1,"\u0073eed":1)"),
           with(R"({"a":{"b":[{"c":1,"c":1}]}})"),
           ask("hello", R"(,"metadata":{"a":1,"a":2})"),
           ask("hello", R"(,"stream_options":{"include_usage":true,"include_usage":false})"),
           std::string(R"({"model":"m","messages":[{"role":"user","role":"user","content":"x"}]})"),
           std::string(R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x","text":"y"}]}]})"),
           std::string(R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x",)"
                       R"("cache_control":{"a":1,"a":1}}]}]})"),
           std::string(R"({"model":"m","messages":[{"role":"user","content":"x","cache_control":{"a":1,"a":1}}]})"),
           ask("hello", R"(,"tools":[{"type":"function","function":{"name":"f","name":"g"}}])"),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_json");
  }
  // A shape that is wrong besides does not hide it.
  CHECK(reason(R"({"model":1,"messages":[],"x":{"a":1,"a":1}})") == "not_json");
}

TEST_CASE("objects with many members are searched for duplicates too") {
  std::string many = "{";
  for (int i = 0; i < 200; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  CHECK(reason(with(many + "\"last\":0}")) == "");
  CHECK(reason(with(many + "\"k77\":0}")) == "not_json");
}

TEST_CASE("nesting is taken up to 64 levels and no further") {
  // The body is level 1, so 63 lists fit below it.
  CHECK(reason(with(nested(63))) == "");
  CHECK(reason(with(nested(64))) == "not_json");
  CHECK(reason(ask("hello", R"(,"metadata":)" + nested(63))) == "");
  CHECK(reason(ask("hello", R"(,"metadata":)" + nested(64))) == "not_json");
  // Inside a message: body, messages, message.
  const auto in_message = [](int depth) {
    return R"({"model":"m","messages":[{"role":"user","content":"x","y":)" + nested(depth) + "}]}";
  };
  CHECK(reason(in_message(61)) == "");
  CHECK(reason(in_message(62)) == "not_json");
  CHECK(reason(with(nested(100000))) == "not_json");
  // In a part, in a tool's function, in a call.
  const auto in_part = [](int depth) {
    return R"({"model":"m","messages":[{"role":"user","content":[{"type":"x","y":)" + nested(depth) + "}]}]}";
  };
  CHECK(reason(in_part(59)) == "");
  CHECK(reason(in_part(60)) == "not_json");
  const auto in_function = [](int depth) {
    return ask("x", R"(,"tools":[{"type":"function","function":{"name":"f","parameters":)" + nested(depth) + "}}]");
  };
  CHECK(reason(in_function(60)) == "");
  CHECK(reason(in_function(61)) == "not_json");
}

TEST_CASE("a null character in a text is a character") {
  CHECK(reason(R"({"model":"m","messages":[{"role":"user","content":"a\u0000b"}]})") == "");
  CHECK(differ(R"({"model":"m","messages":[{"role":"user","content":"a\u0000b"}]})",
               R"({"model":"m","messages":[{"role":"user","content":"a\u0000c"}]})"));
  CHECK(differ(R"({"model":"m","messages":[{"role":"user","content":"a\u0000b"}]})",
               R"({"model":"m","messages":[{"role":"user","content":"ab"}]})"));
  CHECK(differ(ask("x", R"(,"a\u0000b":1)"), ask("x", R"(,"a\u0000c":1)")));
}
