#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

std::string messages(std::string_view list) { return R"({"model":"m","messages":)" + std::string(list) + "}"; }
std::string part(std::string_view json) {
  return messages(R"([{"role":"user","content":[{"type":"text","text":"look"},)" + std::string(json) + "]}]");
}

struct Row {
  std::string body;
  std::string_view reason;
};

}  // namespace

TEST_CASE("a chat body of an unknown shape is named not_understood and keeps what routing needs") {
  for (const std::string& body : {
           std::string(R"({})"),
           std::string(R"({"model":"m"})"),
           std::string(R"({"messages":[{"role":"user","content":"x"}]})"),
           std::string(R"({"model":"","messages":[{"role":"user","content":"x"}]})"),
           std::string(R"({"model":1,"messages":[{"role":"user","content":"x"}]})"),
           std::string(R"({"model":null,"messages":[{"role":"user","content":"x"}]})"),
           messages("null"),
           messages("[]"),
           messages("{}"),
           messages("\"x\""),
           messages("[1]"),
           messages("[null]"),
           messages("[[]]"),
           messages("[{}]"),
           messages(R"([{"content":"x"}])"),
           messages(R"([{"role":1,"content":"x"}])"),
           messages(R"([{"role":"","content":"x"}])"),
           messages(R"([{"role":null,"content":"x"}])"),
           messages(R"([{"role":"user"}])"),
           messages(R"([{"role":"user","content":null}])"),
           messages(R"([{"role":"system","content":null}])"),
           messages(R"([{"role":"user","content":1}])"),
           messages(R"([{"role":"user","content":{}}])"),
           messages(R"([{"role":"user","content":true}])"),
           messages(R"([{"role":"user","content":["x"]}])"),
           messages(R"([{"role":"user","content":[{}]}])"),
           messages(R"([{"role":"user","content":[{"type":1}]}])"),
           messages(R"([{"role":"user","content":[{"type":"text"}]}])"),
           messages(R"([{"role":"user","content":[{"type":"text","text":1}]}])"),
           messages(R"([{"role":"assistant","tool_calls":{}}])"),
           messages(R"([{"role":"assistant","tool_calls":[1]}])"),
           messages(R"([{"role":"assistant","tool_calls":[{"id":1}]}])"),
           messages(R"([{"role":"assistant","tool_calls":[{"id":"a","function":"f"}]}])"),
           messages(R"([{"role":"tool","content":"x","tool_call_id":1}])"),
           ask("x", R"(,"stream":"true")"),
           ask("x", R"(,"stream":1)"),
           ask("x", R"(,"stream_options":true)"),
           ask("x", R"(,"stream_options":{"include_usage":1})"),
           ask("x", R"(,"n":"1")"),
           ask("x", R"(,"temperature":"0")"),
           ask("x", R"(,"tools":{})"),
           ask("x", R"(,"tools":[1])"),
           ask("x", R"(,"tools":[{}])"),
           ask("x", R"(,"tools":[{"type":1}])"),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_understood");
    CHECK(form(body).empty());
  }
  const Request request = understand(Endpoint::chat_completions, R"({"model":"m","messages":3,"stream":true})", Level::safe);
  CHECK(request.model == "m");
  CHECK(request.stream);
  CHECK_FALSE(request.include_usage);
  CHECK(request.inputs.empty());
  // Whether it asks for its usage is known all the same, so nobody asks for it again, and leaves it out, on its behalf.
  for (const auto& [options, wanted] : {std::pair{R"({"include_usage":true})", true},
                                        {R"({"include_usage":1})", false},
                                        {R"({"include_usage":false})", false},
                                        {"[true]", false},
                                        {"null", false}}) {
    INFO(options);
    const std::string body = fmt::format(R"({{"model":"m","messages":3,"stream":true,"stream_options":{}}})", options);
    CHECK(understand(Endpoint::chat_completions, body, Level::safe).include_usage == wanted);
  }
}

TEST_CASE("known shapes of messages are understood") {
  for (const std::string& body : {
           messages(R"([{"role":"assistant","content":null,"tool_calls":[]}])"),
           messages(R"([{"role":"assistant"}])"),
           messages(R"([{"role":"tool","content":null,"tool_call_id":"a"}])"),
           messages(R"([{"role":"latest","content":"x"}])"),
           messages(R"([{"role":"user","content":[]}])"),
           messages(R"([{"role":"user","content":""}])"),
           part(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}})"),
           part(R"({"type":"image_url","image_url":{"url":"iVBORw0KGgo"}})"),
           part(R"({"type":"input_audio","input_audio":{"data":"//uQxAAA","format":"mp3"}})"),
           part(R"({"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}})"),
           ask("see https://example.com/a"),
           ask("x", R"(,"tools":[{"type":"custom","custom":{"name":"c"}}])"),
           ask("x", R"(,"tools":[])"),
           ask("x", R"(,"store":true)"),
           ask("x", R"(,"n":1)"),
           ask("x", R"(,"n":1.0)"),
           ask("x", R"(,"web_search":false,"enable_search":null,"plugins":[],"background":false)"),
           ask("x", R"(,"modalities":["text"],"audio":null)"),
           ask("x", R"(,"moderation":true)"),
       }) {
    INFO(body);
    CHECK(reason(body) == "");
    CHECK_FALSE(form(body).empty());
  }
}

