// Requests of Anthropic's messages as a Conversation: what is carried, what is noted, what is refused; and what was said before is
// heard again.
#include "anthropic_requests.h"

namespace outrigger::providers {
namespace {

using namespace anthropic_test;

std::string messages(std::string_view list, std::string_view more = "") {
  return R"({"model":"m","max_tokens":100,"messages":)" + std::string(list) + std::string(more) + "}";
}
std::string ask(std::string_view more = "") { return messages(R"([{"role":"user","content":"q"}])", more); }
std::string user(std::string_view blocks) {
  return messages(R"([{"role":"user","content":[)" + std::string(blocks) + "]}]");
}
std::string answered(std::string_view blocks) {
  return messages(R"([{"role":"user","content":"q"},{"role":"assistant","content":[)" + std::string(blocks) +
                  R"(]},{"role":"user","content":"q"}])");
}

// All of a conversation as text, to compare two.
void print(std::string& to, const Part& part) {
  to += "(" + std::to_string(static_cast<int>(part.kind)) + "|" + part.text + "|" + part.media.type + "|" +
        part.media.base64 + "|" + part.media.url + "|" + part.id + "|" + part.tool + "|" + part.arguments + "|" +
        (part.is_error ? "error" : "");
  for (const Part& inner : part.content) print(to, inner);
  to += ")";
}
std::string printed(const Conversation& c) {
  const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string("-"); };
  const auto token = [](const std::optional<std::string>& value) { return value.value_or("-"); };
  std::string to = c.model + "\n";
  for (const chat::Turn& turn : c.turns) {
    to += std::to_string(static_cast<int>(turn.role)) + ":";
    for (const Part& part : turn.parts) print(to, part);
    to += "\n";
  }
  for (const chat::Tool& tool : c.tools)
    to += tool.name + "|" + tool.description + "|" + tool.parameters + "|" + (tool.strict.value_or(false) ? "strict" : "") +
          "\n";
  if (c.tool_choice) to += "choice " + std::to_string(static_cast<int>(c.tool_choice->kind)) + c.tool_choice->tool + "\n";
  to += c.parallel_calls ? (*c.parallel_calls ? "parallel\n" : "one by one\n") : "";
  if (c.format) to += "format " + std::to_string(static_cast<int>(c.format->kind)) + c.format->schema + "\n";
  to += number(c.max_output) + " " + token(c.temperature) + " " + token(c.top_p) + " " + token(c.top_k) + "\n";
  for (const std::string& stop : c.stops) to += "stop " + stop + "\n";
  return to + c.effort + " " + number(c.thinking_budget) + " " + c.user + (c.stream ? " stream" : "") +
         (c.include_usage ? " usage" : "");
}

TEST_CASE("a whole request of Anthropic's is heard") {
  const Heard heard = hear(R"({"model":"claude","max_tokens":100,"stream":true,"temperature":0.50,"top_k":5,"top_p":0.9,
    "stop_sequences":["a","b"],"system":[{"type":"text","text":"s1"},{"type":"text","text":"s2"}],
    "metadata":{"user_id":"u"},"thinking":{"type":"enabled","budget_tokens":2048},
    "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},
    "tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true},{"type":"custom","name":"g","input_schema":{}}],
    "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
    "messages":[
      {"role":"user","content":"q"},
      {"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1.50}}]},
      {"role":"user","content":[{"type":"text","text":"after"},
        {"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"r"},
          {"type":"image","source":{"type":"url","url":"https://h/a.png"}}]},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]})");
  REQUIRE(heard.conversation);
  CHECK(heard.losses.empty());
  Conversation want = with({
      {Role::instruction, {text("s1"), text("s2")}},
      {Role::user, {text("q")}},
      {Role::assistant, {text("t"), call("toolu_1", R"({"a":1.50})")}},
      {Role::user,
       {result("toolu_1", {text("r"), image({.url = "https://h/a.png"})}), text("after"),
        image({.type = "image/png", .base64 = "AAAA"})}},
  });
  want.turns[3].parts[0].is_error = true;
  want.model = "claude";
  want.tools = {{.name = "f", .description = "d", .parameters = R"({"type":"object"})", .strict = true},
                {.name = "g", .description = "", .parameters = "{}"}};
  want.tool_choice = chat::ToolChoice{.kind = chat::ToolChoice::Kind::named, .tool = "f"};
  want.parallel_calls = false;
  want.format = chat::Format{.kind = chat::Format::Kind::json_schema, .schema = R"({"type":"object"})"};
  want.max_output = 100;
  want.temperature = "0.50";
  want.top_p = "0.9";
  want.top_k = "5";
  want.stops = {"a", "b"};
  want.effort = "low";
  want.thinking_budget = 2048;
  want.user = "u";
  want.stream = true;
  want.include_usage = true;
  CHECK(printed(*heard.conversation) == printed(want));
}

TEST_CASE("what cannot be carried away from Anthropic is refused by name") {
  struct Row {
    std::string body;
    std::string_view reason;
  };
  for (const Row& row : {
           Row{"", "not_understood"},
           Row{"[]", "not_understood"},
           Row{"{", "not_understood"},
           Row{R"({"messages":[{"role":"user","content":"q"}]})", "not_understood"},
           Row{messages("[]"), "not_understood"},
           Row{messages(R"([{"role":"tool","content":"q"}])"), "not_understood"},
           Row{messages(R"([{"role":"user","content":1}])"), "not_understood"},
           Row{messages(R"([{"role":"user","role":"user","content":"q"}])"), "not_understood"},
           Row{ask(R"(,"max_tokens":1.5)"), "not_understood"},
           Row{ask(R"(,"temperature":"1")"), "not_understood"},
           Row{ask(R"(,"stream":1)"), "not_understood"},
           Row{ask(R"(,"stop_sequences":"a")"), "not_understood"},
           Row{ask(R"(,"stop_sequences":[1])"), "not_understood"},
           Row{ask(R"(,"tool_choice":{"type":"later"})"), "not_understood"},
           Row{ask(R"(,"tool_choice":{"type":"tool"})"), "not_understood"},
           Row{ask(R"(,"thinking":{"type":"later"})"), "not_understood"},
           Row{ask(R"(,"output_format":{"type":"later"})"), "not_understood"},
           Row{ask(R"(,"system":[{"type":"image"}])"), "not_understood"},
           Row{ask(R"(,"tools":[{}])"), "not_understood"},
           Row{ask(R"(,"tools":[{"type":"web_search_20250305","name":"web_search"}])"), "hosted_tool"},
           Row{ask(R"(,"tools":[{"type":"mcp_toolset"}])"), "hosted_tool"},
           Row{ask(R"(,"tools":[{"type":"bash_20250124","name":"bash"}])"), "custom_tool"},
           Row{ask(R"(,"mcp_servers":[{}])"), "hosted_tool"},
           Row{ask(R"(,"mcp_servers":[])"), ""},
           Row{ask(R"(,"container":"c")"), "provider_id"},
           Row{user(R"({"type":"image","source":{"type":"file","file_id":"f"}})"), "provider_id"},
           Row{user(R"({"type":"document","source":{"type":"file","file_id":"f"}})"), "provider_id"},
           Row{user(R"({"type":"container_upload","file_id":"f"})"), "provider_id"},
           Row{user(R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}})"),
               "media"},
           Row{user(R"({"type":"document","source":{"type":"url","url":"https://h"}})"), "media"},
           Row{user(R"({"type":"image"})"), "not_understood"},
           Row{user(R"({"type":"something_later"})"), "not_understood"},
           Row{user(R"({"type":"tool_use","id":"a","name":"f"})"), "not_understood"},
           Row{user(R"({"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result"}]})"), "not_understood"},
           Row{user(R"({"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_reference"}]})"), "hosted_tool"},
           Row{answered(R"({"type":"thinking","thinking":"t","signature":"s"})"), "signed_thinking"},
           Row{answered(R"({"type":"redacted_thinking","data":"d"})"), "signed_thinking"},
           Row{answered(R"({"type":"server_tool_use","id":"a","name":"web_search","input":{}})"), "hosted_tool"},
           Row{answered(R"({"type":"web_search_tool_result","tool_use_id":"a","content":[]})"), "hosted_tool"},
           Row{answered(R"({"type":"mcp_tool_use","id":"a","name":"x","input":{}})"), "hosted_tool"},
           Row{answered(R"({"type":"something_later"})"), "not_understood"},
           Row{answered(R"({"type":"tool_use","id":"a"})"), "not_understood"},
           Row{messages(R"([{"role":"user","content":"q"},{"role":"assistant","content":"It is"}])"), "continuation"},
       }) {
    INFO(row.body);
    CHECK(refusal(row.body) == row.reason);
  }
}

TEST_CASE("what is lost on the way from Anthropic is noted") {
  const auto lost = [](std::string_view body) {
    const Heard heard = hear(body);
    CHECK(heard.conversation.has_value());
    return heard.losses;
  };
  CHECK(lost(ask()).empty());
  CHECK(lost(ask(R"(,"later":1,"also":null)")) == Names{"unknown"});
  CHECK(lost(ask(R"(,"service_tier":"auto","inference_geo":"us")")) == Names{"service_tier", "inference_geo"});
  CHECK(lost(ask(R"(,"context_management":{})")) == Names{"context_management"});
  CHECK(lost(ask(R"(,"thinking":{"type":"adaptive"})")) == Names{"thinking"});
  CHECK(lost(user(R"({"type":"text","text":"a","cache_control":{"type":"ephemeral"}})")) == Names{"cache_control"});
  CHECK(lost(ask(R"(,"tools":[{"name":"f","input_schema":{},"defer_loading":true}])")) == Names{"unknown"});
  CHECK(lost(answered(R"({"type":"thinking","thinking":"t"},{"type":"text","text":"a"})")) == Names{"reasoning"});
  CHECK(lost(answered(R"({"type":"text","text":"a","citations":[{}]})")) == Names{"citations"});
  const auto heard = hear(user(
      R"({"type":"document","title":"T","context":"C","source":{"type":"text","media_type":"text/plain","data":"D"}},)"
      R"({"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}},)"
      R"({"type":"search_result","title":"T","source":"https://h","content":[{"type":"text","text":"s"}]})"));
  REQUIRE(heard.conversation);
  CHECK(heard.losses == Names{"documents", "search_results"});
  const auto& parts = heard.conversation->turns[0].parts;
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].text == "T\nC\nD");
  CHECK(parts[1].text == "a\nb\n");
  CHECK(parts[2].text == "T\nhttps://h\ns\n");
  CHECK(hear(ask(R"(,"thinking":{"type":"disabled"})")).conversation->thinking_budget == 0);
}

