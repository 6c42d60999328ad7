// /sim/...: what tests and demos ask the simulated provider about itself. And the benchmark mode.
#include "sim/fast.h"
#include "sim/hash.h"
#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

TEST_CASE("the counts tell what was asked") {
  Shop shop;
  (void)shop.chat(k_question);
  (void)shop.chat(k_streamed);
  (void)shop.ask("POST", "/v1/embeddings", R"({"model":"e","input":["a","b"]})");
  (void)shop.ask("GET", "/nothing");
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(number_in(stats, "requests") == 4);
  CHECK(number_in(stats, "connections") == 1);
  CHECK(number_in(stats, "streams") == 1);
  CHECK(number_in(stats, "answers_sent") == 4);
  CHECK(number_in(stats, "completion_tokens") == 80);
  CHECK(number_in(stats, "texts_embedded") == 2);
  CHECK(number_in(stats, "by_endpoint.chat/completions") == 2);
  CHECK(number_in(stats, "by_endpoint.embeddings") == 1);
  CHECK(number_in(stats, "by_endpoint.other") == 1);
  CHECK(number_in(stats, "by_model.gpt-4o-mini") == 2);
  CHECK(shop.ask("GET", "/sim/stats")->body == stats);
}

TEST_CASE("the last requests are kept exactly, without their credentials") {
  Shop shop("remember = 2");
  (void)shop.chat(k_question);
  (void)shop.ask("POST", "/v1/chat/completions?x=1", k_question,
                 {{"Authorization", "Bearer sk-secret"}, {"X-Trace", "abc"}});
  (void)shop.ask("POST", "/v1/files", std::string("\xff\x00 raw", 6));
  const std::string stats = shop.ask("GET", "/v1/sim/stats")->body;
  const Json doc = parse_json(stats);
  REQUIRE(yyjson_arr_size(at(doc, "last")) == 2);
  CHECK(text_in(stats, "last.0.method") == "POST");
  CHECK(text_in(stats, "last.0.path") == "/v1/chat/completions?x=1");
  CHECK(text_in(stats, "last.0.headers.x-trace") == "abc");
  CHECK(text_in(stats, "last.0.headers.authorization") == "(set)");
  CHECK(yyjson_is_true(at(doc, "last.0.authorized")));
  CHECK(text_in(stats, "last.0.credential_sha256") == sha256_hex("sk-secret"));
  CHECK(text_in(stats, "last.0.body") == k_question);
  CHECK(text_in(stats, "last.0.body_sha256") == sha256_hex(k_question));
  CHECK(number_in(stats, "last.0.body_size") == k_question.size());
  CHECK(stats.find("sk-secret") == std::string::npos);
  CHECK(yyjson_is_false(at(doc, "last.1.authorized")));
  CHECK(text_in(stats, "last.1.body_base64") == "/wAgcmF3");
}

TEST_CASE("a body that is too long to be kept is known by its hash") {
  Shop shop("remember_body = 10");
  (void)shop.ask("POST", "/v1/files", "0123456789");
  (void)shop.ask("POST", "/v1/files", "0123456789a");
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(text_in(stats, "last.0.body") == "0123456789");
  CHECK(at(parse_json(stats), "last.1.body") == nullptr);
  CHECK(text_in(stats, "last.1.body_sha256") == sha256_hex("0123456789a"));
}

TEST_CASE("names that come from outside cannot grow the counts without end") {
  Counts counts;
  for (int i = 0; i < 300; ++i) Ledger::count(counts, "m" + std::to_string(i));
  CHECK(counts.size() == 257);
  CHECK(counts.at("(others)") == 44);
}

TEST_CASE("a reset forgets the counts and starts the schedule again") {
  Shop shop("[[fault]]\nrequests = 1\nstatus = 503");
  CHECK(shop.chat(k_question)->status() == 503);
  CHECK(shop.chat(k_question)->status() == 200);
  CHECK(shop.ask("POST", "/sim/reset")->status() == 200);
  CHECK(number_in(shop.ask("GET", "/sim/stats")->body, "requests") == 0);
  CHECK(shop.chat(k_question)->status() == 503);
}

TEST_CASE("a new schedule counts from its arrival, and a wrong one changes nothing") {
  Shop shop;
  shop.world.loop.run_for(1min);
  const auto accepted = shop.ask("POST", "/sim/faults", R"([{"status":500,"at":"10s"}])");
  CHECK(number_in(accepted->body, "faults") == 1);
  CHECK(shop.chat(k_question)->status() == 200);
  shop.world.loop.run_for(10s);
  CHECK(shop.chat(k_question)->status() == 500);
  const auto refused = shop.ask("POST", "/sim/faults", R"([{"statsu":500}])");
  CHECK(refused->status() == 400);
  CHECK(text_in(refused->body, "error.message").find("`statsu` is not known here") != std::string::npos);
  CHECK(shop.chat(k_question)->status() == 500);
  CHECK(shop.ask("POST", "/sim/faults", "[]")->status() == 200);
  CHECK(shop.chat(k_question)->status() == 200);
}

