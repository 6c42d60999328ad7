// How the bodies of Anthropic's messages are understood: which share a key, which are not looked up, and what they ask of a target.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/dialect.h"

namespace outrigger::providers {
namespace {

constexpr auto k_messages = chat::Endpoint::messages;

chat::Request read(std::string_view body, Level level = Level::safe) {
  return providers::understand(k_messages, body, level);
}
std::string form(std::string_view body, Level level = Level::safe) { return read(body, level).canonical; }
std::string reason(std::string_view body) {
  const auto bypass = read(body).bypass;
  return bypass ? std::string(chat::name(*bypass)) : "";
}
bool same(std::string_view a, std::string_view b, Level level = Level::safe) {
  const std::string one = form(a, level);
  return !one.empty() && one == form(b, level);
}
bool differ(std::string_view a, std::string_view b, Level level = Level::safe) {
  const std::string one = form(a, level);
  const std::string other = form(b, level);
  return !one.empty() && !other.empty() && one != other;
}

std::string messages(std::string_view list, std::string_view more = "") {
  return R"({"model":"m","max_tokens":100,"messages":)" + std::string(list) + std::string(more) + "}";
}
// One user message with that content.
std::string said(std::string_view content, std::string_view more = "") {
  return messages(R"([{"role":"user","content":)" + std::string(content) + "}]", more);
}
std::string ask(std::string_view more) { return said(R"("x")", more); }
std::string block(std::string_view json) { return said(R"([{"type":"text","text":"look"},)" + std::string(json) + "]"); }
std::string history(std::string_view assistant, std::string_view user) {
  return messages(R"([{"role":"user","content":"q"},{"role":"assistant","content":)" + std::string(assistant) +
                  R"(},{"role":"user","content":)" + std::string(user) + "}]");
}

TEST_CASE("a messages body of an unknown shape is named not_understood and keeps what routing needs") {
  for (const std::string& body : {
           std::string(R"({})"),
           std::string(R"({"model":"m"})"),
           std::string(R"({"messages":[{"role":"user","content":"x"}]})"),
           std::string(R"({"model":1,"messages":[{"role":"user","content":"x"}]})"),
           messages("null"),
           messages("[]"),
           messages("{}"),
           messages("[1]"),
           messages("[{}]"),
           messages(R"([{"content":"x"}])"),
           messages(R"([{"role":"","content":"x"}])"),
           messages(R"([{"role":1,"content":"x"}])"),
           messages(R"([{"role":"user"}])"),
           messages(R"([{"role":"user","content":null}])"),
           said("1"),
           said("{}"),
           said(R"(["x"])"),
           said(R"([{}])"),
           said(R"([{"type":1}])"),
           said(R"([{"type":""}])"),
           said(R"([{"type":"text"}])"),
           said(R"([{"type":"text","text":1}])"),
           said(R"([{"type":"tool_result","tool_use_id":1}])"),
           said(R"([{"type":"tool_result","tool_use_id":"a","content":1}])"),
           said(R"([{"type":"tool_result","tool_use_id":"a","content":[1]}])"),
           ask(R"(,"system":1)"),
           ask(R"(,"system":[1])"),
           ask(R"(,"system":[{"type":"text"}])"),
           ask(R"(,"tools":{})"),
           ask(R"(,"tools":[1])"),
           ask(R"(,"tools":[{"type":1}])"),
           ask(R"(,"stream":1)"),
           ask(R"(,"temperature":"0")"),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_understood");
    CHECK(form(body).empty());
  }
  const chat::Request request = read(R"({"model":"m","messages":3,"stream":true,"metadata":{"user_id":"u"}})");
  CHECK(request.model == "m");
  CHECK(request.stream);
  CHECK(request.needs.unknown);
  CHECK(request.needs.user == chat::user_hash("u"));
}

TEST_CASE("what two parsers could read differently is not strict JSON at any place of a messages body") {
  for (const std::string& body : {
           said(R"([{"type":"text","text":"a","text":"b"}])"),
           said(R"([{"type":"text","text":"a","cache_control":{"a":1,"a":2}}])"),
           said(R"([{"type":"image","source":{"type":"base64","type":"url"}}])"),
           said(R"([{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"a","text":"b"}]}])"),
           messages(R"([{"role":"user","role":"user","content":"x"}])"),
           ask(R"(,"system":[{"type":"text","text":"a","x":{"b":1,"b":1}}])"),
           ask(R"(,"tools":[{"name":"a","name":"b"}])"),
           ask(R"(,"tools":[{"name":"a","cache_control":{"a":1,"a":2}}])"),
           ask(R"(,"metadata":{"a":1,"a":2})"),
           ask(R"(,"top_k":1,"top_k":2)"),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_json");
  }
  std::string deep = R"("x")";
  for (int i = 0; i < 40; ++i) deep = R"([{"type":"tool_result","tool_use_id":"a","content":)" + deep + "}]";
  CHECK(reason(said(deep)) == "not_json");
}

TEST_CASE("messages bodies that mean the same share a key") {
  const auto text = [](std::string_view more) { return said(R"([{"type":"text","text":"x")" + std::string(more) + "}]"); };
  CHECK(same(said(R"("x")"), text("")));
  CHECK(same(said(R"("x")"), text(R"(,"cache_control":{"type":"ephemeral"})")));
  CHECK(same(said(R"("x")"), said(R"(" x\n")")));
  CHECK(
      same(ask(R"(,"system":"s")"), ask(R"(,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}])")));
  CHECK(same(ask(""), ask(R"(,"system":null,"tools":null,"stop_sequences":null,"output_config":null)")));
  CHECK(same(ask(""), ask(R"(,"stream":true,"metadata":{"user_id":"u"},"service_tier":"auto")")));
  CHECK(same(ask(""), ask(R"(,"cache_control":{"type":"ephemeral"})")));
  CHECK(same(ask(R"(,"temperature":1)"), ask(R"(,"temperature":1.0)")));
  CHECK(same(ask(R"(,"top_k":5)"), ask(R"(,"top_k":5.0)")));
  CHECK(same(ask(R"(,"tools":[{"name":"f","input_schema":{}}])"),
             ask(R"(,"tools":[{"type":"custom","name":"f","input_schema":{},"cache_control":{"type":"ephemeral"}}])")));
  // The marker may stand on every block, and inside of one.
  CHECK(same(
      block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}})"),
      block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"},"cache_control":{}})")));
  const auto document = [](std::string_view inner) {
    return block(R"({"type":"document","source":{"type":"content","content":[{"type":"text","text":"d")" +
                 std::string(inner) + "}]}}");
  };
  CHECK(same(document(""), document(R"(,"cache_control":{"type":"ephemeral"})")));
  // Ids of calls are random; which result belongs to which call is not.
  const auto call = [](std::string_view id, std::string_view result_id, std::string_view content = R"("4")") {
    return history(R"([{"type":"tool_use","id":")" + std::string(id) + R"(","name":"f","input":{"a":1}}])",
                   R"([{"type":"tool_result","tool_use_id":")" + std::string(result_id) + R"(","content":)" +
                       std::string(content) + "}]");
  };
  CHECK(same(call("toolu_1", "toolu_1"), call("x", "x")));
  CHECK(differ(call("toolu_1", "toolu_1"), call("toolu_1", "toolu_2")));
  CHECK(same(call("a", "a"), call("a", "a", R"([{"type":"text","text":"4"}])")));
  CHECK(differ(call("a", "a"), call("a", "a", R"("5")")));
}

