// Which requests share an answer: the promise of product.md §5, in pairs.
#include <catch2/catch_test_macros.hpp>
#include <utility>
#include <vector>

#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string messages(std::string_view list) { return R"({"model":"m","messages":)" + std::string(list) + "}"; }
std::string user(std::string_view content) {
  return messages(R"([{"role":"user","content":)" + std::string(content) + "}]");
}
std::string more(std::string_view members) { return ask("x", "," + std::string(members)); }

// An assistant that calls two tools and gets two answers.
std::string calls(std::string_view a, std::string_view b, std::string_view first, std::string_view second) {
  const auto call = [](std::string_view id, std::string_view name) {
    return R"({"id":")" + std::string(id) + R"(","type":"function","function":{"name":")" + std::string(name) +
           R"(","arguments":"{}"}})";
  };
  const auto answer = [](std::string_view id, std::string_view text) {
    return R"({"role":"tool","tool_call_id":")" + std::string(id) + R"(","content":")" + std::string(text) + R"("})";
  };
  return messages(R"([{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[)" + call(a, "f") +
                  "," + call(b, "g") + "]}," + answer(first, "one") + "," + answer(second, "two") + "]");
}

void check_same(const Pairs& pairs) {
  for (const auto& [a, b] : pairs) {
    INFO(a << "\n" << b);
    CHECK(same(a, b));
    CHECK(same(a, b, Level::exact));
  }
}
void check_different(const Pairs& pairs) {
  for (const auto& [a, b] : pairs) {
    INFO(a << "\n" << b);
    for (const Level level : {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms})
      CHECK(differ(a, b, level));
  }
}

}  // namespace

TEST_CASE("how JSON is written does not matter") {
  check_same({
      {R"({"model":"m","messages":[{"role":"user","content":"x"}],"seed":1})",
       R"( { "seed" : 1 , "messages" : [ { "content" : "x" , "role" : "user" } ] , "model" : "m" } )"},
      {user(R"("你好/")"), user(R"("\u4f60\u597d\/")")},
      {user(R"("😀")"), user(R"("\ud83d\ude00")")},
      {user(R"("a\tb\"\\")"), user(R"("a\u0009b\u0022\u005c")")},
      {more(R"("x":{"a":1,"b":{"c":2,"d":3}})"), more(R"("x":{"b":{"d":3,"c":2},"a":1})")},
      {more(R"("seed":1)"), more(R"("\u0073eed":1)")},
      {more(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":["a"]}}}])"),
       more(R"("tools":[{"function":{"parameters":{"required":["a"],"type":"object"},"name":"f"},"type":"function"}])")},
  });
}

TEST_CASE("sampling parameters are numbers, not spellings") {
  check_same({
      {more(R"("temperature":0.7)"), more(R"("temperature":0.70)")},
      {more(R"("temperature":0.7)"), more(R"("temperature":7e-1)")},
      {more(R"("temperature":0.7)"), more(R"("temperature":0.07E+1)")},
      {more(R"("temperature":1)"), more(R"("temperature":1.0)")},
      {more(R"("temperature":0)"), more(R"("temperature":-0.0)")},
      {more(R"("max_tokens":100)"), more(R"("max_tokens":1e2)")},
      {more(R"("top_p":1,"seed":5,"n":1)"), more(R"("top_p":1.0,"seed":5.0,"n":1.00)")},
  });
  check_different({
      {more(R"("temperature":0.7)"), more(R"("temperature":0.71)")},
      {more(R"("temperature":0.7)"), more(R"("temperature":0.70000000000000001)")},
      {more(R"("temperature":0.7)"), more(R"("temperature":-0.7)")},
      {more(R"("seed":9007199254740992)"), more(R"("seed":9007199254740993)")},
      {more(R"("seed":123456789012345678901234567890)"), more(R"("seed":123456789012345678901234567891)")},
      {more(R"("seed":1e999999999)"), more(R"("seed":1e999999998)")},
      {more(R"("seed":1)"), more(R"("seed":"1")")},
      {more(R"("seed":1)"), more(R"("seed":true)")},
      {more(R"("seed":0)"), ask("x")},
  });
}

TEST_CASE("a null that means absent is absent, and only that") {
  for (const std::string_view name : {"stop", "temperature", "top_p", "seed", "tools", "tool_choice", "response_format", "n",
                                      "stream", "stream_options", "user", "metadata", "max_tokens", "logit_bias", "logprobs",
                                      "audio", "modalities", "reasoning_effort", "web_search_options"}) {
    INFO(name);
    CHECK(same(ask("x"), more("\"" + std::string(name) + "\":null")));
  }
  check_same({
      {messages(R"([{"role":"user","content":"x"}])"), messages(R"([{"role":"user","content":"x","name":null}])")},
      {messages(R"([{"role":"assistant","content":null,"tool_calls":[]}])"),
       messages(R"([{"role":"assistant","tool_calls":[]}])")},
      {messages(
           R"([{"role":"assistant","content":"a","tool_calls":null,"function_call":null,"refusal":null,"audio":null}])"),
       messages(R"([{"role":"assistant","content":"a"}])")},
      // Who calls tools says nothing besides: null in one form of an answer, "" in the other.
      {messages(R"([{"role":"assistant","content":"","tool_calls":[]}])"),
       messages(R"([{"role":"assistant","content":null,"tool_calls":[]}])")},
  });
  check_different({
      {ask("x"), more(R"("never_heard_of":null)")},
      {messages(R"([{"role":"assistant","content":"","tool_calls":null}])"),
       messages(R"([{"role":"assistant","content":null,"tool_calls":null}])")},
      {messages(R"([{"role":"assistant","content":""}])"), messages(R"([{"role":"assistant"}])")},
      {messages(R"([{"role":"user","content":"x","name":""}])"), messages(R"([{"role":"user","content":"x"}])")},
      {more(R"("stop":"")"), ask("x")},
      {more(R"("stop":[])"), ask("x")},
      {more(R"("tools":[])"), ask("x")},
      {more(R"("x":{"a":null})"), more(R"("x":{})")},
      {more(R"("tools":[{"type":"function","function":{"name":"f","strict":null}}])"),
       more(R"("tools":[{"type":"function","function":{"name":"f"}}])")},
  });
}

TEST_CASE("who asks and how it is delivered does not matter") {
  for (const std::string_view members :
       {R"("user":"a")", R"("user_id":"a")", R"("safety_identifier":"a")", R"("prompt_cache_key":"a")",
        R"("prompt_cache_retention":"24h")", R"("prompt_cache_options":{"a":1})", R"("metadata":{"dify_app_id":"a"})",
        R"("store":true)", R"("service_tier":"flex")", R"("stream":true)",
        R"("stream":true,"stream_options":{"include_usage":true})", R"("cache_control":{"type":"ephemeral"})"}) {
    INFO(members);
    CHECK(same(ask("x"), more(members)));
  }
  check_same({
      {user(R"("x")"), user(R"([{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}])")},
      {messages(R"([{"role":"user","content":"x","cache_control":{"type":"ephemeral"}}])"), user(R"("x")")},
      {user(R"([{"type":"text","text":"x"},{"type":"text","text":"y"}])"),
       user(R"([{"type":"text","text":"x","cache_control":{}},{"type":"text","text":"y","cache_control":null}])")},
      {user(R"([{"type":"tool_result","content":[{"type":"text","text":"x"}]},{"type":"text","text":"y"}])"),
       user(
           R"([{"type":"tool_result","content":[{"type":"text","text":"x","cache_control":{}}]},{"type":"text","text":"y"}])")},
      {more(R"("tools":[{"type":"function","function":{"name":"f"}}])"),
       more(R"("tools":[{"type":"function","cache_control":{"a":1},"function":{"name":"f","cache_control":{}}}])")},
  });
  check_different({
      // There it is the name of a parameter.
      {more(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"cache_control":{}}}}}])"),
       more(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}])")},
      {more(R"("x":{"user":"a"})"), more(R"("x":{"user":"b"})")},
      {more(R"("x":{"cache_control":1})"), more(R"("x":{})")},
  });
}

