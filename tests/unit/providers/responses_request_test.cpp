// Requests on their way between the responses dialect and others.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "providers/dialect.h"
#include "support.h"

namespace outrigger::chat {
namespace {

// A conversation as text, so that a difference can be read.
void tell(std::string& to, const Part& part) {
  constexpr std::string_view k_kinds[] = {"text", "image", "call", "result"};
  to += " " + std::string(k_kinds[static_cast<std::size_t>(part.kind)]) + "{";
  for (const std::string* word : {&part.text, &part.media.type, &part.media.base64, &part.media.url, &part.media.detail,
                                  &part.id, &part.tool, &part.arguments}) {
    to += *word + "|";
  }
  for (const Part& inner : part.content) tell(to, inner);
  to += part.is_error ? "error}" : "}";
}

std::string told(const Conversation& c) {
  std::string text = c.model + "\n";
  for (const Turn& turn : c.turns) {
    text += "iua"[static_cast<std::size_t>(turn.role)];
    for (const Part& part : turn.parts) tell(text, part);
    text += "\n";
  }
  const auto flag = [](const std::optional<bool>& value) { return std::string(!value ? "-" : *value ? "yes" : "no"); };
  for (const Tool& tool : c.tools)
    text += "tool " + tool.name + "|" + tool.description + "|" + tool.parameters + "|" + flag(tool.strict) + "\n";
  if (c.tool_choice) text += "choice " + std::to_string(static_cast<int>(c.tool_choice->kind)) + c.tool_choice->tool + "\n";
  text += "parallel " + flag(c.parallel_calls) + "\n";
  if (c.format) {
    text += "format " + std::to_string(static_cast<int>(c.format->kind)) + c.format->name + "|" + c.format->description +
            "|" + c.format->schema + "|" + flag(c.format->strict) + "\n";
  }
  if (c.max_output) text += "max " + std::to_string(*c.max_output) + "\n";
  for (const auto* number : {&c.temperature, &c.top_p, &c.top_k, &c.frequency_penalty, &c.presence_penalty, &c.seed}) {
    text += number->value_or("-") + " ";
  }
  for (const std::string& stop : c.stops) text += "stop " + stop;
  if (c.thinking_budget) text += "budget " + std::to_string(*c.thinking_budget);
  return text + c.effort + "|" + c.verbosity + "|" + c.user + "|" + (c.stream ? "stream" : "") +
         (c.include_usage ? " usage" : "");
}

}  // namespace
}  // namespace outrigger::chat