TEST_CASE("nothing that matters to an answer is lost from the key of a messages body") {
  const auto parts = [](std::string_view a, std::string_view b) { CHECK(differ(ask(a), ask(b))); };
  parts("", R"(,"system":"s")");
  parts("", R"(,"system":"")");
  parts("", R"(,"thinking":{"type":"enabled","budget_tokens":1024})");
  parts(R"(,"thinking":{"type":"enabled","budget_tokens":1024})", R"(,"thinking":{"type":"enabled","budget_tokens":2048})");
  parts(R"(,"tool_choice":{"type":"any"})", R"(,"tool_choice":{"type":"auto"})");
  parts("", R"(,"tools":[{"name":"f","input_schema":{}}])");
  parts(R"(,"tools":[{"name":"f","input_schema":{}}])", R"(,"tools":[{"name":"f","input_schema":{},"strict":true}])");
  parts(R"(,"tools":[{"name":"f","input_schema":{"properties":{"a":{}}}}])",
        R"(,"tools":[{"name":"f","input_schema":{"properties":{"cache_control":{},"a":{}}}}])");
  parts("", R"(,"stop_sequences":["a"])");
  parts("", R"(,"output_config":{"effort":"low"})");
  parts("", R"(,"output_format":{"type":"json_schema","schema":{}})");
  parts("", R"(,"context_management":{"edits":[]})");
  parts("", R"(,"inference_geo":"us")");
  parts("", R"(,"later":null)");
  parts(R"(,"top_k":5)", R"(,"top_k":6)");
  parts(R"(,"system":"a b")", R"(,"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}])");
  CHECK(differ(said(R"("x")"), said(R"("y")")));
  CHECK(differ(said(R"([{"type":"text","text":"a"},{"type":"text","text":"b"}])"),
               said(R"([{"type":"text","text":"b"},{"type":"text","text":"a"}])")));
  CHECK(differ(said(R"([{"type":"text","text":"x"}])"), said(R"([{"type":"text","text":"x","citations":[{"a":1}]}])")));
  CHECK(differ(block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}})"),
               block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAB"}})")));
  CHECK(differ(history(R"([{"type":"tool_use","id":"a","name":"f","input":{}}])", R"("x")"),
               history(R"([{"type":"tool_use","id":"a","name":"f","input":{"cache_control":1}}])", R"("x")")));
  CHECK(differ(history(R"([{"type":"thinking","thinking":"a","signature":"s"}])", R"("x")"),
               history(R"([{"type":"thinking","thinking":"a","signature":"t"}])", R"("x")")));
  CHECK(differ(history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i","content":"x"}])"),
               history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i","content":"x","is_error":true}])")));
  CHECK(differ(history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i"}])"),
               history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i","content":""}])")));
}