TEST_CASE("a bare text and a single text part are one thing") {
  check_same({
      {user(R"("x")"), user(R"([{"type":"text","text":"x"}])")},
      {messages(R"([{"role":"system","content":"s"},{"role":"user","content":"x"}])"),
       messages(R"([{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"user","content":"x"}])")},
  });
  check_different({
      {user(R"("xy")"), user(R"([{"type":"text","text":"x"},{"type":"text","text":"y"}])")},
      {user(R"([{"type":"text","text":"x"}])"), user(R"([{"type":"text","text":"x","note":1}])")},
      {user(R"([{"type":"text","text":"x"}])"), user(R"([{"type":"input_text","text":"x"}])")},
      {user(R"("")"), user("[]")},
  });
}

TEST_CASE("ids of tool calls are places, not names") {
  check_same({
      {calls("a", "b", "a", "b"), calls("call_9", "call_3", "call_9", "call_3")},
      {calls("b", "a", "b", "a"), calls("a", "b", "a", "b")},
      {calls("a", "b", "b", "a"), calls("x", "y", "y", "x")},
  });
  check_different({
      {calls("a", "b", "a", "b"), calls("a", "b", "b", "a")},
      {calls("a", "b", "a", "b"), calls("a", "b", "a", "a")},
      {calls("a", "a", "a", "a"), calls("a", "b", "a", "b")},
      {calls("a", "b", "a", "b"), calls("a", "b", "a", "c")},
  });
  check_same({{messages(R"([{"role":"assistant","tool_calls":[{"id":null,"type":"function","function":{"name":"f"}}]}])"),
               messages(R"([{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}])")}});
  check_different({{messages(R"([{"role":"assistant","tool_calls":[{"id":"","type":"function","function":{"name":"f"}}]}])"),
                    messages(R"([{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}])")}});
}

