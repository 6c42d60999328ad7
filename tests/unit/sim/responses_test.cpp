// OpenAI's responses: shapes, tools, thoughts, going on from an earlier one, and what each fault does there.
#include <algorithm>

#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

std::string body_of(std::string_view members) { return R"({"model":"gpt-5",)" + std::string(members) + "}"; }
constexpr std::string_view k_input = R"("input":"Where is my parcel?")";
constexpr std::string_view k_stream = R"("stream":true,"input":"Where is my parcel?")";
constexpr std::string_view k_tools =
    R"(,"tools":[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}},)"
    R"({"type":"web_search"},{"type":"function","name":"get_time","parameters":null}])";

std::unique_ptr<Heard> respond(Shop& shop, std::string_view members) {
  return shop.ask("POST", "/v1/responses", body_of(members));
}

TEST_CASE("a blocking response has OpenAI's form, and repeats what it was asked with") {
  Shop shop;
  const auto heard =
      respond(shop, std::string(k_input) + R"(,"instructions":"Be brief.","temperature":0.5,"metadata":{"a":"b"})");
  REQUIRE(heard->status() == 200);
  CHECK(heard->header("x-request-id").starts_with("req_"));
  CHECK(text_in(heard->body, "id").starts_with("resp_"));
  CHECK(text_in(heard->body, "object") == "response");
  CHECK(text_in(heard->body, "status") == "completed");
  CHECK(text_in(heard->body, "model") == "gpt-5");
  CHECK(text_in(heard->body, "instructions") == "Be brief.");
  CHECK(text_in(heard->body, "metadata.a") == "b");
  CHECK(text_in(heard->body, "tool_choice") == "auto");
  CHECK(yyjson_get_real(at(parse_json(heard->body), "temperature")) == 0.5);
  CHECK(text_in(heard->body, "output.0.type") == "message");
  CHECK(text_in(heard->body, "output.0.id").starts_with("msg_"));
  CHECK(text_in(heard->body, "output.0.status") == "completed");
  CHECK(text_in(heard->body, "output.0.content.0.type") == "output_text");
  CHECK(text_in(heard->body, "output.0.content.0.text").starts_with("About \"Where is my parcel?\""));
  CHECK(number_in(heard->body, "usage.output_tokens") == 40);
  CHECK(number_in(heard->body, "usage.total_tokens") == number_in(heard->body, "usage.input_tokens") + 40);
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(number_in(stats, "by_endpoint.responses") == 1);
  CHECK(number_in(stats, "completion_tokens") == 40);
}

TEST_CASE("a streamed response tells the same in numbered events") {
  Shop shop;
  const auto whole = respond(shop, k_input);
  const auto heard = respond(shop, k_stream);
  CHECK(heard->event_names() ==
        "response.created response.in_progress response.output_item.added response.content_part.added "
        "response.output_text.delta response.output_text.done response.content_part.done response.output_item.done "
        "response.completed");
  const auto events = heard->named_events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    CHECK(text_in(events[i].second, "type") == events[i].first);
    CHECK(number_in(events[i].second, "sequence_number") == i);
  }
  const std::string text = text_in(whole->body, "output.0.content.0.text");
  std::string deltas;
  for (const auto& [name, data] : events) deltas += text_in(data, "delta");
  CHECK(deltas == text);
  CHECK(text_in(events[0].second, "response.status") == "in_progress");
  CHECK(yyjson_is_null(at(parse_json(events[0].second), "response.usage")));
  const std::string& last = events.back().second;
  CHECK(text_in(last, "response.status") == "completed");
  CHECK(text_in(last, "response.output.0.content.0.text") == text);
  CHECK(text_in(last, "response.id") == text_in(events[0].second, "response.id"));
  CHECK(number_in(last, "response.usage.output_tokens") == 40);
}