TEST_CASE("levels of a messages body: the last plain question is folded, the end of an unfinished answer is not touched") {
  CHECK(same(said(R"("How are you?")"), said(R"("how are you")"), Level::faq));
  CHECK(differ(said(R"("How are you?")"), said(R"("how are you")"), Level::safe));
  CHECK(same(said(R"([{"type":"text","text":"Why?","cache_control":{}}])"), said(R"("why")"), Level::faq));
  CHECK(differ(ask(R"(,"system":"How?")"), ask(R"(,"system":"how")"), Level::faq));
  CHECK(same(history(R"("a")", R"("How?")"), history(R"("a")", R"("how")"), Level::faq));
  // With anything else in it a turn is more than its words.
  CHECK(differ(history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i"},{"type":"text","text":"How?"}])"),
               history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i"},{"type":"text","text":"how"}])"), Level::faq));
  CHECK(differ(history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i","content":"How?"}])"),
               history(R"("a")", R"([{"type":"tool_result","tool_use_id":"i","content":"how"}])"), Level::faq));
  const auto prefilled = [](std::string_view end) {
    return messages(R"([{"role":"user","content":"q"},{"role":"assistant","content":)" + std::string(end) + "}]");
  };
  CHECK(differ(prefilled(R"("a")"), prefilled(R"("a ")")));
  CHECK(differ(prefilled(R"([{"type":"text","text":"a"}])"), prefilled(R"([{"type":"text","text":"a\n"}])")));
  CHECK(differ(said(R"("x")"), said(R"(" x")"), Level::exact));
}

struct Row {
  std::string body;
  std::string_view reason;
};

