// Anthropic's messages: shapes, tools, thoughts, what is refused, and what each fault does there.
#include <algorithm>

#include "sim/wire.h"
#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

// A body around `messages`, with other members before it.
std::string body_of(std::string_view messages, std::string_view members = "") {
  return R"({"model":"claude-sonnet-4-5","max_tokens":1000,)" + std::string(members) + R"("messages":[)" +
         std::string(messages) + "]}";
}
constexpr std::string_view k_user = R"({"role":"user","content":"Where is my parcel?"})";
constexpr std::string_view k_stream = R"("stream":true,)";
constexpr std::string_view k_tools =
    R"("tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}},)"
    R"({"name":"get_time","input_schema":{"type":"object","properties":{}}},{"type":"web_search_20250305","name":"web_search"}],)";

TEST_CASE("a blocking message has Anthropic's form") {
  Shop shop;
  const auto heard = shop.message(body_of(k_user));
  REQUIRE(heard->status() == 200);
  CHECK(heard->header("request-id").starts_with("req_"));
  CHECK(heard->header("x-request-id").empty());
  CHECK(text_in(heard->body, "id").starts_with("msg_"));
  CHECK(text_in(heard->body, "type") == "message");
  CHECK(text_in(heard->body, "role") == "assistant");
  CHECK(text_in(heard->body, "model") == "claude-sonnet-4-5");
  CHECK(text_in(heard->body, "content.0.type") == "text");
  CHECK(text_in(heard->body, "content.0.text").starts_with("About \"Where is my parcel?\""));
  CHECK(text_in(heard->body, "stop_reason") == "end_turn");
  CHECK(yyjson_is_null(at(parse_json(heard->body), "stop_sequence")));
  CHECK(number_in(heard->body, "usage.output_tokens") == 40);
  CHECK(number_in(heard->body, "usage.input_tokens") > 4);
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(number_in(stats, "by_endpoint.messages") == 1);
  CHECK(number_in(stats, "by_model.claude-sonnet-4-5") == 1);
  CHECK(number_in(stats, "completion_tokens") == 40);
}

TEST_CASE("a streamed message tells the same in events, each with its name") {
  Shop shop("first_token = \"100ms\"\nbetween_tokens = \"10ms\"\ntokens = 11");
  const auto whole = shop.message(body_of(k_user));
  const auto heard = shop.message(body_of(k_user, k_stream));
  CHECK(heard->header("content-type") == "text/event-stream; charset=utf-8");
  CHECK(*heard->end_after >= 200ms);
  CHECK(*heard->end_after <= 210ms);
  CHECK(heard->event_names() ==
        "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop");
  const auto events = heard->named_events();
  for (const auto& [name, data] : events) CHECK(text_in(data, "type") == name);
  CHECK(text_in(events[0].second, "message.id").starts_with("msg_"));
  CHECK(yyjson_is_arr(at(parse_json(events[0].second), "message.content")));
  CHECK(yyjson_is_null(at(parse_json(events[0].second), "message.stop_reason")));
  CHECK(number_in(events[0].second, "message.usage.input_tokens") == number_in(whole->body, "usage.input_tokens"));
  CHECK(joined(*heard, "delta.text") == text_in(whole->body, "content.0.text"));
  const std::string& last = events[events.size() - 2].second;
  CHECK(text_in(last, "delta.stop_reason") == "end_turn");
  CHECK(number_in(last, "usage.output_tokens") == 11);
}

