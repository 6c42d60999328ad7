// What a well-behaved provider answers, over the simulated wire.
#include <algorithm>
#include <cmath>

#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

constexpr Duration k_latency = 200us;  // of the simulated link, one way

TEST_CASE("a blocking chat answer has OpenAI's form") {
  Shop shop;
  const auto heard = shop.chat(k_question);
  REQUIRE(heard->status() == 200);
  CHECK(heard->header("content-type") == "application/json");
  CHECK(heard->header("x-request-id").starts_with("req_"));
  CHECK(text_in(heard->body, "object") == "chat.completion");
  CHECK(text_in(heard->body, "id").starts_with("chatcmpl-"));
  CHECK(text_in(heard->body, "id").size() == 9 + 29);
  CHECK(text_in(heard->body, "model") == "gpt-4o-mini");
  CHECK(text_in(heard->body, "choices.0.message.role") == "assistant");
  CHECK(text_in(heard->body, "choices.0.message.content").starts_with("About \"Where is my parcel?\""));
  CHECK(text_in(heard->body, "choices.0.finish_reason") == "stop");
  CHECK(number_in(heard->body, "usage.completion_tokens") == 40);
  CHECK(number_in(heard->body, "usage.prompt_tokens") > 4);
  CHECK(number_in(heard->body, "usage.total_tokens") == number_in(heard->body, "usage.prompt_tokens") + 40);
  CHECK(number_in(heard->body, "created") == static_cast<std::uint64_t>(unix_seconds(shop.world.loop.wall_now())));
}

TEST_CASE("a blocking answer takes as long as its tokens take") {
  Shop shop("first_token = \"100ms\"\nbetween_tokens = \"10ms\"\ntokens = 11");
  const auto heard = shop.chat(k_question);
  CHECK(*heard->head_after >= 200ms);
  CHECK(*heard->head_after <= 200ms + 10 * k_latency);
}

TEST_CASE("a stream comes token by token at its pace") {
  Shop shop("first_token = \"100ms\"\nbetween_tokens = \"10ms\"\ntokens = 11");
  const auto heard = shop.chat(k_streamed);
  REQUIRE(heard->status() == 200);
  CHECK(heard->header("content-type") == "text/event-stream; charset=utf-8");
  CHECK(*heard->body_after >= 100ms);
  CHECK(*heard->body_after <= 100ms + 10 * k_latency);
  CHECK(*heard->end_after >= 200ms);
  CHECK(*heard->end_after <= 200ms + 10 * k_latency);
  const auto events = heard->events();
  REQUIRE(events.size() == 1 + 11 + 1 + 1);
  CHECK(text_in(events.front(), "choices.0.delta.role") == "assistant");
  CHECK(text_in(events[12], "choices.0.finish_reason") == "stop");
  CHECK(events.back() == "[DONE]");
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    CHECK(text_in(events[i], "object") == "chat.completion.chunk");
    CHECK(text_in(events[i], "id") == text_in(events[0], "id"));
    CHECK(at(parse_json(events[i]), "usage") == nullptr);
  }
}

TEST_CASE("the same question has the same answer, streamed or not, under a fresh id") {
  Shop shop;
  const auto one = shop.chat(k_question);
  const auto two = shop.chat(k_question);
  const auto streamed = shop.chat(k_streamed);
  const std::string text = text_in(one->body, "choices.0.message.content");
  CHECK(text_in(two->body, "choices.0.message.content") == text);
  CHECK(streamed_text(*streamed) == text);
  CHECK(text_in(one->body, "id") != text_in(two->body, "id"));
  const auto other =
      shop.chat(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Where is my parcel now?"}]})");
  CHECK(text_in(other->body, "choices.0.message.content") != text);
}

TEST_CASE("usage in a stream comes when asked for, with no choices, before the end mark") {
  Shop shop;
  const auto events = shop.chat(k_streamed_usage)->events();
  REQUIRE(events.size() == 1 + 40 + 1 + 1 + 1);
  const Json last = parse_json(events[events.size() - 2]);
  CHECK(yyjson_arr_size(at(last, "choices")) == 0);
  CHECK(yyjson_is_arr(at(last, "choices")));
  CHECK(yyjson_get_uint(at(last, "usage.completion_tokens")) == 40);
  for (std::size_t i = 0; i + 2 < events.size(); ++i) {
    const Json doc = parse_json(events[i]);
    CHECK(yyjson_is_null(at(doc, "usage")));
  }
}