TEST_CASE("tools are called in parallel, and answered over two turns") {
  Shop shop;
  const std::string question = R"({"role":"user","content":[{"type":"input_text","text":"get_weather and get_time"}]})";
  const auto whole = respond(shop, "\"input\":[" + question + "]" + std::string(k_tools));
  CHECK(text_in(whole->body, "status") == "completed");
  CHECK(text_in(whole->body, "output.0.type") == "function_call");
  CHECK(text_in(whole->body, "output.0.name") == "get_weather");
  CHECK(text_in(whole->body, "output.0.arguments") == R"({"city":"get_weather and get_time"})");
  CHECK(text_in(whole->body, "output.1.name") == "get_time");
  CHECK(text_in(whole->body, "output.1.arguments") == "{}");
  const std::string id = text_in(whole->body, "output.0.call_id");
  CHECK(id.starts_with("call_"));
  CHECK(id != text_in(whole->body, "output.1.call_id"));

  const auto streamed = respond(shop, "\"stream\":true,\"input\":[" + question + "]" + std::string(k_tools));
  std::string arguments[2];
  for (const auto& [name, data] : streamed->named_events()) {
    if (name != "response.function_call_arguments.delta") continue;
    REQUIRE(number_in(data, "output_index") < 2);
    arguments[number_in(data, "output_index")] += text_in(data, "delta");
  }
  CHECK(arguments[0] == R"({"city":"get_weather and get_time"})");
  CHECK(arguments[1] == "{}");

  const std::string calls =
      R"(,{"type":"reasoning","id":"rs","summary":[]},{"type":"function_call","call_id":"c1","name":"get_weather","arguments":"{}"},{"type":"function_call","call_id":"c2","name":"get_time","arguments":"{}"})";
  const std::string one = R"(,{"type":"function_call_output","call_id":"c1","output":"sunny"})";
  const std::string two =
      R"(,{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"noon"}]})";
  const auto text = respond(shop, "\"input\":[" + question + calls + one + two + "]" + std::string(k_tools));
  CHECK(text_in(text->body, "output.0.content.0.text").starts_with("About \"get_weather and get_time\""));
  const auto missing = respond(shop, "\"input\":[" + question + calls + one + "]");
  CHECK(missing->status() == 400);
  CHECK(text_in(missing->body, "error.message") == "No tool output found for function call c2.");
  const auto unknown = respond(shop, "\"input\":[" + one.substr(1) + "]");
  CHECK(text_in(unknown->body, "error.message") == "No tool call found for function call output with call_id c1.");

  const auto chat = shop.chat(
      R"({"model":"gpt-5","messages":[{"role":"user","content":"get_weather and get_time"},{"role":"assistant","content":"","tool_calls":[]},{"role":"tool","content":"sunny"},{"role":"tool","content":"noon"}]})");
  CHECK(text_in(text->body, "output.0.content.0.text") == text_in(chat->body, "choices.0.message.content"));
}

TEST_CASE("thoughts are an item before the answer, told or sealed as asked") {
  Shop shop;
  const std::string asked = R"(,"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"])";
  const auto whole = respond(shop, std::string(k_input) + asked);
  CHECK(text_in(whole->body, "output.0.type") == "reasoning");
  CHECK(text_in(whole->body, "output.0.summary.0.text").starts_with("The question is"));
  CHECK_FALSE(text_in(whole->body, "output.0.encrypted_content").empty());
  CHECK(text_in(whole->body, "output.1.type") == "message");
  CHECK(number_in(whole->body, "usage.output_tokens_details.reasoning_tokens") > 5);
  const auto streamed = respond(shop, std::string(k_stream) + asked);
  CHECK(streamed->event_names().find(
            "response.output_item.added response.reasoning_summary_part.added response.reasoning_summary_text.delta "
            "response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done") !=
        std::string::npos);
  const auto silent = respond(shop, std::string(k_input) + R"(,"reasoning":{"effort":"low"})");
  CHECK(text_in(silent->body, "output.0.type") == "reasoning");
  CHECK(at(parse_json(silent->body), "output.0.summary.0") == nullptr);
  CHECK(at(parse_json(silent->body), "output.0.encrypted_content") == nullptr);
  const auto none = respond(shop, std::string(k_input) + R"(,"reasoning":{"effort":"none"})");
  CHECK(text_in(none->body, "output.0.type") == "message");
}

TEST_CASE("a text may have to be JSON, or end early") {
  Shop shop;
  const auto json = respond(shop, std::string(k_input) + R"(,"text":{"format":{"type":"json_object"}})");
  CHECK(text_in(text_in(json->body, "output.0.content.0.text"), "answer").starts_with("About"));
  const auto schema = respond(
      shop,
      std::string(k_input) +
          R"(,"text":{"format":{"type":"json_schema","name":"x","schema":{"type":"object","properties":{"n":{"type":"integer"}}}}})");
  CHECK(text_in(schema->body, "output.0.content.0.text") == R"({"n":1})");
  CHECK(text_in(schema->body, "text.format.name") == "x");
  const auto cut = respond(shop, std::string(k_input) + R"(,"max_output_tokens":16)");
  CHECK(text_in(cut->body, "status") == "incomplete");
  CHECK(text_in(cut->body, "incomplete_details.reason") == "max_output_tokens");
  CHECK(text_in(cut->body, "output.0.status") == "incomplete");
  const auto streamed = respond(shop, std::string(k_stream) + R"(,"max_output_tokens":16)");
  CHECK(streamed->named_events().back().first == "response.incomplete");
  const auto few = respond(shop, std::string(k_input) + R"(,"max_output_tokens":15)");
  CHECK(few->status() == 400);
  CHECK(text_in(few->body, "error.code") == "integer_below_min_value");
}

