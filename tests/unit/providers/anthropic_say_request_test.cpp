// A Conversation as a request of Anthropic's messages: what the API would refuse is put right, noted or refused.
#include "anthropic_requests.h"

namespace outrigger::providers {
namespace {

using namespace anthropic_test;

TEST_CASE("turns are said as Anthropic wants them") {
  CHECK(messages_said({{Role::user, {text("a")}}}) == R"([{"role":"user","content":"a"}])");
  // Turns of one role become one, instructions and silence in between left out.
  CHECK(messages_said({{Role::user, {text("a")}}, {Role::instruction, {text("i")}}, {Role::user, {text("b")}}}) ==
        R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])");
  CHECK(messages_said({{Role::user, {text("a")}}, {Role::assistant, {text("")}}, {Role::user, {text("b")}}}) ==
        R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])");
  CHECK(messages_said({{Role::user, {text(" \n"), text("a"), text("")}}}) ==
        R"([{"role":"user","content":[{"type":"text","text":"a"}]}])");
  CHECK(
      messages_said({{Role::user, {text("q")}},
                     {Role::assistant, {text("t"), call("a"), call("b", R"({"x":1})")}},
                     {Role::user, {result("a", {text("1")})}},
                     {Role::user, {text("and"), result("b", {text("2"), text("3")})}}}) ==
      R"([{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"t"},)"
      R"({"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{"x":1}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result",)"
      R"("tool_use_id":"b","content":[{"type":"text","text":"2"},{"type":"text","text":"3"}]},{"type":"text","text":"and"}]}])");
  // Results without words.
  CHECK(messages_said({{Role::user, {result("a", {})}}}) ==
        R"([{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}])");
  CHECK(messages_said({{Role::user, {result("a", {text("")})}}}) ==
        R"([{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}])");
  // It begins with the user.
  const Conversation headless = with({{Role::assistant, {text("Hi")}}, {Role::user, {text("a")}}});
  CHECK(member_said(headless, "messages").starts_with(R"([{"role":"user","content":"()"));
  CHECK(losses_of(headless) == Names{"first_turn"});
  CHECK(say(with({{Role::user, {text("a")}}, {Role::assistant, {text("b")}}})).body == "continuation");
  CHECK(say(with({})).body == "not_understood");
  CHECK(say(with({{Role::instruction, {text("a")}}, {Role::user, {text(" ")}}})).body == "not_understood");
}

TEST_CASE("instructions are said as the system prompt, wherever they stood") {
  const auto system = [](std::vector<chat::Turn> turns) { return member_said(with(std::move(turns)), "system"); };
  CHECK(system({{Role::user, {text("a")}}}).empty());
  CHECK(system({{Role::instruction, {text("s")}}, {Role::user, {text("a")}}}) == R"("s")");
  CHECK(system({{Role::instruction, {text("s"), text(" ")}}, {Role::instruction, {text("t")}}, {Role::user, {text("a")}}}) ==
        R"([{"type":"text","text":"s"},{"type":"text","text":"t"}])");
  const Conversation late =
      with({{Role::instruction, {text("s")}}, {Role::user, {text("a")}}, {Role::instruction, {text("t")}}});
  CHECK(member_said(late, "system") == R"([{"type":"text","text":"s"},{"type":"text","text":"t"}])");
  CHECK(losses_of(late) == Names{"instruction_order"});
  CHECK(say(with({{Role::instruction, {image({.url = "https://h"})}}, {Role::user, {text("a")}}})).body == "media");
  Conversation json = question();
  json.format = chat::Format{.kind = chat::Format::Kind::json_object};
  CHECK(member_said(json, "system").find("JSON") != std::string::npos);
  CHECK(losses_of(json) == Names{"json_object"});
}

TEST_CASE("ids of calls become valid and unique, and results follow their calls") {
  const auto ids = [](const std::vector<std::string>& calls, const std::vector<std::string>& results) {
    std::vector<chat::Turn> turns{{Role::user, {text("q")}}, {Role::assistant, {}}, {Role::user, {}}};
    for (const std::string& id : calls) turns[1].parts.push_back(call(id));
    for (const std::string& id : results) turns[2].parts.push_back(result(id, {text("r")}));
    const JsonDoc doc = JsonDoc::read(messages_said(std::move(turns)));
    std::string out;
    for (const std::size_t turn : {1, 2}) {
      yyjson_val* content = member(yyjson_arr_get(doc.root(), turn), "content");
      yyjson_arr_iter iterator = yyjson_arr_iter_with(content);
      while (yyjson_val* block = yyjson_arr_iter_next(&iterator)) {
        out += std::string(*string_of(member(block, turn == 1 ? "id" : "tool_use_id"))) + " ";
      }
    }
    return out;
  };
  CHECK(ids({"toolu_1", "call-2"}, {"call-2", "toolu_1"}) == "toolu_1 call-2 call-2 toolu_1 ");
  CHECK(ids({"a.b", "a:b"}, {"a:b", "a.b"}) == "a_b a_b_1 a_b_1 a_b ");
  CHECK(ids({"", ""}, {"", ""}) == "call call_1 call call_1 ");
  CHECK(ids({"x", "x"}, {"x", "x"}) == "x x_1 x x_1 ");
  CHECK(ids({"x"}, {"x", "x", "?"}) == "x x x _ ");
}

TEST_CASE("arguments that are no object become one") {
  const auto input = [](const std::string& arguments) {
    const Conversation conversation = with(
        {{Role::user, {text("q")}}, {Role::assistant, {call("a", arguments)}}, {Role::user, {result("a", {text("r")})}}});
    const JsonDoc doc = JsonDoc::read(member_said(conversation, "messages"));
    const bool changed = losses_of(conversation).front() == "arguments";
    return text_of(member(yyjson_arr_get_first(member(yyjson_arr_get(doc.root(), 1), "content")), "input")) +
           (changed ? " changed" : "");
  };
  CHECK(input(R"({"a":1.50,"b":[]})") == R"({"a":1.50,"b":[]})");
  CHECK(input(" {\n} ") == "{}");
  CHECK(input("") == "{}");
  CHECK(input("null") == "{} changed");
  CHECK(input("[1]") == R"({"value":[1]} changed)");
  CHECK(input(R"("x")") == R"({"value":"x"} changed)");
  CHECK(input(R"({"a":)") == R"({"text":"{\"a\":"} changed)");
}

TEST_CASE("pictures are said by their bytes or their place") {
  const auto said = [](const chat::Media& media) {
    const Said whole = say(with({{Role::user, {image(media), text("q")}}}));
    if (!whole.body.starts_with('{')) return whole.body;
    const JsonDoc doc = JsonDoc::read(whole.body);
    yyjson_val* content = member(yyjson_arr_get_first(member(doc.root(), "messages")), "content");
    return text_of(member(yyjson_arr_get_first(content), "source")) + (whole.losses.empty() ? "" : " lossy");
  };
  CHECK(said({.type = "image/png", .base64 = "AAAA"}) == R"({"type":"base64","media_type":"image/png","data":"AAAA"})");
  CHECK(said({.type = "image/jpg", .base64 = "AAAA"}) == R"({"type":"base64","media_type":"image/jpeg","data":"AAAA"})");
  CHECK(said({.base64 = "/9j/4AAQ"}) == R"({"type":"base64","media_type":"image/jpeg","data":"/9j/4AAQ"})");
  CHECK(said({.base64 = "UklGRAAA"}) == R"({"type":"base64","media_type":"image/webp","data":"UklGRAAA"})");
  CHECK(said({.url = "https://h/a.png"}) == R"({"type":"url","url":"https://h/a.png"})");
  CHECK(said({.url = "https://h/a.png", .detail = "low"}) == R"({"type":"url","url":"https://h/a.png"} lossy)");
  CHECK(said({.url = "https://h/a.png", .detail = "auto"}) == R"({"type":"url","url":"https://h/a.png"})");
  CHECK(said({.url = "gs://h/a.png"}) == "media");
  CHECK(said({.type = "image/bmp", .base64 = "AAAA"}) == "media");
  CHECK(said({.base64 = "AAAA"}) == "media");
  CHECK(said({}) == "media");
}

TEST_CASE("tools and their choice are said") {
  using Choice = chat::ToolChoice::Kind;
  Conversation c = question();
  c.tools = {{.name = "a", .description = "", .parameters = ""},
             {.name = "b", .description = "d", .parameters = R"({"type":"object","x":1.50})", .strict = true},
             {.name = "c", .description = "", .parameters = R"({"properties":{}})", .strict = false}};
  CHECK(member_said(c, "tools") ==
        R"([{"name":"a","input_schema":{"type":"object","properties":{}}},)"
        R"({"name":"b","description":"d","input_schema":{"type":"object","x":1.50},"strict":true},)"
        R"({"name":"c","input_schema":{"type":"object","properties":{}}}])");
  CHECK(losses_of(c).empty());
  c.tools = {{.name = "a", .description = "", .parameters = "[]"}};
  CHECK(losses_of(c) == Names{"parameters"});
  CHECK(member_said(c, "tool_choice").empty());
  const auto choice = [&](std::optional<chat::ToolChoice> tool_choice, std::optional<bool> parallel) {
    c.tool_choice = std::move(tool_choice);
    c.parallel_calls = parallel;
    return member_said(c, "tool_choice");
  };
  CHECK(choice(chat::ToolChoice{Choice::automatic}, {}) == R"({"type":"auto"})");
  CHECK(choice(chat::ToolChoice{Choice::none}, false) == R"({"type":"none"})");
  CHECK(choice(chat::ToolChoice{Choice::required}, true) == R"({"type":"any","disable_parallel_tool_use":false})");
  CHECK(choice(chat::ToolChoice{Choice::named, "a"}, {}) == R"({"type":"tool","name":"a"})");
  CHECK(choice({}, false) == R"({"type":"auto","disable_parallel_tool_use":true})");
  CHECK(choice({}, true).empty());
  // Without tools there is nothing to choose, but calls that were made want theirs declared.
  Conversation bare = question();
  bare.tool_choice = chat::ToolChoice{Choice::automatic};
  CHECK(member_said(bare, "tool_choice").empty());
  const Conversation called = with({{Role::user, {text("q")}},
                                    {Role::assistant, {call("a", "{}", "g"), call("b", "{}", "f"), call("c", "{}", "g")}},
                                    {Role::user, {result("a", {text("r")})}}});
  CHECK(member_said(called, "tools") == R"([{"name":"f","input_schema":{"type":"object","properties":{}}},)"
                                        R"({"name":"g","input_schema":{"type":"object","properties":{}}}])");
  CHECK(member_said(called, "tool_choice") == R"({"type":"none"})");
  CHECK(losses_of(called) == Names{"tools"});
}

TEST_CASE("sampling is said as far as Anthropic takes it") {
  struct Row {
    void (*set)(Conversation&);
    std::string_view name, want;
    Names losses;
  };
  for (const Row& row : {
           Row{[](Conversation&) {}, "max_tokens", "8192", {}},
           Row{[](Conversation& c) { c.max_output = 5; }, "max_tokens", "5", {}},
           Row{[](Conversation& c) { c.max_output = 0; }, "max_tokens", "1", {}},
           Row{[](Conversation& c) { c.temperature = "0.70"; }, "temperature", "0.70", {}},
           Row{[](Conversation& c) { c.temperature = "1.0"; }, "temperature", "1.0", {}},
           Row{[](Conversation& c) { c.temperature = "1.5"; }, "temperature", "1", {"temperature"}},
           Row{[](Conversation& c) { c.temperature = "-1"; }, "temperature", "0", {"temperature"}},
           Row{[](Conversation& c) { c.top_p = "0.9"; }, "top_p", "0.9", {}},
           Row{[](Conversation& c) { c.temperature = "1", c.top_p = "0.9"; }, "top_p", "", {"top_p"}},
           Row{[](Conversation& c) { c.top_k = "40"; }, "top_k", "40", {}},
           Row{[](Conversation& c) {
                 c.stops = {"a", "\n", "b"};
               },
               "stop_sequences",
               R"(["a","b"])",
               {"stop_sequences"}},
           Row{[](Conversation& c) { c.stops = {" "}; }, "stop_sequences", "", {"stop_sequences"}},
           Row{[](Conversation& c) { c.seed = "1", c.frequency_penalty = "1"; }, "seed", "", {"seed", "frequency_penalty"}},
           Row{[](Conversation& c) { c.presence_penalty = "1"; }, "presence_penalty", "", {"presence_penalty"}},
           Row{[](Conversation& c) { c.verbosity = "low"; }, "verbosity", "", {"verbosity"}},
           Row{[](Conversation& c) { c.effort = "medium"; }, "output_config", R"({"effort":"medium"})", {}},
           Row{[](Conversation& c) { c.effort = "minimal"; }, "output_config", R"({"effort":"low"})", {"effort"}},
           Row{[](Conversation& c) { c.effort = "xhigh"; }, "output_config", R"({"effort":"high"})", {"effort"}},
           Row{[](Conversation& c) { c.effort = "none"; }, "output_config", "", {}},
           Row{[](Conversation& c) { c.effort = "later"; }, "output_config", "", {"effort"}},
           Row{[](Conversation& c) { c.format = chat::Format{.kind = chat::Format::Kind::json_schema, .schema = "{}"}; },
               "output_config",
               R"({"format":{"type":"json_schema","schema":{}}})",
               {}},
           Row{[](Conversation& c) { c.format = chat::Format{}; }, "output_config", "", {}},
           Row{[](Conversation& c) { c.user = "u"; }, "metadata", R"({"user_id":"u"})", {}},
           Row{[](Conversation& c) { c.user = std::string(257, 'u'); }, "metadata", "", {"user"}},
           Row{[](Conversation& c) { c.stream = true; }, "stream", "true", {}},
           Row{[](Conversation&) {}, "stream", "", {}},
       }) {
    Conversation c = question();
    row.set(c);
    INFO(row.name << " " << row.want);
    CHECK(member_said(c, row.name) == row.want);
    CHECK(losses_of(c) == row.losses);
  }
  Conversation broken = question();
  broken.format = chat::Format{.kind = chat::Format::Kind::json_schema, .schema = "rubbish"};
  CHECK(say(broken).body == "not_understood");
}

TEST_CASE("models that know of no effort are told of none") {
  const auto told = [](std::string_view model) {
    Conversation c = question();
    c.model = model;
    c.effort = "low";
    CHECK(losses_of(c).empty() == !member_said(c, "output_config").empty());
    return !member_said(c, "output_config").empty();
  };
  for (const std::string_view model : {"claude-opus-4-5", "anthropic/claude-sonnet-4.6", "claude-opus-4-6", "claude-next"}) {
    INFO(model);
    CHECK(told(model));
  }
  for (const std::string_view model :
       {"claude-haiku-4-5-20251001", "anthropic/claude-sonnet-4.5", "claude-sonnet-4-20250514", "claude-opus-4",
        "claude-opus-4-20250514", "claude-opus-4-1", "claude-3-7-sonnet"}) {
    INFO(model);
    CHECK_FALSE(told(model));
  }
}

TEST_CASE("thinking is said with the room that it needs, or not at all") {
  const auto budget = [](std::optional<std::uint64_t> asked, std::optional<std::uint64_t> max, auto&& more) {
    Conversation c = question();
    c.thinking_budget = asked;
    c.max_output = max;
    more(c);
    std::string said = member_said(c, "thinking") + " " + member_said(c, "max_tokens");
    for (const std::string_view loss : losses_of(c)) said += " " + std::string(loss);
    return said;
  };
  const auto plain = [](Conversation&) {};
  CHECK(budget({}, {}, plain) == " 8192");
  CHECK(budget(0, {}, plain) == R"({"type":"disabled"} 8192)");
  CHECK(budget(2000, {}, plain) == R"({"type":"enabled","budget_tokens":2000} 10192)");
  CHECK(budget(2000, 4000, plain) == R"({"type":"enabled","budget_tokens":2000} 4000)");
  CHECK(budget(2000, 2000, plain) == R"({"type":"enabled","budget_tokens":1999} 2000 thinking_budget)");
  CHECK(budget(100, {}, plain) == R"({"type":"enabled","budget_tokens":1024} 9216 thinking_budget)");
  CHECK(budget(2000, 1024, plain) == " 1024 thinking_budget");
  CHECK(budget(2000, 1025, plain) == R"({"type":"enabled","budget_tokens":1024} 1025 thinking_budget)");
  CHECK(budget(UINT64_MAX, {}, plain).ends_with(" 18446744073709551615 thinking_budget"));
  CHECK(budget(2000, {}, [](Conversation& c) { c.temperature = "0.5", c.top_p = "0.5", c.top_k = "5"; }) ==
        R"({"type":"enabled","budget_tokens":2000} 10192 temperature top_p top_k)");
  CHECK(budget(2000, {}, [](Conversation& c) {
          c.tools = {{.name = "f", .description = "", .parameters = ""}};
          c.tool_choice = chat::ToolChoice{.kind = chat::ToolChoice::Kind::required};
        }) == " 8192 thinking_budget");
  // An answer that called a tool would have to begin with thinking that is signed.
  CHECK(budget(2000, {}, [](Conversation& c) {
          c.tools = {{.name = "f", .description = "", .parameters = ""}};
          c.turns.push_back({Role::assistant, {call("a")}});
          c.turns.push_back({Role::user, {result("a", {text("r")})}});
        }) == " 8192 thinking_budget");
}

}  // namespace
}  // namespace outrigger::providers