TEST_CASE("the text of an answer can be the question, fixed, or of a given size") {
  Shop echo("answer = \"echo\"");
  CHECK(text_in(echo.chat(k_question)->body, "choices.0.message.content") == "Where is my parcel?");
  Shop fixed("answer = \"fixed\"\ntext = \"Grüß Gott\"");
  CHECK(streamed_text(*fixed.chat(k_streamed)) == "Grüß Gott");
  Shop sized("answer = \"size\"\nsize = \"2KiB\"");
  CHECK(text_in(sized.chat(k_question)->body, "choices.0.message.content").size() == 2048);
}

TEST_CASE("an answer stops at max_tokens and says so") {
  Shop shop;
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    const std::string most = std::string("{\"model\":\"m\",\"") + key + "\":";
    const std::string rest = R"(,"messages":[{"role":"user","content":"Why?"}]})";
    const auto cut = shop.chat(most + "39" + rest);
    CHECK(number_in(cut->body, "usage.completion_tokens") == 39);
    CHECK(text_in(cut->body, "choices.0.finish_reason") == "length");
    CHECK(text_in(shop.chat(most + "40" + rest)->body, "choices.0.finish_reason") == "stop");
  }
}

constexpr std::string_view k_tools =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}}}}},)"
    R"({"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{}}}}])";

std::string with_tools(std::string_view messages, bool stream = false) {
  return std::string("{\"model\":\"m\",") + (stream ? "\"stream\":true," : "") + std::string(k_tools) + ",\"messages\":[" +
         std::string(messages) + "]}";
}

TEST_CASE("a question that names tools leads to calls of them") {
  Shop shop;
  const auto heard = shop.chat(with_tools(R"({"role":"user","content":"Please use get_weather and get_time"})"));
  CHECK(text_in(heard->body, "choices.0.finish_reason") == "tool_calls");
  CHECK(text_in(heard->body, "choices.0.message.tool_calls.0.function.name") == "get_weather");
  CHECK(text_in(heard->body, "choices.0.message.tool_calls.0.function.arguments") ==
        R"({"city":"Please use get_weather and get_time","days":1,"unit":"c"})");
  CHECK(text_in(heard->body, "choices.0.message.tool_calls.1.function.name") == "get_time");
  CHECK(text_in(heard->body, "choices.0.message.tool_calls.1.function.arguments") == "{}");
  CHECK(text_in(heard->body, "choices.0.message.tool_calls.0.id") !=
        text_in(heard->body, "choices.0.message.tool_calls.1.id"));
  CHECK(yyjson_is_null(at(parse_json(heard->body), "choices.0.message.content")));
}

TEST_CASE("the word tool means the first tool, and after a tool's result comes a text") {
  Shop shop;
  const auto call = shop.chat(with_tools(R"({"role":"user","content":"use a tool"})"));
  CHECK(text_in(call->body, "choices.0.message.tool_calls.0.function.name") == "get_weather");
  const auto text =
      shop.chat(with_tools(R"({"role":"user","content":"use a tool"},{"role":"assistant","content":null,"tool_calls":[]},)"
                           R"({"role":"tool","tool_call_id":"x","content":"sunny"})"));
  CHECK(text_in(text->body, "choices.0.finish_reason") == "stop");
  CHECK(text_in(text->body, "choices.0.message.content").starts_with("About \"use a tool\""));
  const auto plain = shop.chat(with_tools(R"({"role":"user","content":"Hello"})"));
  CHECK(text_in(plain->body, "choices.0.finish_reason") == "stop");
}

