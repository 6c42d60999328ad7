// How requests to /v1/responses are understood.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "providers/dialect.h"

namespace outrigger::providers::responses {
namespace {

using chat::Endpoint;

chat::Request read(std::string_view body, Level level = Level::safe) {
  return providers::understand(Endpoint::responses, body, level);
}
std::string ask(std::string_view input, std::string_view more = "") {
  return R"({"model":"m","input":)" + std::string(input) + std::string(more) + "}";
}
std::string with(std::string_view more) { return ask("\"x\"", "," + std::string(more)); }
std::string reason(std::string_view body) {
  const auto bypass = read(body).bypass;
  return bypass ? std::string(chat::name(*bypass)) : "";
}
bool same(std::string_view a, std::string_view b, Level level = Level::safe) {
  const std::string one = read(a, level).canonical;
  return !one.empty() && one == read(b, level).canonical;
}
bool differ(std::string_view a, std::string_view b, Level level = Level::safe) {
  const std::string one = read(a, level).canonical;
  const std::string other = read(b, level).canonical;
  return !one.empty() && !other.empty() && one != other;
}
std::string user(std::string_view content) { return R"([{"role":"user","content":)" + std::string(content) + "}]"; }

TEST_CASE("responses: what is not of a known shape keeps what routing needs") {
  for (const std::string& body : {
           std::string(R"({"model":"m"})"),
           std::string(R"({"input":"x"})"),
           ask("[]"),
           ask("{}"),
           ask("1"),
           ask("null"),
           ask("[1]"),
           ask(R"([{"role":"user"}])"),
           ask(R"([{"role":"user","content":5}])"),
           ask(R"([{"role":"user","content":null}])"),
           ask(R"([{"role":"","content":"x"}])"),
           ask(R"([{"type":"message","content":"x"}])"),
           ask(R"([{"content":"x"}])"),
           ask(R"([{"type":"function_call","name":"f","arguments":"{}"}])"),
           ask(user(R"([{"type":"input_text"}])")),
           ask(user(R"(["x"])")),
           with(R"("stream":1)"),
           with(R"("tools":{})"),
           with(R"("temperature":"hot")"),
       }) {
    INFO(body);
    CHECK(reason(body) == "not_understood");
    CHECK(read(body).needs.unknown);
  }
  CHECK(reason(R"({"model":"m","input":"x","input":"y"})") == "not_json");
  CHECK(reason(ask(user(R"([{"type":"input_text","text":"x","text":"y"}])"))) == "not_json");
  const chat::Request routed = read(R"({"model":"m","stream":true,"user":"u"})");
  CHECK(routed.model == "m");
  CHECK(routed.stream);
}

TEST_CASE("responses: what says the same shares a key") {
  const std::string lone = ask(R"("How are you?")");
  for (const std::string& other : {
           ask(user(R"("How are you?")")),
           ask(R"([{"type":"message","role":"user","content":"How are you?"}])"),
           ask(R"([{"type":"message","id":"msg_1","status":"completed","role":"user","content":"How are you?"}])"),
           ask(user(R"([{"type":"input_text","text":"How are you?"}])")),
           ask(user(R"("  How are you? ")")),
           ask(R"("How are you?")", R"(,"store":false,"service_tier":"flex","user":"u","safety_identifier":"s")"),
           ask(R"("How are you?")", R"(,"prompt_cache_key":"k","metadata":{"a":"b"},"stream":true,"stream_options":{})"),
           ask(R"("How are you?")", R"(,"temperature":null,"truncation":null,"instructions":null,"max_tool_calls":null)"),
       }) {
    INFO(other);
    CHECK(same(lone, other));
  }
  const std::string said = R"({"role":"user","content":"a"},{"type":"message","role":"assistant","content":)";
  CHECK(
      same(ask("[" + said + R"("b"},{"role":"user","content":"c"}])"),
           ask("[" + said +
               R"([{"type":"output_text","text":"b","annotations":[],"logprobs":[]}],"id":"msg_9","status":"completed"},)" +
               R"({"role":"user","content":"c"}])")));
  CHECK(same(with(R"("temperature":0.5)"), with(R"("temperature":5e-1)")));
}

TEST_CASE("responses: call ids are numbers, ids of items say nothing") {
  const auto body = [](std::string_view one, std::string_view two, std::string_view item) {
    return ask(R"([{"role":"user","content":"a"},{"type":"function_call","id":")" + std::string(item) + R"(","call_id":")" +
               std::string(one) + R"(","name":"f","arguments":"{}"},{"type":"function_call","call_id":")" +
               std::string(two) +
               R"(","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"x"}])");
  };
  CHECK(same(body("c1", "c2", "fc_1"), body("c1", "zz", "fc_2")));
  CHECK(differ(body("c1", "c2", "fc_1"), body("c2", "c1", "fc_1")));
  const auto output = [](std::string_view value) {
    return ask(R"([{"type":"function_call_output","call_id":"c1","output":)" + std::string(value) + "}]");
  };
  CHECK(same(output("\"x\""), output(R"([{"type":"input_text","text":"x"}])")));
  CHECK(differ(output("\"x\""), output("\"y\"")));
  CHECK(read(output("\"x\"")).needs.tools);
}

TEST_CASE("responses: nothing that may change the answer is lost from the key") {
  const std::string plain = with(R"("max_output_tokens":100)");
  for (const std::string_view more : {
           R"("instructions":"y")",
           R"("text":{"verbosity":"low"})",
           R"("text":{"verbosity":"high"})",
           R"("text":{"format":{"type":"json_object"}})",
           R"("reasoning":{"effort":"low"})",
           R"("reasoning":{"effort":"low","summary":"auto"})",
           R"("include":["reasoning.encrypted_content"])",
           R"("tool_choice":"none")",
           R"("tool_choice":{"type":"function","name":"f"})",
           R"("tools":[{"type":"function","name":"f","parameters":{},"strict":true}])",
           R"("tools":[{"type":"function","name":"f","parameters":{},"strict":false}])",
           R"("max_tool_calls":1)",
           R"("parallel_tool_calls":false)",
           R"("truncation":"auto")",
           R"("temperature":0.5)",
           R"("top_p":0.5)",
           R"("top_logprobs":2)",
           R"("something_new":null)",
           R"("something_new":{"a":1})",
       }) {
    INFO(more);
    const std::string one = with(R"("max_output_tokens":100,)" + std::string(more));
    CHECK(reason(one) == "");
    CHECK(differ(plain, one));
    CHECK(same(one, one));
  }
  CHECK(differ(plain, with(R"("max_output_tokens":101)")));
  CHECK(differ(ask(R"([{"role":"user","content":"x"}])"), ask(R"([{"role":"developer","content":"x"}])")));
  CHECK(differ(ask(user(R"([{"type":"input_text","text":"x"}])")),
               ask(user(R"([{"type":"input_text","text":"x","new":1}])"))));
  CHECK(differ(ask(R"([{"role":"user","content":"x"}])"), ask(R"([{"role":"user","content":"x","phase":"final"}])")));
  CHECK(differ(ask(R"([{"role":"user","content":"x"}])"), ask(R"([{"role":"user","content":"x","status":"incomplete"}])")));
  const auto reasoning = [](std::string_view hidden) {
    return ask(R"([{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":")" +
               std::string(hidden) + R"("},{"role":"user","content":"y"}])");
  };
  CHECK(differ(reasoning("a"), reasoning("b")));
  CHECK(read(reasoning("a")).needs.bound);
  // Without its content its id says what it is, and to whom.
  const auto kept = [](std::string_view id) {
    return read(
        ask(R"([{"role":"user","content":"x"},{"type":"reasoning","id":")" + std::string(id) + R"(","summary":[]}])"));
  };
  CHECK(kept("rs_1").needs.bound);
  CHECK(kept("rs_1").canonical == kept("rs_1").canonical);
  CHECK(kept("rs_1").canonical != kept("rs_2").canonical);
}