namespace outrigger::providers::responses {
namespace {

using chat::Conversation;
using chat::Part;
using chat::Role;

const Dialect& dialect() { return *dialect_of(chat::Endpoint::responses); }

std::string heard(std::string_view body, chat::Losses& losses) {
  const auto said = dialect().hear_request(body, losses);
  return said ? chat::told(*said) : std::string(chat::name(said.error()));
}
std::string heard(std::string_view body) {
  chat::Losses losses;
  return heard(body, losses);
}
std::string names(const chat::Losses& losses) {
  std::string text;
  for (const std::string_view name : losses.names()) text += (text.empty() ? "" : " ") + std::string(name);
  return text;
}
std::string said(const Conversation& conversation, chat::Losses& losses) {
  const auto body = dialect().say_request(conversation, losses);
  return body ? *body : std::string(chat::name(body.error()));
}
std::string said(const Conversation& conversation) {
  chat::Losses losses;
  return said(conversation, losses);
}

Conversation full() {
  Conversation c;
  c.model = "gpt-4o";
  const Part image{.kind = Part::Kind::image,
                   .media = {.type = "image/png", .base64 = "iVBORw0KGgo=", .url = {}, .detail = "low"}};
  const Part linked{.kind = Part::Kind::image,
                    .media = {.type = {}, .base64 = {}, .url = "https://a/b.png", .detail = "auto"}};
  c.turns = {
      {.role = Role::instruction, .parts = {{.text = "Be \"brief\"."}}},
      {.role = Role::instruction, .parts = {{.text = "One."}, {.text = "Two."}}},
      {.role = Role::user, .parts = {{.text = "What is this?"}, image, linked}},
      {.role = Role::assistant,
       .parts = {{.text = "I look."},
                 {.kind = Part::Kind::call, .id = "call_1", .tool = "look", .arguments = R"({"at":"it\n"})"},
                 {.kind = Part::Kind::call, .id = "call_2", .tool = "look", .arguments = "{}"}}},
      {.role = Role::user,
       .parts = {{.kind = Part::Kind::result, .id = "call_1", .content = {{.text = "a cat"}}},
                 {.kind = Part::Kind::result, .id = "call_2", .content = {{.text = "see"}, image}},
                 {.text = "Well?"}}},
      {.role = Role::assistant,
       .parts = {{.kind = Part::Kind::call, .id = "call_3", .tool = "f", .arguments = "{}"}, {.text = "So."}}},
      {.role = Role::instruction, .parts = {{.text = "Now in French."}}},
      {.role = Role::user, .parts = {{.text = "日本語"}}},
      {.role = Role::user, .parts = {{.text = ""}}},
  };
  c.tools = {{.name = "look", .description = "Looks.", .parameters = R"({"type":"object","properties":{}})", .strict = true},
             {.name = "f", .description = {}, .parameters = {}, .strict = false}};
  c.tool_choice = {.kind = chat::ToolChoice::Kind::named, .tool = "look"};
  c.parallel_calls = false;
  c.format = {.kind = chat::Format::Kind::json_schema,
              .name = "n",
              .description = "d",
              .schema = R"({"type":"object"})",
              .strict = true};
  c.max_output = 1000;
  c.temperature = "0.70";
  c.top_p = "1";
  c.effort = "low";
  c.verbosity = "high";
  c.user = "anna";
  c.stream = true;
  c.include_usage = true;
  return c;
}

TEST_CASE("responses: everything that is carried comes back") {
  std::vector<Conversation> all{full()};
  for (const auto kind :
       {chat::ToolChoice::Kind::automatic, chat::ToolChoice::Kind::none, chat::ToolChoice::Kind::required}) {
    all.push_back(full());
    all.back().tool_choice = {.kind = kind, .tool = {}};
  }
  for (const auto kind : {chat::Format::Kind::text, chat::Format::Kind::json_object}) {
    all.push_back(full());
    all.back().format = {.kind = kind};
  }
  all.push_back(full());
  all.back().stream = false;
  all.back().verbosity.clear();
  all.back().format.reset();
  all.push_back({});
  all.back().model = "m";
  all.back().turns = {{.role = Role::instruction, .parts = {{.text = "alone"}}}};
  all.back().include_usage = true;
  for (const Conversation& conversation : all) {
    chat::Losses losses;
    const std::string body = said(conversation, losses);
    INFO(body);
    CHECK(heard(body, losses) == chat::told(conversation));
    CHECK(names(losses) == "");
    const auto bypass = providers::understand(chat::Endpoint::responses, body, Level::safe).bypass;
    CHECK((!bypass || bypass == chat::BypassReason::mutable_url));
  }
}

TEST_CASE("responses: how a request is said") {
  Conversation c;
  c.model = "m";
  c.turns = {{.role = Role::instruction, .parts = {{.text = "Be brief."}}}, {.role = Role::user, .parts = {{.text = "Hi"}}}};
  c.tools = {{.name = "f", .description = {}, .parameters = R"({"type":"object"})"}};
  CHECK(
      said(c) ==
      R"({"model":"m","instructions":"Be brief.","input":[{"role":"user","content":"Hi"}],)"
      R"("tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],"stream":false,"store":false})");
  c.tools.clear();
  c.format = {.kind = chat::Format::Kind::json_object};
  CHECK(said(c) == R"({"model":"m","input":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hi"}],)"
                   R"("text":{"format":{"type":"json_object"}},"stream":false,"store":false})");
  c.format.reset();
  c.turns = {{.role = Role::user, .parts = {{.text = "a"}, {.text = "b"}}},
             {.role = Role::assistant, .parts = {{.text = "c"}, {.text = "d"}}},
             {.role = Role::user, .parts = {{.kind = Part::Kind::result, .id = "1", .is_error = true}}}};
  chat::Losses losses;
  CHECK(
      said(c, losses) ==
      R"({"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},)"
      R"({"role":"assistant","content":[{"type":"output_text","text":"c"},{"type":"output_text","text":"d"}]},)"
      R"({"type":"function_call_output","call_id":"1","output":""}],"stream":false,"store":false})");
  CHECK(names(losses) == "is_error");
}