TEST_CASE("streamed tool calls join to the blocking ones") {
  Shop shop;
  const auto heard = shop.chat(with_tools(R"({"role":"user","content":"get_weather and get_time"})", true));
  std::string names, arguments[2];
  for (const std::string& event : heard->events()) {
    const Json doc = parse_json(event);
    yyjson_val* call = at(doc, "choices.0.delta.tool_calls.0");
    if (call == nullptr) continue;
    const auto index = yyjson_get_uint(yyjson_obj_get(call, "index"));
    REQUIRE(index < 2);
    yyjson_val* function = yyjson_obj_get(call, "function");
    names += text_at(function, "name");
    arguments[index] += text_at(function, "arguments");
  }
  CHECK(names == "get_weatherget_time");
  CHECK(arguments[0] == R"({"city":"get_weather and get_time","days":1,"unit":"c"})");
  CHECK(arguments[1] == "{}");
}

TEST_CASE("JSON mode, log probabilities and reasoning") {
  Shop shop;
  const auto json = shop.chat(
      R"({"model":"m","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"Say \"hi\""}]})");
  CHECK(text_in(text_in(json->body, "choices.0.message.content"), "answer").starts_with("About \"Say \"hi\"\""));
  const auto probable = shop.chat(R"({"model":"m","logprobs":true,"messages":[{"role":"user","content":"你好"}]})");
  const Json doc = parse_json(probable->body);
  CHECK(yyjson_arr_size(at(doc, "choices.0.logprobs.content")) == 40);
  const auto thinking = shop.chat(R"({"model":"sim-reasoner","messages":[{"role":"user","content":"Why?"}]})");
  CHECK(text_in(thinking->body, "choices.0.message.reasoning_content").starts_with("The question is \"Why?\""));
  CHECK(number_in(thinking->body, "usage.completion_tokens_details.reasoning_tokens") > 5);
  const auto streamed = shop.chat(R"({"model":"sim-reasoner","stream":true,"messages":[{"role":"user","content":"Why?"}]})");
  std::string thought;
  for (const std::string& event : streamed->events()) thought += text_in(event, "choices.0.delta.reasoning_content");
  CHECK(thought == text_in(thinking->body, "choices.0.message.reasoning_content"));
}

TEST_CASE("the older completions have a form of their own") {
  Shop shop;
  const auto heard = shop.ask("POST", "/completions", R"({"model":"m","prompt":"Once upon","logprobs":1})");
  CHECK(text_in(heard->body, "object") == "text_completion");
  CHECK(text_in(heard->body, "choices.0.text").starts_with("About \"Once upon\""));
  const Json doc = parse_json(heard->body);
  CHECK(yyjson_arr_size(at(doc, "choices.0.logprobs.tokens")) == 40);
  const auto streamed = shop.ask("POST", "/v1/completions", R"({"model":"m","prompt":["Once upon"],"stream":true})");
  std::string text;
  for (const std::string& event : streamed->events()) text += text_in(event, "choices.0.text");
  CHECK(text == text_in(heard->body, "choices.0.text"));
}

TEST_CASE("embeddings are unit vectors that depend on the text alone") {
  Shop shop;
  const auto heard = shop.ask("POST", "/v1/embeddings", R"({"model":"e","input":["one","two","one"],"dimensions":64})");
  const Json doc = parse_json(heard->body);
  REQUIRE(yyjson_arr_size(at(doc, "data")) == 3);
  double square = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const double x = yyjson_get_num(yyjson_arr_get(at(doc, "data.0.embedding"), i));
    square += x * x;
    CHECK(x == yyjson_get_num(yyjson_arr_get(at(doc, "data.2.embedding"), i)));
  }
  CHECK(std::abs(square - 1) < 1e-4);
  CHECK(yyjson_get_num(at(doc, "data.0.embedding.0")) != yyjson_get_num(at(doc, "data.1.embedding.0")));
  CHECK(number_in(heard->body, "data.1.index") == 1);
  CHECK(number_in(heard->body, "usage.prompt_tokens") == 3);
  const auto one = shop.ask("POST", "/embeddings", R"({"model":"e","input":"one"})");
  CHECK(yyjson_arr_size(at(parse_json(one->body), "data.0.embedding")) == 1536);
  const auto packed =
      shop.ask("POST", "/embeddings", R"({"model":"e","input":[1,2,3],"dimensions":3,"encoding_format":"base64"})");
  CHECK(text_in(packed->body, "data.0.embedding").size() == 16);
  CHECK(shop.provider.ledger().texts_embedded == 5);
}