TEST_CASE("responses: the last question of a user is folded at the higher levels, nothing else is") {
  CHECK(same(ask(R"("How do I reset my password?")"), ask(R"("how do i reset my password")"), Level::faq));
  CHECK(same(ask(R"("How do I reset my password?")"),
             ask(user(R"([{"type":"input_text","text":"how do i reset my password"}])")), Level::faq));
  CHECK(differ(ask(R"("How do I reset my password?")"), ask(R"("how do i reset my password")"), Level::safe));
  const auto before = [](std::string_view first) {
    return ask(R"([{"role":"user","content":")" + std::string(first) + R"("},{"role":"user","content":"And now?"}])");
  };
  CHECK(differ(before("How do I reset my password?"), before("how do i reset my password"), Level::faq));
  const auto told = [](std::string_view text) { return with(R"("instructions":")" + std::string(text) + "\""); };
  CHECK(differ(told("How do I reset my password?"), told("how do i reset my password"), Level::faq));
  CHECK(same(told("a  b"), told("a b")));
  CHECK(differ(told("a  b"), told("a b"), Level::exact));
}

TEST_CASE("responses: what must not be answered from a cache says why") {
  struct Row {
    std::string body;
    std::string_view reason;
    bool bound;
  };
  const auto part = [](std::string_view json) {
    return ask(user(R"([{"type":"input_text","text":"look"},)" + std::string(json) + "]"));
  };
  for (
      const Row& row : {
          Row{with(R"("tools":[{"type":"web_search"}])"), "hosted_tool", true},
          Row{with(R"("tools":[{"type":"file_search","vector_store_ids":["v"]}])"), "hosted_tool", true},
          Row{with(R"("tools":[{"type":"mcp","server_label":"x"}])"), "hosted_tool", true},
          Row{with(R"("tools":[{"type":"custom","name":"f"}])"), "", false},
          Row{with(R"("previous_response_id":"resp_1")"), "stateful", true},
          Row{with(R"("conversation":{"id":"conv_1"})"), "stateful", true},
          Row{with(R"("background":true)"), "stateful", true},
          Row{with(R"("background":false)"), "", false},
          Row{with(R"("prompt":{"id":"pmpt_1"})"), "stateful", true},
          Row{R"({"model":"m","prompt":{"id":"pmpt_1"}})", "stateful", true},
          Row{ask(R"([{"type":"item_reference","id":"msg_1"}])"), "stateful", true},
          Row{ask(R"([{"id":"msg_1"}])"), "stateful", true},
          Row{ask(R"([{"type":"web_search_call","id":"ws_1","status":"completed"}])"), "hosted_tool", true},
          Row{ask(R"([{"type":"mcp_approval_response","approve":true,"approval_request_id":"mcpr_1"}])"), "hosted_tool",
              true},
          Row{part(R"({"type":"input_image","image_url":"https://a/b.png"})"), "mutable_url", false},
          Row{part(R"({"type":"input_image","image_url":"data:image/png;base64,AA=="})"), "", false},
          Row{part(R"({"type":"input_image","file_id":"file-1"})"), "stateful", true},
          Row{part(R"({"type":"input_image","image_url":"data:image/png;base64,AA==","file_id":null})"), "", false},
          Row{part(R"({"type":"input_file","file_id":"file-1"})"), "stateful", true},
          Row{part(R"({"type":"input_file","file_url":"https://a/b.pdf"})"), "mutable_url", false},
          Row{part(R"({"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="})"), "", false},
          Row{part(R"({"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}})"), "", false},
          Row{ask(R"([{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://a/b"}]}])"),
              "mutable_url", false},
      }) {
    INFO(row.body);
    CHECK(reason(row.body) == row.reason);
    CHECK(read(row.body).needs.bound == row.bound);
    CHECK(!read(row.body).canonical.empty());
  }
}