TEST_CASE("a question that names tools leads to tool_use blocks, and their results to a text") {
  Shop shop;
  const std::string question = R"({"role":"user","content":"get_weather and get_time"})";
  const auto whole = shop.message(body_of(question, k_tools));
  CHECK(text_in(whole->body, "stop_reason") == "tool_use");
  CHECK(text_in(whole->body, "content.0.type") == "tool_use");
  CHECK(text_in(whole->body, "content.0.name") == "get_weather");
  CHECK(text_in(whole->body, "content.0.input.city") == "get_weather and get_time");
  CHECK(number_in(whole->body, "content.0.input.days") == 1);
  const std::string id = text_in(whole->body, "content.0.id"), other = text_in(whole->body, "content.1.id");
  CHECK(id.starts_with("toolu_"));
  CHECK(id != other);

  const auto streamed = shop.message(body_of(question, std::string(k_stream) + std::string(k_tools)));
  std::string arguments[2];
  std::size_t pieces = 0;
  for (const auto& [name, data] : streamed->named_events()) {
    const Json doc = parse_json(data);
    if (text_of(at(doc, "delta.type")) != "input_json_delta") continue;
    REQUIRE(yyjson_get_uint(at(doc, "index")) < 2);
    arguments[yyjson_get_uint(at(doc, "index"))] += text_of(at(doc, "delta.partial_json"));
    ++pieces;
  }
  CHECK(arguments[0] == R"({"city":"get_weather and get_time","days":1})");
  CHECK(arguments[1] == "{}");
  CHECK(pieces > 6);

  const std::string called =
      R"(,{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"get_weather","input":{}},{"type":"tool_use","id":"t2","name":"get_time","input":{}}]})";
  const auto result = [](std::string_view of) {
    return R"({"type":"tool_result","tool_use_id":")" + std::string(of) + R"(","content":"sunny"})";
  };
  const auto text = shop.message(
      body_of(question + called + R"(,{"role":"user","content":[)" + result("t1") + "," + result("t2") + "]}", k_tools));
  CHECK(text_in(text->body, "stop_reason") == "end_turn");
  CHECK(text_in(text->body, "content.0.text").starts_with("About \"get_weather and get_time\""));

  const auto missing =
      shop.message(body_of(question + called + R"(,{"role":"user","content":[)" + result("t1") + "]}", k_tools));
  CHECK(missing->status() == 400);
  CHECK(text_in(missing->body, "error.message").find("messages.1: `tool_use` ids were found without") == 0);
  CHECK(shop.message(body_of(question + called, k_tools))->status() == 400);
  const auto unexpected = shop.message(body_of(R"({"role":"user","content":[)" + result("t9") + "]}"));
  CHECK(unexpected->status() == 400);
  CHECK(text_in(unexpected->body, "error.message").find("unexpected `tool_use_id`") != std::string::npos);
}

TEST_CASE("tools may be forbidden, demanded, named or called one at a time") {
  Shop shop;
  struct Case {
    std::string_view choice, question, names;
  };
  for (const Case& c : {Case{R"({"type":"none"})", "get_time", ""}, Case{R"({"type":"any"})", "Hello", "get_weather"},
                        Case{R"({"type":"tool","name":"get_time"})", "get_weather", "get_time"},
                        Case{R"({"type":"auto","disable_parallel_tool_use":true})", "get_time get_weather", "get_weather"},
                        Case{R"({"type":"auto"})", "get_time get_weather", "get_weatherget_time"}}) {
    INFO(c.choice);
    const auto heard = shop.message(body_of(R"({"role":"user","content":")" + std::string(c.question) + "\"}",
                                            std::string(k_tools) + "\"tool_choice\":" + std::string(c.choice) + ","));
    CHECK(text_in(heard->body, "content.0.name") + text_in(heard->body, "content.1.name") == c.names);
  }
}