TEST_CASE("a request that cannot be understood gets OpenAI's 400") {
  Shop shop;
  const std::pair<const char*, const char*> cases[] = {
      {"{", "We could not parse the JSON body of your request."},
      {"[]", "We could not parse the JSON body of your request."},
      {R"({"messages":[]})", "you must provide a model parameter"},
      {R"({"model":"m"})", "Missing required parameter: 'messages'."},
      {R"({"model":"m","messages":[{}]})", "Missing required parameter: 'messages[0].role'."},
  };
  for (const auto& [body, message] : cases) {
    INFO(body);
    const auto heard = shop.chat(body);
    CHECK(heard->status() == 400);
    CHECK(text_in(heard->body, "error.message") == message);
    CHECK(text_in(heard->body, "error.type") == "invalid_request_error");
  }
  CHECK(shop.ask("POST", "/v1/completions", R"({"model":"m"})")->status() == 400);
  CHECK(shop.ask("POST", "/v1/embeddings", R"({"model":"m","input":[]})")->status() == 400);
}

TEST_CASE("models are listed, and those that are not there are refused") {
  Shop open;
  CHECK(text_in(open.ask("GET", "/v1/models")->body, "data.0.id") == "gpt-4o-mini");
  CHECK(text_in(open.ask("GET", "/models/anything")->body, "id") == "anything");
  Shop narrow("models = [\"a\", \"b*\"]");
  CHECK(text_in(narrow.ask("GET", "/models")->body, "data.1.id") == "b*");
  CHECK(narrow.ask("GET", "/v1/models/bb")->status() == 200);
  CHECK(narrow.ask("GET", "/v1/models/c")->status() == 404);
  const auto heard = narrow.chat(k_question);
  CHECK(heard->status() == 404);
  CHECK(text_in(heard->body, "error.code") == "model_not_found");
}

TEST_CASE("the other endpoints answer something that fits") {
  Shop shop;
  const auto file = shop.ask("POST", "/v1/files", "--x\r\nhello", {{"content-type", "multipart/form-data; boundary=x"}});
  CHECK(number_in(file->body, "bytes") == 10);
  CHECK(text_in(file->body, "sha256").size() == 64);
  CHECK(text_in(shop.ask("POST", "/v1/audio/transcriptions", "abc")->body, "text").find("3 bytes") != std::string::npos);
  const auto speech = shop.ask("POST", "/v1/audio/speech", R"({"model":"tts-1","input":"Hello","voice":"x"})");
  CHECK(speech->header("content-type") == "audio/mpeg");
  CHECK(speech->body.size() == 24'000);
  CHECK(shop.ask("POST", "/v1/audio/speech", R"({"model":"tts-1","input":"Hello","voice":"x"})")->body == speech->body);
  CHECK_FALSE(text_in(shop.ask("POST", "/v1/images/generations", R"({"prompt":"x"})")->body, "data.0.b64_json").empty());
  CHECK(yyjson_is_false(at(parse_json(shop.ask("POST", "/v1/moderations", R"({"input":"x"})")->body), "results.0.flagged")));
  const auto head = shop.ask("HEAD", "/v1/models");
  CHECK(head->status() == 200);
  CHECK(head->body.empty());
  const auto nothing = shop.ask("GET", "/v1/nothing");
  CHECK(nothing->status() == 404);
  CHECK(text_in(nothing->body, "error.message") == "Invalid URL (GET /v1/nothing)");
}

TEST_CASE("a key is asked for when one is set") {
  Shop shop("key = \"sk-right\"");
  CHECK(shop.ask("GET", "/v1/models")->status() == 401);
  CHECK(text_in(shop.ask("GET", "/v1/models", {}, {{"Authorization", "Bearer sk-wrong"}})->body, "error.code") ==
        "invalid_api_key");
  CHECK(shop.ask("GET", "/v1/models", {}, {{"Authorization", "Bearer sk-right"}})->status() == 200);
  CHECK(shop.ask("GET", "/v1/models", {}, {{"api-key", "sk-right"}})->status() == 200);
  CHECK(shop.provider.ledger().unauthorized == 2);
}

TEST_CASE("the rate limit tells how much is left and how long to wait") {
  Shop shop("requests_per_minute = 60\nburst = 2\nfirst_token = \"0s\"\nbetween_tokens = \"0s\"");
  const auto first = shop.chat(k_question);
  CHECK(first->status() == 200);
  CHECK(first->header("x-ratelimit-limit-requests") == "60");
  CHECK(first->header("x-ratelimit-remaining-requests") == "1");
  CHECK(first->header("x-ratelimit-reset-requests") == "1s");
  CHECK(shop.chat(k_question)->status() == 200);
  const auto refused = shop.chat(k_question);
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "error.code") == "rate_limit_exceeded");
  CHECK(refused->header("x-ratelimit-remaining-requests") == "0");
  CHECK(refused->header("retry-after") == "1");
  const int ms = std::stoi(refused->header("retry-after-ms"));
  CHECK(ms <= 1000);
  CHECK(ms > 900);
  CHECK(shop.provider.ledger().rate_limited == 1);
  shop.world.loop.run_for(std::chrono::milliseconds(ms));
  CHECK(shop.chat(k_question)->status() == 200);
}