TEST_CASE("each reason not to look into the cache is recognised") {
  const std::string ping = R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"ping"}]})";
  for (
      const Row& row : {
          Row{ping, "ping"},
          Row{ask("ping", R"(,"max_tokens":20)"), "ping"},
          Row{ask("ping", R"(,"max_tokens":20.0)"), "ping"},
          Row{ask("ping", R"(,"max_tokens":21)"), ""},
          Row{ask("ping", R"(,"max_completion_tokens":16,"stream":true,"temperature":0)"), "ping"},
          Row{ask("ping"), ""},
          Row{ask("Ping", R"(,"max_tokens":5)"), ""},
          Row{ask("ping ", R"(,"max_tokens":5)"), ""},
          Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"ping"}]}]})",
              "ping"},
          Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"system","content":"ping"}]})", ""},
          Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"system","content":"s"},{"role":"user","content":"ping"}]})",
              ""},
          Row{ask("ping", R"(,"max_tokens":5,"n":2,"web_search":true)"), "ping"},

          Row{ask("x", R"(,"n":2)"), "several_answers"},
          Row{ask("x", R"(,"n":1.5)"), "several_answers"},
          Row{ask("x", R"(,"n":1e99999)"), "several_answers"},
          Row{ask("x", R"(,"best_of":3)"), "several_answers"},

          Row{ask("x", R"(,"tools":[{"type":"web_search"}])"), "hosted_tool"},
          Row{ask("x", R"(,"tools":[{"type":"function","function":{"name":"f"}},{"type":"web_search_preview"}])"),
              "hosted_tool"},
          Row{ask("x", R"(,"tools":[{"type":"builtin_function","function":{"name":"$web_search"}}])"), "hosted_tool"},
          Row{ask("x", R"(,"web_search_options":{})"), "hosted_tool"},
          Row{ask("x", R"(,"web_search":true)"), "hosted_tool"},
          Row{ask("x", R"(,"enable_search":true)"), "hosted_tool"},
          Row{ask("x", R"(,"search_parameters":{"mode":"auto"})"), "hosted_tool"},
          Row{ask("x", R"(,"plugins":[{"id":"web"}])"), "hosted_tool"},
          Row{R"({"model":"openai/gpt-4o:online","messages":[{"role":"user","content":"x"}]})", "hosted_tool"},
          Row{R"({"model":"gpt-4o-mini-search-preview","messages":[{"role":"user","content":"x"}]})", "hosted_tool"},
          Row{R"({"model":"perplexity/sonar","messages":[{"role":"user","content":"x"}]})", "hosted_tool"},

          Row{part(R"({"type":"image_url","image_url":{"url":"https://h/a.png"}})"), "mutable_url"},
          Row{part(R"({"type":"image_url","image_url":{"url":"HTTP://h/a.png"}})"), "mutable_url"},
          Row{part(R"({"type":"image_url","image_url":{"url":"\u0020https:\/\/h\/a.png"}})"), "mutable_url"},
          Row{part(R"({"type":"image_url","image_url":"https://h/a.png"})"), "mutable_url"},
          Row{part(R"({"type":"video_url","video_url":{"url":"gs://b/a.mp4"}})"), "mutable_url"},
          Row{part(R"({"type":"file","file":{"file_data":"https://h/a.pdf"}})"), "mutable_url"},
          Row{part(R"({"type":"image_url","image_url":{"url":"https://h/a.png"}},{"type":"file","file":{"file_id":"f"}})"),
              "mutable_url"},

          Row{ask("x", R"(,"modalities":["text","audio"])"), "audio"},
          Row{ask("x", R"(,"audio":{"voice":"a","format":"mp3"})"), "audio"},

          Row{ask("x", R"(,"previous_response_id":"r")"), "stateful"},
          Row{ask("x", R"(,"conversation":"c")"), "stateful"},
          Row{ask("x", R"(,"background":true)"), "stateful"},
          Row{part(R"({"type":"file","file":{"file_id":"file-1"}})"), "stateful"},
          Row{messages(
                  R"([{"role":"user","content":"a"},{"role":"assistant","audio":{"id":"x"}},{"role":"user","content":"b"}])"),
              "stateful"},
          Row{ask("x", R"(,"background":true,"n":2)"), "several_answers"},
      }) {
    INFO(row.body);
    CHECK(reason(row.body) == row.reason);
    CHECK_FALSE(form(row.body).empty());
  }
}

TEST_CASE("completions take one prompt, as a text or as tokens") {
  const auto body = [](std::string_view prompt, std::string_view more = "") {
    return R"({"model":"m","prompt":)" + std::string(prompt) + std::string(more) + "}";
  };
  for (const Row& row : {
           Row{body(R"("x")"), ""},
           Row{body(R"(["x"])"), ""},
           Row{body("[1,2]"), ""},
           Row{body("[[1,2]]"), ""},
           Row{body(R"(["x","y"])"), "several_answers"},
           Row{body("[[1],[2]]"), "several_answers"},
           Row{body("[]"), "not_understood"},
           Row{body("[[]]"), "not_understood"},
           Row{body("null"), "not_understood"},
           Row{body("1"), "not_understood"},
           Row{body("[1.0]"), "not_understood"},
           Row{body("[-1]"), "not_understood"},
           Row{body(R"([1,"x"])"), "not_understood"},
           Row{body(R"(["x",1])"), "not_understood"},
           Row{body("{}"), "not_understood"},
           Row{R"({"model":"m"})", "not_understood"},
           Row{body(R"("ping")", R"(,"max_tokens":5)"), "ping"},
           Row{body(R"(["ping"])", R"(,"max_tokens":5)"), "ping"},
           Row{body(R"("ping")"), ""},
           Row{body(R"("x")", R"(,"best_of":2)"), "several_answers"},
       }) {
    INFO(row.body);
    CHECK(reason(row.body, Endpoint::completions) == row.reason);
  }
  const auto share = [](const std::string& a, const std::string& b) {
    return same(a, b, Level::safe, Endpoint::completions);
  };
  const auto part_ways = [](const std::string& a, const std::string& b) {
    return differ(a, b, Level::safe, Endpoint::completions);
  };
  CHECK(share(body(R"("x")"), body(R"(["x"])")));
  CHECK(share(body("[1,2]"), body("[[1,2]]")));
  CHECK(part_ways(body("[1,2]"), body("[1,3]")));
  CHECK(part_ways(body("[12]"), body("[1,2]")));
  CHECK(part_ways(body(R"("1")"), body("[1]")));
  CHECK(part_ways(body(R"("x")"), body(R"("x")", R"(,"echo":true)")));
  CHECK(part_ways(body(R"("x")"), body(R"("x")", R"(,"suffix":"y")")));
  CHECK(part_ways(body(R"("x")"), body(R"("x")", R"(,"logprobs":1)")));
  CHECK(share(body(R"("x")", R"(,"logprobs":1)"), body(R"("x")", R"(,"logprobs":1.0,"suffix":null)")));
  // The model goes on where the prompt ends; with a suffix it fills in code.
  CHECK(part_ways(body(R"("x")"), body(R"("x ")")));
  CHECK(share(body(R"(" a  b")"), body(R"("a b")")));
  CHECK(part_ways(body(R"("a  b")", R"(,"suffix":"y")"), body(R"("a b")", R"(,"suffix":"y")")));
  // An echo repeats the prompt as it was written.
  CHECK(part_ways(body(R"("a  b")", R"(,"echo":true)"), body(R"("a b")", R"(,"echo":true)")));
  CHECK(share(body(R"("a  b")", R"(,"echo":false)"), body(R"("a b")", R"(,"echo":false)")));
  CHECK(share(body(R"("a  b")", R"(,"echo":null)"), body(R"("a b")")));
  CHECK(part_ways(body(R"("x")"), body(R"("x")", R"(,"stop":"y")")));
  CHECK(part_ways(body(R"("x")", R"(,"stop":["y","z"])"), body(R"("x")", R"(,"stop":["z","y"])")));
  CHECK(share(body(R"("x")"), body(R"("x")", R"(,"stop":null,"stream":true,"stream_options":{"include_usage":true})")));
  CHECK(share(body(R"("x")", R"(,"n":1,"best_of":1)"), body(R"("x")", R"(,"n":1.0,"best_of":1)")));
}

TEST_CASE("what a completion asks of a target") {
  const auto read = [](std::string_view prompt, std::string_view more = "") {
    const std::string text = R"({"model":"m","prompt":)" + std::string(prompt) + std::string(more) + "}";
    return understand(Endpoint::completions, text, Level::safe);
  };
  CHECK(read("[1,2,3]").prompt_tokens == 3);
  CHECK(read("[[1,2,3]]").needs.prompt_tokens == 3);
  CHECK(read(R"("one two three")").prompt_tokens == read(R"(["one two three"])").prompt_tokens);
  const Request several = read("[[1,2,3],[4]]");
  CHECK(several.prompt_tokens == 4);
  CHECK(several.needs.prompt_tokens == 3);
  CHECK(several.needs.several_answers);
  CHECK(read(R"(["one two three","one two three"])").prompt_tokens == 2 * read(R"("one two three")").prompt_tokens);
  CHECK(read(R"("x")", R"(,"best_of":2)").needs.several_answers);
  CHECK(read(R"("x")", R"(,"n":2)").needs.several_answers);
  CHECK_FALSE(read(R"("x")", R"(,"n":1)").needs.several_answers);
  CHECK(read(R"("x")", R"(,"logprobs":0)").needs.logprobs);
  CHECK(read(R"("x")", R"(,"logprobs":5)").needs.logprobs);
  CHECK_FALSE(read(R"("x")", R"(,"logprobs":null)").needs.logprobs);
  CHECK(read(R"("x")", R"(,"max_tokens":7)").needs.max_output == 7);
  const Request streamed = read(R"("x")", R"(,"stream":true,"stream_options":{"include_usage":true})");
  CHECK(streamed.stream);
  CHECK(streamed.include_usage);
  CHECK(streamed.needs.stream);
}

TEST_CASE("what the proxy reads of a request") {
  const Request request =
      understand(Endpoint::chat_completions,
                 ask("hello", R"(,"stream":true,"stream_options":{"include_usage":true},"temperature":0.7,)"
                              R"("metadata":{"dify_app_id":"app-1","user_id":"meta"},"user":"u")"),
                 Level::safe);
  CHECK(request.model == "m");
  CHECK(request.stream);
  CHECK(request.include_usage);
  CHECK(request.temperature == 0.7);
  CHECK(request.app == "app-1");
  CHECK(request.user == "u");
  CHECK(request.prompt_tokens > 0);
  CHECK(request.prompt_tokens < 20);

  const auto user = [](std::string_view more) {
    return understand(Endpoint::chat_completions, ask("x", more), Level::safe).user;
  };
  CHECK(user("") == "");
  CHECK(user(R"(,"user":"","user_id":"b")") == "b");
  CHECK(user(R"(,"safety_identifier":"c","metadata":{"user_id":"d"})") == "c");
  CHECK(user(R"(,"metadata":{"user_id":"d"})") == "d");
  CHECK(user(R"(,"metadata":"d")") == "");
  CHECK(user(R"(,"user":5)") == "");

  const auto temperature = [](std::string_view token) {
    return understand(Endpoint::chat_completions, ask("x", R"(,"temperature":)" + std::string(token)), Level::safe)
        .temperature;
  };
  CHECK(temperature("null") == std::nullopt);
  CHECK(temperature("2e0") == 2.0);
  CHECK(temperature("1e400") == std::numeric_limits<double>::infinity());
  CHECK(temperature("-1e400") == -std::numeric_limits<double>::infinity());
  CHECK(temperature("1e-400") == 0.0);
}

TEST_CASE("another endpoint's body is not looked into") {
  const Request request = understand(Endpoint::other, ask("x"), Level::safe);
  CHECK(request.bypass == BypassReason::endpoint);
  CHECK(request.canonical.empty());
}

TEST_CASE("tokens are estimated by the width of the writing") {
  CHECK(estimate_tokens("") == 0);
  CHECK(estimate_tokens("a") == 1);
  CHECK(estimate_tokens("abcd") == 1);
  CHECK(estimate_tokens("abcde") == 2);
  CHECK(estimate_tokens("退货流程") == 3);  // 4 / 1.5
  CHECK(estimate_tokens(std::string(4000, 'a')) == 1000);
  std::string chinese;
  for (int i = 0; i < 1500; ++i) chinese += "货";
  CHECK(estimate_tokens(chinese) == 1000);
}