TEST_CASE("the echo gives back what came, told or raw") {
  Shop shop;
  const std::string body("a\x00\xff", 3);
  const auto told =
      shop.ask("PUT", "/sim/echo?x=1", body, {{"X-One", "1"}, {"X-One", "2"}, {"content-type", "application/x-thing"}});
  CHECK(text_in(told->body, "method") == "PUT");
  CHECK(text_in(told->body, "target") == "/sim/echo?x=1");
  CHECK(text_in(told->body, "body_base64") == "YQD/");
  CHECK(number_in(told->body, "body_size") == 3);
  CHECK(told->body.find(R"(["X-One","1"],["X-One","2"])") != std::string::npos);
  const auto raw = shop.ask("POST", "/v1/sim/echo?raw", body, {{"content-type", "application/x-thing"}});
  CHECK(raw->body == body);
  CHECK(raw->header("content-type") == "application/x-thing");
  CHECK(shop.ask("GET", "/sim/echo?raw")->body.empty());
  CHECK(shop.ask("GET", "/sim/nothing")->status() == 404);
}

TEST_CASE("the benchmark mode answers as the other does, without its waits") {
  Shop shop("fast = true\nanswer = \"size\"\nsize = 2048");
  const auto one = shop.chat(k_question);
  CHECK(*one->end_after < 10ms);
  CHECK(text_in(one->body, "model") == "gpt-4o-mini");
  const std::string text = text_in(one->body, "choices.0.message.content");
  CHECK(text.size() == 2048);
  const auto streamed = shop.chat(k_streamed);
  CHECK(*streamed->end_after < 20ms);
  CHECK(streamed_text(*streamed) == text);
  CHECK(streamed->events().back() == "[DONE]");
  CHECK(streamed->body.find("\"usage\"") == std::string::npos);
  CHECK(shop.chat(k_streamed_usage)->body.find("\"choices\":[],\"usage\":{") != std::string::npos);
  CHECK(shop.ask("POST", "/v1/completions", R"({"model":"x\u0041","prompt":"p"})")->status() == 200);
  CHECK(*shop.ask("POST", "/v1/embeddings", R"({"model":"e","input":"a"})")->end_after < 10ms);
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(number_in(stats, "requests") == 5);
  CHECK(number_in(stats, "streams") == 2);
  CHECK(number_in(stats, "by_model.gpt-4o-mini") == 3);
}

TEST_CASE("the benchmark mode with a schedule still follows it") {
  Shop shop("fast = true\n[[fault]]\nrequests = 2\nstatus = 503");
  CHECK(shop.chat(k_question)->status() == 200);
  CHECK(shop.chat(k_question)->status() == 503);
}

TEST_CASE("the members that the benchmark mode needs are found without parsing") {
  CHECK(has_true(R"({"stream":true})", "\"stream\""));
  CHECK(has_true("{\"stream\" :\n true}", "\"stream\""));
  CHECK_FALSE(has_true(R"({"stream":false})", "\"stream\""));
  CHECK_FALSE(has_true(R"({"text":"\"stream\":true"})", "\"stream\""));
  CHECK_FALSE(has_true(R"({"a":"stream","b":true})", "\"stream\""));
  CHECK_FALSE(has_true("\"stream\"", "\"stream\""));
  CHECK_FALSE(has_true("\"stream\":", "\"stream\""));
  CHECK(model_in(R"({"x":"model","model" : "m"})") == "m");
  CHECK_FALSE(model_in(R"({"model":""})").has_value());
  CHECK_FALSE(model_in(R"({"model":"a\"b"})").has_value());
  CHECK_FALSE(model_in(R"({"model":3})").has_value());
  CHECK_FALSE(model_in("").has_value());
}

TEST_CASE("more models than the benchmark mode prepares are answered all the same") {
  Shop shop("fast = true");
  for (int i = 0; i < 70; ++i) {
    const std::string model = "m" + std::to_string(i);
    const auto heard = shop.chat("{\"model\":\"" + model + R"(","messages":[{"role":"user","content":"q"}]})");
    CHECK(text_in(heard->body, "model") == model);
  }
}

TEST_CASE("requests that are no HTTP are refused in OpenAI's shape") {
  Shop shop;
  const std::string answer = shop.raw("NONSENSE\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(answer.find("\"type\":\"invalid_request_error\"") != std::string::npos);
}

TEST_CASE("pipelined requests are answered in their order") {
  Shop shop("first_token = \"10ms\"\nbetween_tokens = \"0s\"");
  const std::string one = "GET /v1/models/one HTTP/1.1\r\nHost: shop\r\n\r\n";
  const std::string two =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(k_question.size()) +
      "\r\n\r\n" + std::string(k_question);
  const std::string three = "GET /v1/models/three HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
  const std::string all = shop.raw(one + two + three);
  const std::size_t first = all.find("\"one\""), second = all.find("chat.completion"), third = all.find("\"three\"");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third != std::string::npos);
}

}  // namespace
}  // namespace outrigger::sim_provider
