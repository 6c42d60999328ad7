// Rerank, the wires that a proxy only passes on, and what holds on all of them.
#include <algorithm>

#include "sim/hash.h"
#include "sim/places.h"
#include "sim/wire.h"
#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::string_view k_rerank =
    R"({"model":"r","query":"where is my parcel","documents":["a banana",{"text":"My parcel is here"},"where"]})";

TEST_CASE("rerank in Jina's shape orders documents by what they share with the query") {
  Shop shop;
  for (const char* path : {"/v1/rerank", "/rerank"}) {
    const auto heard = shop.ask("POST", path, k_rerank);
    REQUIRE(heard->status() == 200);
    CHECK(text_in(heard->body, "model") == "r");
    CHECK(number_in(heard->body, "usage.total_tokens") > 5);
    const Json doc = parse_json(heard->body);
    REQUIRE(yyjson_arr_size(at(doc, "results")) == 3);
    CHECK(yyjson_get_uint(at(doc, "results.0.index")) == 1);
    CHECK(text_of(at(doc, "results.0.document.text")) == "My parcel is here");
    CHECK(yyjson_get_uint(at(doc, "results.2.index")) == 0);
    for (const char* pair : {"results.0", "results.1"}) {
      const std::string next = pair == std::string_view("results.0") ? "results.1" : "results.2";
      CHECK(yyjson_get_real(at(doc, std::string(pair) + ".relevance_score")) >=
            yyjson_get_real(at(doc, next + ".relevance_score")));
    }
    CHECK(shop.ask("POST", path, k_rerank)->body == heard->body);
  }
  CHECK(number_in(shop.ask("GET", "/sim/stats")->body, "by_endpoint.rerank") == 4);
  std::string more(k_rerank.substr(0, k_rerank.size() - 1));
  const auto top = shop.ask("POST", "/v1/rerank", more + R"(,"top_n":1,"return_documents":false})");
  CHECK(yyjson_arr_size(at(parse_json(top->body), "results")) == 1);
  CHECK(at(parse_json(top->body), "results.0.document") == nullptr);
}

TEST_CASE("rerank in Cohere's shape has the same order") {
  Shop shop;
  const auto jina = shop.ask("POST", "/v1/rerank", k_rerank);
  const auto cohere = shop.ask("POST", "/v2/rerank", k_rerank);
  CHECK_FALSE(text_in(cohere->body, "id").empty());
  CHECK(number_in(cohere->body, "meta.billed_units.search_units") == 1);
  CHECK(at(parse_json(cohere->body), "results.0.document") == nullptr);
  for (const char* path : {"results.0.index", "results.1.index", "results.2.index"})
    CHECK(number_in(cohere->body, path) == number_in(jina->body, path));
}

TEST_CASE("rerank has errors and faults, too") {
  Shop shop;
  CHECK(text_in(shop.ask("POST", "/v1/rerank", R"({"model":"r","documents":["a"]})")->body, "detail").find("query") !=
        std::string::npos);
  for (const char* body : {R"({"model":"r","query":"q"})", R"({"model":"r","query":"q","documents":[]})",
                           R"({"model":"r","query":"q","documents":["a"],"top_n":0})",
                           R"({"model":"r","query":"q","documents":["a"],"top_n":"x"})"}) {
    INFO(body);
    const auto refused = shop.ask("POST", "/v2/rerank", body);
    CHECK(refused->status() == 400);
    CHECK_FALSE(text_in(refused->body, "message").empty());
  }
  Shop empty(quick("empty = true\nno_usage = true"));
  const auto heard = empty.ask("POST", "/v1/rerank", k_rerank);
  CHECK(heard->body == R"({"model":"r","object":"list","results":[]})");
  Shop cut(quick("truncate = true\npath = \"v2/*\""));
  CHECK(parse_json(cut.ask("POST", "/v2/rerank", k_rerank)->body) == nullptr);
  CHECK(parse_json(cut.ask("POST", "/v1/rerank", k_rerank)->body) != nullptr);
}

constexpr std::string_view k_gemini = R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}]})";

TEST_CASE("Gemini's wire: whole, as events, as an array") {
  Shop shop;
  const auto whole = shop.ask("POST", "/v1beta/models/gemini-x:generateContent", k_gemini);
  const std::string text = text_in(whole->body, "candidates.0.content.parts.0.text");
  CHECK(text.starts_with("About \"Hi\""));
  CHECK(text_in(whole->body, "candidates.0.finishReason") == "STOP");
  CHECK(number_in(whole->body, "usageMetadata.candidatesTokenCount") == 40);
  const auto streamed = shop.ask("POST", "/v1beta/models/gemini-x:streamGenerateContent?alt=sse", k_gemini);
  std::string joined;
  for (const std::string& event : streamed->events()) joined += text_in(event, "candidates.0.content.parts.0.text");
  CHECK(joined == text);
  CHECK(text_in(streamed->events().back(), "candidates.0.finishReason") == "STOP");
  const auto array = shop.ask("POST", "/v1beta/models/gemini-x:streamGenerateContent", k_gemini);
  CHECK(yyjson_arr_size(yyjson_doc_get_root(parse_json(array->body).get())) == 41);
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(number_in(stats, "by_endpoint.gemini/generateContent") == 1);
  CHECK(number_in(stats, "by_endpoint.gemini/streamGenerateContent") == 2);
  CHECK(number_in(stats, "by_model.gemini-x") == 3);
  const auto called = shop.ask(
      "POST", "/v1beta/models/gemini-x:generateContent",
      R"({"contents":[{"role":"user","parts":[{"text":"get_time"}]}],"tools":[{"functionDeclarations":[{"name":"get_time"}]}]})");
  CHECK(text_in(called->body, "candidates.0.content.parts.0.functionCall.name") == "get_time");
  Shop limited(quick("status = 429"));
  const auto refused = limited.ask("POST", "/v1beta/models/gemini-x:generateContent", k_gemini);
  CHECK(number_in(refused->body, "error.code") == 429);
  CHECK(text_in(refused->body, "error.status") == "RESOURCE_EXHAUSTED");
}