TEST_CASE("what was said is heard again") {
  Conversation c = with({
      {Role::instruction, {text("s1"), text("s2 \"quoted\"\n")}},
      {Role::user, {text("q"), image({.type = "image/png", .base64 = "AAAA"}), image({.url = "https://h/a.png"})}},
      {Role::assistant, {text("t"), call("toolu_1", R"({"a":[1.50,null]})"), call("toolu_2")}},
      {Role::user,
       {result("toolu_2", {text("x"), image({.url = "https://h"})}), result("toolu_1", {text("r")}), text("and?")}},
      {Role::assistant, {text("u\xe2\x80\xa8v")}},
      {Role::user, {text("w"), text("x")}},
  });
  c.turns[3].parts[0].is_error = true;
  c.tools = {{.name = "f", .description = "d", .parameters = R"({"type":"object","properties":{"a":{}}})", .strict = true}};
  c.tool_choice = chat::ToolChoice{.kind = chat::ToolChoice::Kind::required};
  c.parallel_calls = true;
  c.format = chat::Format{.kind = chat::Format::Kind::json_schema, .schema = R"({"type":"object"})"};
  c.max_output = 300;
  c.temperature = "0.70";
  c.top_k = "40";
  c.stops = {"END"};
  c.effort = "high";
  c.user = "u";
  c.stream = true;
  c.include_usage = true;
  const Said said = say(c);
  CHECK(said.losses.empty());
  const Heard heard = hear(said.body);
  REQUIRE(heard.conversation);
  CHECK(heard.losses.empty());
  CHECK(printed(*heard.conversation) == printed(c));
  // With thinking in place of what it does not go with.
  c.temperature = c.top_k = std::nullopt;
  c.tool_choice->kind = chat::ToolChoice::Kind::automatic;
  c.thinking_budget = 2048;
  c.max_output = 4096;
  const Heard thinking = hear(say(c).body);
  REQUIRE(thinking.conversation);
  CHECK(printed(*thinking.conversation) == printed(c));
}

}  // namespace
}  // namespace outrigger::providers