TEST_CASE("thoughts come first, with a signature, when they are asked for") {
  Shop shop;
  for (const std::string_view thinking : {R"({"type":"enabled","budget_tokens":2000})", R"({"type":"adaptive"})"}) {
    const std::string members = "\"thinking\":" + std::string(thinking) + ",\"max_tokens\":4000,";
    const auto heard = shop.message(R"({"model":"m",)" + members + R"("messages":[)" + std::string(k_user) + "]}");
    CHECK(text_in(heard->body, "content.0.type") == "thinking");
    CHECK(text_in(heard->body, "content.0.thinking").starts_with("The question is \"Where"));
    CHECK_FALSE(text_in(heard->body, "content.0.signature").empty());
    CHECK(text_in(heard->body, "content.1.type") == "text");
    const auto streamed =
        shop.message(R"({"model":"m","stream":true,)" + members + R"("messages":[)" + std::string(k_user) + "]}");
    CHECK(joined(*streamed, "delta.thinking") == text_in(heard->body, "content.0.thinking"));
    CHECK(joined(*streamed, "delta.signature") == text_in(heard->body, "content.0.signature"));
    CHECK(joined(*streamed, "delta.text") == text_in(heard->body, "content.1.text"));
  }
  const auto silent = shop.message(body_of(k_user, R"("thinking":{"type":"adaptive","display":"omitted"},)"));
  CHECK(text_in(silent->body, "content.0.thinking").empty());
  CHECK_FALSE(text_in(silent->body, "content.0.signature").empty());
  CHECK(text_in(shop.message(body_of(k_user))->body, "content.0.type") == "text");
}

TEST_CASE("a message ends for other reasons, too") {
  Shop shop;
  const auto cut = shop.message(R"({"model":"m","max_tokens":7,"messages":[)" + std::string(k_user) + "]}");
  CHECK(text_in(cut->body, "stop_reason") == "max_tokens");
  CHECK(number_in(cut->body, "usage.output_tokens") == 7);
  const auto stopped = shop.message(body_of(k_user, R"("stop_sequences":["parcel?","never"],)"));
  CHECK(text_in(stopped->body, "stop_reason") == "stop_sequence");
  CHECK(text_in(stopped->body, "stop_sequence") == "parcel?");
  CHECK(text_in(stopped->body, "content.0.text") == "About \"Where is my ");
  Shop refusing(quick("refusal = true"));
  CHECK(text_in(refusing.message(body_of(k_user))->body, "stop_reason") == "refusal");
  Shop told(quick("finish_reason = \"pause_turn\""));
  CHECK(text_in(told.message(body_of(k_user))->body, "stop_reason") == "pause_turn");
  Shop translated(quick("finish_reason = \"length\""));
  CHECK(text_in(translated.message(body_of(k_user))->body, "stop_reason") == "max_tokens");
}

TEST_CASE("a schema is followed to the least value that fits it") {
  Shop shop;
  const std::string schema =
      R"({"type":"json_schema","schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":18},)"
      R"("tags":{"type":"array","minItems":2,"items":{"enum":["a","b"]}},"on":{"type":["boolean","null"]},"at":{"$ref":"#/$defs/at"}},)"
      R"("$defs":{"at":{"anyOf":[{"type":"object","properties":{"x":{"const":7}}},{"type":"null"}]}}}})";
  for (const std::string& members :
       {"\"output_config\":{\"format\":" + schema + "},", "\"output_format\":" + schema + ","}) {
    const std::string text = text_in(shop.message(body_of(k_user, members))->body, "content.0.text");
    CHECK(text_in(text, "name").starts_with("About \"Where"));
    CHECK(number_in(text, "age") == 18);
    CHECK(text_in(text, "tags.1") == "a");
    CHECK(yyjson_is_true(at(parse_json(text), "on")));
    CHECK(number_in(text, "at.x") == 7);
  }
  const std::string endless =
      R"("output_format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}}}},)";
  CHECK(shop.message(body_of(k_user, endless))->status() == 200);
}