TEST_CASE("each reason not to look up a messages body is recognised") {
  const auto tool = [](std::string_view type) {
    return ask(R"(,"tools":[{"name":"t","type":")" + std::string(type) + "\"}]");
  };
  for (const Row& row : {
           Row{R"({"model":"m","max_tokens":20,"messages":[{"role":"user","content":"ping"}]})", "ping"},
           Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"ping"}]}]})",
               "ping"},
           Row{R"({"model":"m","max_tokens":21,"messages":[{"role":"user","content":"ping"}]})", ""},
           Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"ping"}],"system":"s"})", ""},
           Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"ping"}],"system":[]})", "ping"},
           Row{R"({"model":"m","max_tokens":5,"messages":[{"role":"assistant","content":"ping"}]})", ""},
           Row{tool("custom"), ""},
           Row{tool("bash_20250124"), ""},
           Row{tool("text_editor_20250728"), ""},
           Row{tool("computer_20250124"), ""},
           Row{tool("memory_20250818"), ""},
           Row{tool("web_search_20250305"), "hosted_tool"},
           Row{tool("web_fetch_20250910"), "hosted_tool"},
           Row{tool("code_execution_20250825"), "hosted_tool"},
           Row{tool("tool_search_tool_regex_20251119"), "hosted_tool"},
           Row{tool("mcp_toolset"), "hosted_tool"},
           Row{tool("something_later"), "hosted_tool"},
           Row{ask(R"(,"mcp_servers":[{"url":"https://h"}])"), "hosted_tool"},
           Row{ask(R"(,"mcp_servers":[])"), ""},
           Row{ask(R"(,"container":"c")"), "stateful"},
           Row{ask(R"(,"container":null)"), ""},
           Row{block(R"({"type":"image","source":{"type":"url","url":"https://h/a.png"}})"), "mutable_url"},
           Row{block(R"({"type":"document","source":{"type":"url","url":"https://h/a.pdf"}})"), "mutable_url"},
           Row{block(R"({"type":"image","source":{"type":"file","file_id":"file_1"}})"), "stateful"},
           Row{block(R"({"type":"document","source":{"type":"file","file_id":"file_1"}})"), "stateful"},
           Row{block(R"({"type":"container_upload","file_id":"file_1"})"), "stateful"},
           Row{block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}})"), ""},
           Row{block(R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"}})"), ""},
           Row{block(R"({"type":"search_result","source":"https://h","title":"t","content":[{"type":"text","text":"x"}]})"),
               ""},
           Row{said(R"("see https://h/a.png")"), ""},
           Row{history(R"([{"type":"tool_use","id":"a","name":"get","input":{"url":"https://h"}}])",
                       R"([{"type":"tool_result","tool_use_id":"a","content":"https://h"}])"),
               ""},
           Row{history(R"("a")", R"([{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":)"
                                 R"({"type":"url","url":"https://h/a.png"}}]}])"),
               "mutable_url"},
       }) {
    INFO(row.body);
    CHECK(reason(row.body) == row.reason);
    CHECK_FALSE(form(row.body).empty());
  }
}

TEST_CASE("what a messages body asks of a target") {
  const chat::Request request =
      read(ask(R"(,"stream":true,"temperature":0.5,"metadata":{"user_id":"u","dify_app_id":"app"},"system":"Be kind.")"));
  CHECK(request.endpoint == k_messages);
  CHECK(request.model == "m");
  CHECK(request.stream);
  CHECK(request.temperature == 0.5);
  CHECK(request.user == "u");
  CHECK(request.app == "app");
  CHECK(request.needs.max_output == 100);
  CHECK(request.needs.stream);
  CHECK(request.prompt_tokens > 5);
  CHECK(request.prompt_tokens < 20);
  const auto needs = [](const std::string& body) { return read(body).needs; };
  const chat::Needs plain = needs(ask(""));
  CHECK_FALSE((plain.tools || plain.vision || plain.json_schema || plain.bound || plain.unknown || plain.ping));
  CHECK(needs(ask(R"(,"tools":[{"name":"f","input_schema":{}}])")).tools);
  CHECK_FALSE(needs(ask(R"(,"tools":[{"name":"f","input_schema":{}}])")).bound);
  CHECK(needs(ask(R"(,"tools":[{"type":"bash_20250124","name":"bash"}])")).bound);
  CHECK(needs(ask(R"(,"tools":[{"type":"web_search_20250305","name":"web_search"}])")).bound);
  CHECK(needs(ask(R"(,"output_config":{"format":{"type":"json_schema","schema":{}}})")).json_schema);
  CHECK_FALSE(needs(ask(R"(,"output_config":{"effort":"low"})")).json_schema);
  CHECK(needs(ask(R"(,"output_format":{"type":"json_schema","schema":{}})")).json_schema);
  CHECK(needs(ask(R"(,"container":"c")")).bound);
  const auto with = [&](std::string_view assistant) { return needs(history(assistant, R"("x")")); };
  CHECK(with(R"([{"type":"tool_use","id":"a","name":"f","input":{}}])").tools);
  CHECK_FALSE(with(R"([{"type":"tool_use","id":"a","name":"f","input":{}}])").bound);
  CHECK(with(R"([{"type":"thinking","thinking":"a","signature":"s"}])").bound);
  CHECK_FALSE(with(R"([{"type":"thinking","thinking":"a"}])").bound);
  CHECK_FALSE(with(R"([{"type":"thinking","thinking":"a","signature":""}])").bound);
  CHECK(with(R"([{"type":"redacted_thinking","data":"a"}])").bound);
  CHECK(with(R"([{"type":"server_tool_use","id":"a","name":"web_search","input":{}}])").bound);
  CHECK(with(R"([{"type":"something_later"}])").bound);
  CHECK(needs(block(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}})")).vision);
  CHECK(
      needs(block(R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}})")).vision);
  CHECK(needs(block(R"({"type":"image","source":{"type":"file","file_id":"f"}})")).bound);
  CHECK(needs(R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"ping"}]})").ping);
  // A picture and what is long count for more.
  CHECK(needs(block(R"({"type":"image","source":{"type":"base64","data":"AAAA"}})")).prompt_tokens > 500);
  CHECK(needs(said('"' + std::string(4000, 'a') + '"')).prompt_tokens > 900);
  CHECK(needs(history(R"([{"type":"tool_use","id":"a","name":"f","input":{"a":")" + std::string(4000, 'a') + R"("}}])",
                      R"("x")"))
            .prompt_tokens > 900);
}

}  // namespace
}  // namespace outrigger::providers