TEST_CASE("responses: Dify's credential check is a ping") {
  struct Row {
    std::string body;
    bool ping;
  };
  for (const Row& row : {
           Row{R"({"model":"gpt-4o-mini","input":"ping","max_output_tokens":20,"store":false})", true},
           Row{ask(user("\"ping\""), R"(,"max_output_tokens":16)"), true},
           Row{ask(user(R"([{"type":"input_text","text":"ping"}])"), R"(,"max_output_tokens":16)"), true},
           Row{ask("\"ping\"", R"(,"max_output_tokens":21)"), false},
           Row{ask("\"ping\""), false},
           Row{ask("\"Ping\"", R"(,"max_output_tokens":16)"), false},
           Row{ask(R"([{"role":"system","content":"ping"}])", R"(,"max_output_tokens":16)"), false},
           Row{ask(R"([{"role":"user","content":"ping"},{"role":"user","content":"ping"}])", R"(,"max_output_tokens":16)"),
               false},
       }) {
    INFO(row.body);
    CHECK(read(row.body).needs.ping == row.ping);
    CHECK((reason(row.body) == "ping") == row.ping);
  }
}

TEST_CASE("responses: what a request needs of a target") {
  const auto needs = [](std::string_view more) { return read(with(more)).needs; };
  CHECK(needs(R"("tools":[{"type":"function","name":"f"}])").tools);
  CHECK(needs(R"("text":{"format":{"type":"json_schema","name":"a","schema":{}}})").json_schema);
  CHECK(needs(R"("text":{"format":{"type":"json_object"}})").json_object);
  CHECK(needs(R"("max_output_tokens":77)").max_output == 77);
  CHECK(needs(R"("top_logprobs":2)").logprobs);
  CHECK(needs(R"("include":["message.output_text.logprobs"])").logprobs);
  CHECK(!needs(R"("include":["reasoning.encrypted_content"])").logprobs);
  CHECK(needs(R"("stream":true)").stream);
  CHECK(needs(R"("safety_identifier":"u")").user == chat::user_hash("u"));
  CHECK(read(ask(user(R"([{"type":"input_image","image_url":"data:,x"}])"))).needs.vision);
  CHECK(read(ask(user(R"([{"type":"input_audio","input_audio":{"data":"AA=="}}])"))).needs.audio);
  const chat::Needs plain = needs(R"("temperature":1)");
  CHECK(!(plain.tools || plain.vision || plain.audio || plain.json_schema || plain.logprobs || plain.stream || plain.bound ||
          plain.unknown || plain.ping || plain.json_object));
  CHECK(plain.prompt_tokens == 5);  // one of the text, four of the message
  CHECK(needs(R"("instructions":"four letters each ")").prompt_tokens > plain.prompt_tokens + 4);
}

}  // namespace
}  // namespace outrigger::providers::responses