TEST_CASE("everything that may change the answer changes the form") {
  const std::string tool_f = R"({"type":"function","function":{"name":"f"}})";
  const std::string tool_g = R"({"type":"function","function":{"name":"g"}})";
  const auto tools = [](const std::string& list) { return more("\"tools\":[" + list + "]"); };
  const auto schema = [&](std::string_view number) {
    return tools(R"({"type":"function","function":{"name":"f","parameters":{"maximum":)" + std::string(number) + "}}}");
  };
  check_different({
      {ask("x"), R"({"model":"n","messages":[{"role":"user","content":"x"}]})"},
      {ask("x"), R"({"model":"M","messages":[{"role":"user","content":"x"}]})"},
      {ask("room 1"), ask("room 2")},
      {ask("yes"), ask("no")},
      {ask("12"), ask("1 2")},
      {user(R"("x")"), messages(R"([{"role":"system","content":"x"}])")},
      {user(R"("x")"), messages(R"([{"role":"developer","content":"x"}])")},
      {messages(R"([{"role":"system","content":"a"},{"role":"user","content":"x"}])"),
       messages(R"([{"role":"system","content":"b"},{"role":"user","content":"x"}])")},
      {messages(R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])"),
       messages(R"([{"role":"user","content":"b"},{"role":"user","content":"a"}])")},
      {messages(R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])"), user(R"("ab")")},
      {messages(R"([{"role":"user","content":"a"},{"role":"user","content":"a"}])"), user(R"("a")")},
      {messages(R"([{"role":"user","name":"ab","content":"c"}])"),
       messages(R"([{"role":"user","name":"a","content":"bc"}])")},
      {tools(tool_f), tools(tool_g)},
      {tools(tool_f + "," + tool_g), tools(tool_g + "," + tool_f)},
      {tools(tool_f), ask("x")},
      {schema("1"), schema("1.0")},
      {schema("9007199254740993"), schema("9007199254740992")},
      {schema("1"), schema("\"1\"")},
      {schema("1e2"), schema("100")},
      {more(R"("x":1)"), more(R"("x":2)")},
      {more(R"("x":1)"), more(R"("x":1.0)")},
      {more(R"("x":1)"), more(R"("x":"1")")},
      {more(R"("x":true)"), more(R"("x":"true")")},
      {more(R"("x":null)"), more(R"("x":"null")")},
      {more(R"("x":false)"), more(R"("x":null)")},
      {more(R"("x":[])"), more(R"("x":{})")},
      {more(R"("x":[1,2])"), more(R"("x":[2,1])")},
      {more(R"("x":[12])"), more(R"("x":[1,2])")},
      {more(R"("x":[[1],2])"), more(R"("x":[[1,2]])")},
      {more(R"("x":"a","y":"b")"), more(R"("x":"b","y":"a")")},
      {more(R"("x":"ab","y":"c")"), more(R"("x":"a","y":"bc")")},
      {more(R"("ab":"c")"), more(R"("a":"bc")")},
      {more(R"("x":1)"), more(R"("X":1)")},
      {more(R"("stop":"a")"), more(R"("stop":["a"])")},
      {more(R"("stop":["a","b"])"), more(R"("stop":["b","a"])")},
      {more(R"("response_format":{"type":"json_object"})"), more(R"("response_format":{"type":"text"})")},
      {more(R"("response_format":{"type":"json_object"})"), ask("x")},
      {more(R"("seed":1)"), more(R"("seed":2)")},
      {more(R"("seed":1)"), more(R"("top_k":1)")},
      {more(R"("max_tokens":10)"), more(R"("max_completion_tokens":10)")},
      {more(R"("logit_bias":{"1":1})"), more(R"("logit_bias":{"1":1.0})")},
      {more(R"("moderation":true)"), ask("x")},
      {more(R"("prediction":{"type":"content","content":"a"})"), ask("x")},
      {user(R"([{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}])"),
       user(R"([{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAB"}}])")},
      {user(R"([{"type":"image_url","image_url":{"url":"data:,A"}}])"),
       user(R"([{"type":"image_url","image_url":{"url":"data:,A","detail":"high"}}])")},
      {messages(R"([{"role":"assistant","content":"a","reasoning_content":"r"},{"role":"user","content":"x"}])"),
       messages(R"([{"role":"assistant","content":"a","reasoning_content":"s"},{"role":"user","content":"x"}])")},
  });
}

TEST_CASE("the endpoint is part of the form") {
  const std::string body = R"({"model":"m","prompt":"x","messages":[{"role":"user","content":"x"}],"input":"x"})";
  const std::string chat = form(body, Level::safe, Endpoint::chat_completions);
  const std::string completions = form(body, Level::safe, Endpoint::completions);
  const std::string embeddings = form(body, Level::safe, Endpoint::embeddings);
  CHECK_FALSE(chat.empty());
  CHECK(chat != completions);
  CHECK(completions != embeddings);
  CHECK(chat != embeddings);
}