TEST_CASE("pictures and documents count, and so does each of them") {
  Shop shop;
  const auto shown = [&](std::string_view source) {
    const auto heard = shop.message(
        body_of(R"({"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image","source":)" +
                std::string(source) + "}]}"));
    CHECK(heard->status() == 200);
    return text_in(heard->body, "content.0.text");
  };
  const std::string one = shown(R"({"type":"base64","media_type":"image/png","data":"AAAA"})");
  CHECK(one == shown(R"({"type":"base64","media_type":"image/png","data":"AAAA"})"));
  CHECK(one != shown(R"({"type":"base64","media_type":"image/png","data":"AAAB"})"));
  CHECK(one == shown(R"({"type":"url","url":"data:image/png;base64,AAAA"})"));
  const auto chat = shop.chat(
      R"({"model":"claude-sonnet-4-5","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]})");
  CHECK(text_in(chat->body, "choices.0.message.content") == one);
}

TEST_CASE("the same conversation has the same answer as in chat completions") {
  Shop shop;
  const auto message = shop.message(body_of(
      R"({"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},{"type":"text","text":"b"}]})",
      R"("system":[{"type":"text","text":"Be brief."}],)"));
  const auto chat = shop.chat(
      R"({"model":"claude-sonnet-4-5","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"a"},)"
      R"({"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"t","content":"r"},{"role":"user","content":"b"}]})");
  REQUIRE(message->status() == 200);
  CHECK(text_in(message->body, "content.0.text") == text_in(chat->body, "choices.0.message.content"));
  CHECK(number_in(message->body, "usage.input_tokens") == number_in(chat->body, "usage.prompt_tokens"));
}

TEST_CASE("a marked beginning is written to the cache once, then read") {
  Shop shop;
  const std::string members = R"("system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],)";
  const auto one = shop.message(body_of(k_user, members));
  const auto two = shop.message(body_of(R"({"role":"user","content":"Why?"})", members));
  const auto written = number_in(one->body, "usage.cache_creation_input_tokens");
  CHECK(written > 3);
  CHECK(number_in(one->body, "usage.cache_read_input_tokens") == 0);
  CHECK(number_in(two->body, "usage.cache_creation_input_tokens") == 0);
  CHECK(number_in(two->body, "usage.cache_read_input_tokens") == written);
  CHECK(number_in(shop.message(body_of(k_user))->body, "usage.cache_read_input_tokens") == 0);
}

TEST_CASE("tokens are counted without an answer") {
  Shop shop;
  const auto counted =
      shop.ask("POST", "/v1/messages/count_tokens", R"({"model":"m","messages":[)" + std::string(k_user) + "]}",
               {{"anthropic-version", "2023-06-01"}});
  CHECK(number_in(counted->body, "input_tokens") == number_in(shop.message(body_of(k_user))->body, "usage.input_tokens"));
  CHECK(number_in(shop.ask("GET", "/sim/stats")->body, "by_endpoint.messages/count_tokens") == 1);
}

TEST_CASE("what the real one refuses is refused in its shape") {
  Shop shop;
  struct Case {
    std::string_view body, words;
  };
  for (
      const Case& c :
      {Case{R"({"model":"m","messages":[{"role":"user","content":"q"}]})", "max_tokens: Field required"},
       Case{R"({"max_tokens":5,"messages":[{"role":"user","content":"q"}]})", "model: Field required"},
       Case{R"({"model":"m","max_tokens":5})", "messages: Field required"},
       Case{R"({"model":"m","max_tokens":5,"messages":[]})", "messages: at least one message is required"},
       Case{R"({"model":"m","max_tokens":5,"messages":[{"role":"system","content":"q"}]})", "messages.0: Unexpected role"},
       Case{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"input_text"}]}]})",
            "messages.0.content.0: Input tag 'input_text'"},
       Case{R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text"}]}]})",
            "messages.0.content.0.text.text: Field required"},
       Case{
           R"({"model":"m","max_tokens":1500,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"q"}]})",
           "`max_tokens` must be greater"},
       Case{"{", "We could not parse"}}) {
    INFO(c.body);
    const auto heard = shop.message(c.body);
    CHECK(heard->status() == 400);
    CHECK(text_in(heard->body, "type") == "error");
    CHECK(text_in(heard->body, "error.type") == "invalid_request_error");
    CHECK(text_in(heard->body, "error.message").starts_with(c.words));
    CHECK(text_in(heard->body, "request_id") == heard->header("request-id"));
  }
  const auto unversioned = shop.ask("POST", "/v1/messages", body_of(k_user));
  CHECK(unversioned->status() == 400);
  CHECK(text_in(unversioned->body, "error.message") == "anthropic-version: header is required");
}