TEST_CASE("Gemini's key is never kept, wherever it stands") {
  Shop shop("key = \"g-secret\"");
  CHECK(shop.ask("POST", "/v1beta/models/g:generateContent", k_gemini, {{"x-goog-api-key", "g-secret"}})->status() == 200);
  CHECK(shop.ask("POST", "/v1beta/models/g:generateContent?a=b&key=g-secret&alt=sse", k_gemini)->status() == 401);
  const std::string stats = shop.ask("GET", "/sim/stats")->body;
  CHECK(stats.find("g-secret") == std::string::npos);
  CHECK(text_in(stats, "last.1.path") == "/v1beta/models/g:generateContent?a=b&key=(set)&alt=sse");
  CHECK(text_in(stats, "last.0.credential_sha256") == sha256_hex("g-secret"));
}

TEST_CASE("Ollama's wire streams lines unless it is told not to") {
  Shop shop;
  const std::string body = R"({"model":"llama","messages":[{"role":"user","content":"Hi"}])";
  const auto whole = shop.ask("POST", "/api/chat", body + ",\"stream\":false}");
  CHECK(text_in(whole->body, "message.content").starts_with("About \"Hi\""));
  CHECK(yyjson_is_true(at(parse_json(whole->body), "done")));
  const auto streamed = shop.ask("POST", "/api/chat", body + "}");
  CHECK(streamed->header("content-type") == "application/x-ndjson");
  CHECK(std::ranges::count(streamed->body, '\n') == 41);
  const std::string last = streamed->body.substr(streamed->body.rfind('\n', streamed->body.size() - 2) + 1);
  CHECK(yyjson_is_true(at(parse_json(last), "done")));
  CHECK(text_in(last, "done_reason") == "stop");
  CHECK(number_in(last, "eval_count") == 40);
  Shop failing(quick("status = 500"));
  CHECK_FALSE(text_in(failing.ask("POST", "/api/chat", body + "}")->body, "error").empty());
}

TEST_CASE("Azure's path names the model") {
  Shop shop;
  const auto heard = shop.ask("POST", "/openai/deployments/gpt-d/chat/completions?api-version=2024-10-21",
                              R"({"messages":[{"role":"user","content":"Hi"}]})", {{"api-key", "k"}});
  CHECK(text_in(heard->body, "model") == "gpt-d");
  CHECK(text_in(heard->body, "choices.0.message.content").starts_with("About \"Hi\""));
  CHECK(number_in(shop.ask("GET", "/sim/stats")->body, "by_endpoint.azure/chat/completions") == 1);
}

TEST_CASE("the same question has the same answer on every wire") {
  Shop shop;
  const std::string chat = text_in(
      shop.chat(R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}]})")
          ->body,
      "choices.0.message.content");
  CHECK(chat.starts_with("About \"Why?\""));
  const auto message =
      shop.message(R"({"model":"m","max_tokens":100,"system":"Be brief.","messages":[{"role":"user","content":"Why?"}]})");
  CHECK(text_in(message->body, "content.0.text") == chat);
  const auto response = shop.ask("POST", "/v1/responses",
                                 R"({"model":"m","instructions":"Be brief.","input":[{"role":"user","content":"Why?"}]})");
  CHECK(text_in(response->body, "output.0.content.0.text") == chat);
  const auto gemini = shop.ask(
      "POST", "/v1beta/models/m:generateContent",
      R"({"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Why?"}]}]})");
  CHECK(text_in(gemini->body, "candidates.0.content.parts.0.text") == chat);
  const auto ollama = shop.ask(
      "POST", "/api/chat",
      R"({"model":"m","stream":false,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}]})");
  CHECK(text_in(ollama->body, "message.content") == chat);
}

TEST_CASE("times are told in UTC") {
  CHECK(utc_text(0) == "1970-01-01T00:00:00");
  CHECK(utc_text(951'782'399) == "2000-02-28T23:59:59");
  CHECK(utc_text(951'782'400) == "2000-02-29T00:00:00");
}

TEST_CASE("each endpoint has its name and its owner's errors") {
  struct Case {
    std::string_view method, path, name;
    Wire wire;
  };
  for (const Case& c :
       {Case{"POST", "/v1/chat/completions", "chat/completions", Wire::openai},
        Case{"POST", "/v1/messages", "messages", Wire::anthropic},
        Case{"POST", "/v1/messages/count_tokens", "messages/count_tokens", Wire::anthropic},
        Case{"GET", "/v1/messages/batches", "other", Wire::anthropic},
        Case{"POST", "/v1/responses", "responses", Wire::responses}, Case{"GET", "/v1/responses", "other", Wire::responses},
        Case{"POST", "/rerank", "rerank", Wire::jina}, Case{"POST", "/v2/rerank", "v2/rerank", Wire::cohere},
        Case{"POST", "/api/chat", "api/chat", Wire::ollama},
        Case{"POST", "/openai/deployments//chat/completions", "other", Wire::openai},
        Case{"POST", "/v1beta/models/:generateContent", "other", Wire::gemini},
        Case{"GET", "/v1/models/", "other", Wire::openai}, Case{"HEAD", "/v1/models/x", "models/{id}", Wire::openai}}) {
    INFO(c.path);
    CHECK(name(endpoint_of(c.method, c.path)) == c.name);
    CHECK(wire_of(c.path) == c.wire);
  }
}

}  // namespace
}  // namespace outrigger::sim_provider