TEST_CASE("responses: what a request cannot say here, and what it loses") {
  Conversation c;
  c.model = "m";
  c.turns = {{.role = Role::user, .parts = {{.text = "Hi"}}}};
  c.max_output = 5;
  c.top_k = c.seed = c.frequency_penalty = c.presence_penalty = "1";
  c.thinking_budget = 7;
  chat::Losses losses;
  CHECK(said(c, losses).find("\"max_output_tokens\":16,") != std::string::npos);
  CHECK(names(losses) == "max_output top_k frequency_penalty presence_penalty seed thinking_budget");

  Conversation reasons = c;
  reasons.model = "gpt-5-mini";
  reasons.temperature = reasons.top_p = "0.5";
  reasons.user = std::string(65, 'u');
  reasons.turns.insert(reasons.turns.begin() + 1,
                       {{.role = Role::assistant, .parts = {{.kind = Part::Kind::call, .id = "1", .tool = "f"}}},
                        {.role = Role::user, .parts = {{.kind = Part::Kind::result, .id = "1"}}}});
  chat::Losses more;
  const std::string body = said(reasons, more);
  CHECK(body.find("0.5") == std::string::npos);
  CHECK(body.find("uuu") == std::string::npos);
  CHECK(body.find(R"("arguments":"{}")") != std::string::npos);
  CHECK(names(more) == "max_output temperature top_p user top_k frequency_penalty presence_penalty seed thinking_budget");

  Conversation stops = c;
  stops.stops = {"\n"};
  CHECK(said(stops) == "stop_sequences");
  Conversation nothing = c;
  nothing.turns.clear();
  CHECK(said(nothing) == "not_understood");
  Conversation goes_on = c;
  goes_on.turns.push_back({.role = Role::assistant, .parts = {{.text = "So"}}});
  CHECK(said(goes_on) == "continuation");
  Conversation shows = c;
  shows.turns.insert(shows.turns.begin(), {.role = Role::assistant, .parts = {{.kind = Part::Kind::image}}});
  CHECK(said(shows) == "media");
  Conversation wrong = c;
  wrong.turns[0].parts[0].kind = Part::Kind::call;
  CHECK(said(wrong) == "not_understood");
  wrong.turns[0].parts[0] = {.kind = Part::Kind::result, .content = {{.kind = Part::Kind::result}}};
  CHECK(said(wrong) == "not_understood");
}

TEST_CASE("responses: what a request of this dialect says to others") {
  struct Row {
    std::string_view body;
    std::string_view turns;
    std::string_view losses = {};
  };
  for (
      const Row& row : {
          Row{R"("input":"Hi")", "u text{Hi||||||||}\n"},
          Row{R"("input":"Hi","instructions":"Be brief.")", "i text{Be brief.||||||||}\nu text{Hi||||||||}\n"},
          Row{R"("input":[{"role":"system","content":"a"},{"type":"message","role":"user","content":[{"type":"input_text","text":"b"}]}])",
              "i text{a||||||||}\nu text{b||||||||}\n"},
          Row{R"("input":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}","id":"fc_1"},{"type":"function_call_output","call_id":"c","output":"x"},{"role":"user","content":"y"}])",
              "a text{a||||||||} call{|||||c|f|{}|}\nu result{|||||c||| text{x||||||||}} text{y||||||||}\n"},
          Row{R"("input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}]},{"role":"user","content":"x"}])",
              "u text{x||||||||}\n", "reasoning"},
          Row{R"("input":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]},{"role":"user","content":"b"}])",
              "u text{a||||||||}\na text{No.||||||||}\nu text{b||||||||}\n", "refusal"},
          Row{R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/jpeg;base64,/9j/","file_id":null}]}])",
              "u image{|image/jpeg|/9j/||||||}\n"},
          Row{R"("input":"Hi","store":true,"prompt_cache_key":"k","stream_options":{},"truncation":"disabled","service_tier":"auto","metadata":{},"background":false,"previous_response_id":null)",
              "u text{Hi||||||||}\n"},
          Row{R"("input":"Hi","truncation":"auto","service_tier":"flex","metadata":{"a":"b"},"include":["reasoning.encrypted_content"],"reasoning":{"summary":"auto"},"max_tool_calls":3,"new":1)",
              "u text{Hi||||||||}\n", "truncation service_tier metadata include reasoning_summary max_tool_calls unknown"},
      }) {
    INFO(row.body);
    chat::Losses losses;
    const std::string text = heard("{\"model\":\"m\"," + std::string(row.body) + "}", losses);
    const std::string want = "m\n" + std::string(row.turns) + "parallel -\n";
    CHECK(text.substr(0, want.size()) == want);
    CHECK(names(losses) == row.losses);
  }
}