TEST_CASE("each status has its type of error") {
  struct Case {
    int status;
    std::string_view type;
  };
  for (const Case& c : {Case{400, "invalid_request_error"}, Case{401, "authentication_error"}, Case{402, "billing_error"},
                        Case{403, "permission_error"}, Case{404, "not_found_error"}, Case{413, "request_too_large"},
                        Case{429, "rate_limit_error"}, Case{500, "api_error"}, Case{503, "api_error"},
                        Case{504, "timeout_error"}, Case{529, "overloaded_error"}, Case{418, "invalid_request_error"}}) {
    INFO(c.status);
    Shop shop(quick("status = " + std::to_string(c.status)));
    const auto heard = shop.message(body_of(k_user));
    CHECK(heard->status() == c.status);
    CHECK(text_in(heard->body, "type") == "error");
    CHECK(text_in(heard->body, "error.type") == c.type);
    CHECK_FALSE(text_in(heard->body, "error.message").empty());
  }
  Shop coded(quick("status = 429\ncode = \"overloaded_error\"\nretry_after = 3"));
  const auto heard = coded.message(body_of(k_user));
  CHECK(text_in(heard->body, "error.type") == "overloaded_error");
  CHECK(heard->header("retry-after") == "3");
}

TEST_CASE("keys, models and limits hold for messages as they do for chats") {
  Shop locked("key = \"sk-ant\"\nmodels = [\"claude*\"]");
  const Shop::Fields version{{"anthropic-version", "2023-06-01"}};
  CHECK(text_in(locked.message(body_of(k_user))->body, "error.type") == "authentication_error");
  for (const auto& field :
       {std::pair<std::string, std::string>{"x-api-key", "sk-ant"}, {"authorization", "Bearer sk-ant"}}) {
    Shop::Fields fields = version;
    fields.push_back(field);
    CHECK(locked.ask("POST", "/v1/messages", body_of(k_user), fields)->status() == 200);
    const auto unknown = locked.ask("POST", "/v1/messages",
                                    R"({"model":"gpt","max_tokens":5,"messages":[{"role":"user","content":"q"}]})", fields);
    CHECK(unknown->status() == 404);
    CHECK(text_in(unknown->body, "error.type") == "not_found_error");
  }
  Shop limited(
      "first_token = \"0s\"\nbetween_tokens = \"0s\"\nrequests_per_minute = 60\nburst = 2\ntokens_per_minute = 100000");
  const auto one = limited.message(body_of(k_user));
  CHECK(one->header("anthropic-ratelimit-requests-limit") == "60");
  CHECK(one->header("anthropic-ratelimit-requests-remaining") == "1");
  CHECK(one->header("anthropic-ratelimit-tokens-limit") == "100000");
  const std::string reset = one->header("anthropic-ratelimit-requests-reset");
  REQUIRE(reset.size() == 20);
  CHECK(reset.substr(0, 14) == utc_text(unix_seconds(limited.world.loop.wall_now())).substr(0, 14));
  CHECK(reset.back() == 'Z');
  CHECK(one->header("x-ratelimit-limit-requests").empty());
  (void)limited.message(body_of(k_user));
  (void)limited.message(body_of(k_user));
  const auto refused = limited.message(body_of(k_user));
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "error.type") == "rate_limit_error");
  CHECK(refused->header("retry-after") == "1");
}