TEST_CASE("a response goes on from one that was kept") {
  Shop shop;
  const auto from = [&](std::string_view id) {
    return respond(shop, R"("input":"And now?","previous_response_id":")" + std::string(id) + "\"");
  };
  const auto first = respond(shop, k_input);
  const auto second = from(text_in(first->body, "id"));
  CHECK(second->status() == 200);
  CHECK(text_in(second->body, "previous_response_id") == text_in(first->body, "id"));
  CHECK(number_in(second->body, "usage.input_tokens") > number_in(first->body, "usage.total_tokens"));
  const auto alone = respond(shop, R"("input":"And now?")");
  CHECK(text_in(alone->body, "output.0.content.0.text") != text_in(second->body, "output.0.content.0.text"));
  const auto unkept = respond(shop, std::string(k_input) + ",\"store\":false");
  for (const std::string& id : {text_in(unkept->body, "id"), std::string("resp_unknown")}) {
    const auto refused = from(id);
    CHECK(refused->status() == 400);
    CHECK(text_in(refused->body, "error.code") == "previous_response_not_found");
    CHECK(text_in(refused->body, "error.param") == "previous_response_id");
  }
  const auto called = respond(shop, R"("input":"get_time")" + std::string(k_tools));
  const auto result =
      respond(shop, R"("input":[{"type":"function_call_output","call_id":")" + text_in(called->body, "output.0.call_id") +
                        R"(","output":"noon"}],"previous_response_id":")" + text_in(called->body, "id") + "\"" +
                        std::string(k_tools));
  CHECK(text_in(result->body, "output.0.content.0.text").starts_with("About \"get_time\""));
  CHECK(shop.ask("POST", "/sim/reset")->status() == 200);
  CHECK(from(text_in(first->body, "id"))->status() == 400);
}

TEST_CASE("bodies that are no responses' are refused in OpenAI's shape") {
  Shop shop;
  struct Case {
    std::string_view members, words;
  };
  for (const Case& c : {Case{R"("messages":[])", "Missing required parameter: 'input'."},
                        Case{R"("input":[{"type":"novelty"}])", "Invalid value: 'novelty'."},
                        Case{R"("input":[{"role":"tool","content":"x"}])", "Invalid value: 'tool'."}}) {
    INFO(c.members);
    const auto heard = respond(shop, c.members);
    CHECK(heard->status() == 400);
    CHECK(text_in(heard->body, "error.message").starts_with(c.words));
    CHECK(text_in(heard->body, "error.type") == "invalid_request_error");
  }
}

TEST_CASE("faults mean on responses what they mean on chats") {
  const auto names = [&](std::string_view fault) {
    Shop shop(quick(fault));
    return respond(shop, k_stream)->event_names();
  };
  const std::string begun =
      "response.created response.in_progress response.output_item.added response.content_part.added "
      "response.output_text.delta";
  const std::string ended = " response.output_text.done response.content_part.done response.output_item.done";
  CHECK(names("truncate = true\nafter = 4") == begun);
  CHECK(names("error_in_stream = true\nafter = 4") == begun + " error");
  CHECK(names("error_in_200 = true") == "error");
  CHECK(names("no_done = true") == begun + ended);
  CHECK(names("empty = true") == "response.created response.in_progress response.completed");
  CHECK(names("finish_reason = \"failed\"") == begun + ended + " response.failed");
  CHECK(names("finish_reason = \"content_filter\"") == begun + ended + " response.incomplete");
  CHECK(names("out_of_order = true") ==
        "response.created response.in_progress response.output_text.delta response.output_item.added "
        "response.content_part.added response.output_text.delta" +
            ended + " response.completed");
  CHECK(names("unknown_event = true") ==
        "response.created response.in_progress response.output_item.added response.output_item.done "
        "response.output_item.added response.content_part.added response.output_text.delta response.novelty.notice "
        "response.output_text.delta" +
            ended + " response.completed");
  Shop inside(quick("error_in_stream = true\nafter = 4"));
  const auto events = respond(inside, k_stream)->named_events();
  CHECK(text_in(events.back().second, "code") == "server_error");
  CHECK(number_in(events.back().second, "sequence_number") == events.size() - 1);
  Shop failed(quick("finish_reason = \"failed\""));
  const auto whole = respond(failed, k_input);
  CHECK(whole->status() == 200);
  CHECK(text_in(whole->body, "status") == "failed");
  CHECK(text_in(whole->body, "error.code") == "server_error");
  Shop no_reason(quick("no_finish_reason = true"));
  CHECK(yyjson_is_null(at(parse_json(respond(no_reason, k_input)->body), "status")));
  Shop no_usage(quick("no_usage = true"));
  CHECK(respond(no_usage, k_stream)->body.find("usage") == std::string::npos);
  Shop refusing(quick("refusal = true"));
  CHECK(text_in(respond(refusing, k_input)->body, "output.0.content.0.refusal") == "I cannot help with that.");
  CHECK(respond(refusing, k_stream)->event_names().find("response.refusal.delta response.refusal.done") !=
        std::string::npos);
  Shop bad(quick("bad_arguments = true"));
  const auto called = respond(bad, R"("input":"get_weather")" + std::string(k_tools));
  CHECK(parse_json(text_in(called->body, "output.0.arguments")) == nullptr);
  Shop limited(quick("status = 429\ncode = \"insufficient_quota\"\nretry_after = 2"));
  const auto refused = respond(limited, k_input);
  CHECK(refused->status() == 429);
  CHECK(refused->header("retry-after") == "2");
  CHECK(text_in(refused->body, "error.code") == "insufficient_quota");
  Shop half(quick("half_utf8 = true"));
  CHECK(parse_json(respond(half, k_input)->body) == nullptr);
}

}  // namespace
}  // namespace outrigger::sim_provider