TEST_CASE("responses: what two parsers could read differently is not translated") {
  CHECK(heard(R"({"model":"m","input":"a","input":"b"})") == "not_understood");
}

TEST_CASE("responses: what cannot be said to others says why") {
  struct Row {
    std::string_view members;
    std::string_view reason;
  };
  for (const Row& row : {
           Row{R"("input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAA"}])",
               "encrypted_reasoning"},
           Row{R"("input":[{"type":"compaction","encrypted_content":"gAAAA"}])", "encrypted_reasoning"},
           Row{R"("input":"x","previous_response_id":"resp_1")", "provider_id"},
           Row{R"("input":"x","conversation":"conv_1")", "provider_id"},
           Row{R"("input":"x","prompt":{"id":"p"})", "provider_id"},
           Row{R"("input":"x","background":true)", "provider_id"},
           Row{R"("input":[{"type":"item_reference","id":"msg_1"}])", "provider_id"},
           Row{R"("input":[{"id":"msg_1"}])", "provider_id"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}])", "provider_id"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}])", "provider_id"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_file","file_data":"data:,x"}]}])", "media"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/svg+xml,<svg/>"}]}])",
               "media"},
           Row{R"("input":[{"role":"system","content":[{"type":"input_image","image_url":"https://a/b"}]}])", "media"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}])", "audio"},
           Row{R"("input":[{"type":"web_search_call","id":"ws_1"}])", "hosted_tool"},
           Row{R"("input":[{"type":"mcp_list_tools","id":"mcpl_1"}])", "hosted_tool"},
           Row{R"("input":[{"type":"computer_call_output","call_id":"c"}])", "hosted_tool"},
           Row{R"("input":"x","tools":[{"type":"web_search"}])", "hosted_tool"},
           Row{R"("input":"x","tool_choice":{"type":"web_search"})", "hosted_tool"},
           Row{R"("input":"x","tools":[{"type":"custom","name":"f"}])", "custom_tool"},
           Row{R"("input":"x","tool_choice":{"type":"custom","name":"f"})", "custom_tool"},
           Row{R"("input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":"x"}])", "custom_tool"},
           Row{R"("input":"x","top_logprobs":2)", "logprobs"},
           Row{R"("input":"x","include":["message.output_text.logprobs"])", "logprobs"},
           Row{R"("input":"x","tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]})", "not_understood"},
           Row{R"("input":"x","text":{"format":{"type":"grammar"}})", "not_understood"},
           Row{R"("input":"x","text":{"format":{"type":"json_schema","name":"n"}})", "not_understood"},
           Row{R"("input":"x","temperature":"1")", "not_understood"},
           Row{R"("input":"x","max_output_tokens":-1)", "not_understood"},
           Row{R"("input":[])", "not_understood"},
           Row{R"("input":[{"role":"user","content":[{"type":"input_image","image_url":""}]}])", "not_understood"},
           Row{R"("input":[{"role":"critic","content":"x"}])", "not_understood"},
           Row{R"("input":[{"role":"user"}])", "not_understood"},
           Row{R"("input":[{"type":"function_call","name":"f"}])", "not_understood"},
           Row{R"("input":[{"type":"strange"}])", "not_understood"},
           Row{R"("instructions":[1],"input":"x")", "not_understood"},
       }) {
    INFO(row.members);
    CHECK(heard("{\"model\":\"m\"," + std::string(row.members) + "}") == row.reason);
  }
  for (const std::string_view body : {"", "[]", "{", "{}", R"({"input":"x"})", R"({"model":"m"})"})
    CHECK(heard(body) == "not_understood");
}

TEST_CASE("responses: who asks is the user, or who is named for safety") {
  for (const std::string_view more : {R"("user":"anna","safety_identifier":"b")", R"("safety_identifier":"b","user":"anna")",
                                      R"("safety_identifier":"anna","user":"")", R"("safety_identifier":"anna")"}) {
    CHECK(heard(R"({"model":"m","input":"x",)" + std::string(more) + "}").find("|anna|") != std::string::npos);
  }
}

TEST_CASE("responses: top_logprobs 0 asks for nothing") {
  CHECK(heard(R"({"model":"m","input":"x","top_logprobs":0})").starts_with("m\n"));
}

}  // namespace
}  // namespace outrigger::providers::responses