TEST_CASE("a window limit refuses with the wait that ends it, and counts the refusal") {
  Shop shop("window_requests = 2\nwindow = \"1m\"\nfirst_token = \"0s\"\nbetween_tokens = \"0s\"");
  CHECK(shop.chat(k_question)->header("x-ratelimit-remaining-requests") == "1");
  CHECK(shop.chat(k_question)->status() == 200);
  const auto refused = shop.chat(k_question);
  CHECK(refused->status() == 429);
  CHECK(refused->header("x-ratelimit-limit-requests") == "2");
  CHECK(refused->header("retry-after") == "60");
  shop.world.loop.run_for(std::chrono::milliseconds(std::stoi(refused->header("retry-after-ms"))));
  CHECK(shop.chat(k_question)->status() == 200);
  CHECK(shop.provider.ledger().rate_limited == 1);
}

TEST_CASE("a window of less than a minute is not told") {
  Shop shop("window_requests = 1\nwindow = \"1s\"\nfirst_token = \"0s\"\nbetween_tokens = \"0s\"");
  CHECK(shop.chat(k_question)->header("x-ratelimit-limit-requests").empty());
  const auto refused = shop.chat(k_question);
  CHECK(refused->status() == 429);
  CHECK(refused->header("retry-after") == "1");
  CHECK(refused->header("x-ratelimit-limit-requests").empty());
}

TEST_CASE("more than may be under way at once are refused, and a place is free when its answer has left") {
  Shop shop("concurrency = 1\nfirst_token = \"1s\"\nbetween_tokens = \"0s\"");
  const std::string request =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(k_question.size()) +
      "\r\n\r\n" + std::string(k_question);
  const auto first = sim::dial(shop.world, shop.address);
  REQUIRE(first != nullptr);
  first->send(request);
  shop.world.loop.run_for(500ms);
  const auto refused = shop.chat(k_question);
  CHECK(refused->status() == 429);
  CHECK(text_in(refused->body, "error.code") == "concurrency_exceeded");
  shop.world.loop.run_for(600ms);
  CHECK(first->received().starts_with("HTTP/1.1 200"));
  CHECK(shop.chat(k_question)->status() == 200);
  CHECK(shop.provider.ledger().over_concurrency == 1);
  CHECK(shop.provider.ledger().in_flight_max == 2);
}

TEST_CASE("a client that leaves frees its place") {
  Shop shop("concurrency = 1\nfirst_token = \"1h\"");
  auto first = sim::dial(shop.world, shop.address);
  REQUIRE(first != nullptr);
  first->send("POST /v1/chat/completions HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(k_question.size()) +
              "\r\n\r\n" + std::string(k_question));
  shop.world.loop.run_for(500ms);
  first.reset();
  shop.world.loop.run_for(100ms);
  const auto second = sim::dial(shop.world, shop.address);
  second->send("GET /v1/models HTTP/1.1\r\nHost: shop\r\n\r\n");
  shop.world.loop.run_for(100ms);
  CHECK(second->received().starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace outrigger::sim_provider