TEST_CASE("too many requests at once are told in Anthropic's words") {
  Shop shop("concurrency = 1");
  const auto first = sim::dial(shop.world, shop.address);
  const std::string body = body_of(k_user);
  first->send("POST /v1/messages HTTP/1.1\r\nHost: s\r\nanthropic-version: 2023-06-01\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  shop.world.loop.run_for(10ms);
  const auto refused = shop.message(body);
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "error.type") == "rate_limit_error");
}

TEST_CASE("faults mean on messages what they mean on chats") {
  const std::string ask = body_of(k_user, k_stream);
  const auto names = [&](std::string_view fault, std::string_view body) {
    Shop shop(quick(fault));
    return shop.message(body)->event_names();
  };
  const std::string begun = "message_start content_block_start ping content_block_delta";
  CHECK(names("truncate = true\nafter = 4", ask) == begun);
  CHECK(names("error_in_stream = true\nafter = 4", ask) == begun + " error");
  CHECK(names("error_in_200 = true", ask) == "error");
  CHECK(names("no_done = true", ask) == begun + " content_block_stop message_delta");
  CHECK(names("empty = true", ask) == "message_start message_delta message_stop");
  CHECK(names("comments = false\nevent_lines = true", ask) == begun + " content_block_stop message_delta message_stop");
  CHECK(names("out_of_order = true", ask) ==
        "message_start content_block_delta content_block_start ping content_block_delta content_block_stop message_delta "
        "message_stop");
  CHECK(names("unknown_event = true", ask) ==
        "message_start content_block_start ping content_block_delta content_block_stop content_block_start "
        "content_block_delta novelty_notice content_block_delta content_block_stop message_delta message_stop");
  Shop no_reason(quick("no_finish_reason = true"));
  CHECK(joined(*no_reason.message(ask), "delta.stop_reason").empty());
  CHECK(yyjson_is_null(at(parse_json(no_reason.message(body_of(k_user))->body), "stop_reason")));
  Shop no_usage(quick("no_usage = true"));
  CHECK(no_usage.message(ask)->body.find("usage") == std::string::npos);
  CHECK(no_usage.message(body_of(k_user))->body.find("usage") == std::string::npos);
  Shop half(quick("half_utf8 = true"));
  CHECK(half.message(ask)->body.find("\xe4\xbd\"") != std::string::npos);
  Shop novel(quick("unknown_event = true"));
  CHECK(text_in(novel.message(body_of(k_user))->body, "content.0.type") == "novelty");
  Shop crlf(quick("crlf = true"));
  CHECK(crlf.message(ask)->body.ends_with("event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n"));
  Shop comments(quick("comments = true"));
  CHECK(comments.message(ask)->body.starts_with(": keepalive\n\nevent: message_start\n"));
  Shop stall(quick("stall = \"30s\"\nafter = 2"));
  CHECK(*stall.message(ask)->end_after >= 30s);
  CHECK(*stall.message(body_of(k_user))->end_after >= 30s);
  Shop bad(quick("malformed_chunk = true"));
  CHECK(bad.message(ask)->error.has_value());
  Shop reset(quick("reset_at = 300"));
  CHECK(reset.message(ask)->error.has_value());
  Shop instead(quick("error_in_200 = true"));
  const auto blocking = instead.message(body_of(k_user));
  CHECK(blocking->status() == 200);
  CHECK(text_in(blocking->body, "error.type") == "api_error");
}

TEST_CASE("arguments that never become JSON") {
  Shop shop(quick("bad_arguments = true"));
  const std::string question = R"({"role":"user","content":"get_weather and get_time"})";
  const auto streamed = shop.message(body_of(question, std::string(k_stream) + std::string(k_tools)));
  const std::string arguments = joined(*streamed, "delta.partial_json");
  CHECK(arguments.starts_with("{\"city\":"));
  CHECK(parse_json(arguments) == nullptr);
  CHECK_FALSE(text_in(shop.message(body_of(question, k_tools))->body, "content.0.input").empty());
}

}  // namespace
}  // namespace outrigger::sim_provider
