// How rerank and embed requests are understood.
#include <catch2/catch_test_macros.hpp>

#include "providers/dialect.h"

namespace outrigger::providers {
namespace {

using chat::Endpoint;

chat::Request rerank(std::string_view query, std::string_view documents, std::string_view more = "",
                     Level level = Level::safe) {
  const std::string body = R"({"model":"m","query":)" + std::string(query) + R"(,"documents":)" + std::string(documents) +
                           std::string(more) + "}";
  return providers::understand(Endpoint::rerank, body, level);
}

std::string why(const chat::Request& request) { return request.bypass ? std::string(chat::name(*request.bypass)) : ""; }
std::string why(std::string_view body, Endpoint endpoint = Endpoint::rerank) {
  return why(providers::understand(endpoint, body, Level::safe));
}

std::string form(std::string_view query, std::string_view documents, std::string_view more = "", Level level = Level::safe) {
  const chat::Request request = rerank(query, documents, more, level);
  REQUIRE_FALSE(request.canonical.empty());
  return request.canonical;
}

constexpr std::string_view k_query = R"("What is the capital of the United States?")";
constexpr std::string_view k_nevada = R"("Carson City is the capital city of the American state of Nevada. At the 2010")";

TEST_CASE("rerank requests of the known shapes are understood, others are named") {
  struct Row {
    std::string_view body;
    std::string_view reason;
  };
  for (const Row& row : {
           Row{R"({"model":"m","query":"q","documents":["a","b"]})", ""},
           Row{R"({"query":"q","documents":["a"]})", ""},
           Row{R"({"model":"m","query":"q","documents":[]})", ""},
           Row{R"({"model":"m","query":"q","documents":[{"text":"a"},"b"]})", ""},
           Row{R"({"model":"m","query":"q","documents":[{"title":"t","text":"a","n":1}],"rank_fields":["text"]})", ""},
           Row{R"({"model":"m","query":{"image":"AAAA"},"documents":[{"image":"AAAA"}]})", ""},
           Row{R"({"query":"q","texts":["a"],"raw_scores":true})", ""},
           Row{R"({"model":"m","query":"q","documents":[{"image":"https://h/a.png"}]})", "mutable_url"},
           Row{R"({"model":"m","query":"q","documents":[{"image_url":{"url":"https://h/a.png"}}]})", "mutable_url"},
           Row{R"({"model":"m","query":{"image":"https://h/a.png"},"documents":["a"]})", "mutable_url"},
           Row{R"({"model":"m","query":"https://h/","documents":["https://h/a.png",{"text":"https://h/"}]})", ""},
           Row{R"({"model":"m","query":"q"})", "not_understood"},
           Row{R"({"model":"m","documents":["a"]})", "not_understood"},
           Row{R"({"model":"m","texts":["a"]})", "not_understood"},
           Row{R"({"model":"m","query":null,"documents":["a"]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":null})", "not_understood"},
           Row{R"({"model":"m","query":1,"documents":["a"]})", "not_understood"},
           Row{R"({"model":"m","query":["q"],"documents":["a"]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":"a"})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":{}})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":[1]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":["a",null]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":[{}]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":[["a"]]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":["a"],"texts":["b"]})", "not_understood"},
           Row{R"({"model":1,"query":"q","documents":["a"]})", "not_understood"},
           Row{R"({"model":"m","query":"q","documents":["a"],"query":"q"})", "not_json"},
           Row{R"({"model":"m","query":"q","documents":[{"a":1,"a":2}]})", "not_json"},
           Row{R"({"model":"m","query":"q","documents":["\ud83d"]})", "not_json"},
           Row{"[]", "not_json"},
           Row{"", "not_json"},
       }) {
    INFO(row.body);
    CHECK(why(row.body) == row.reason);
  }
}

TEST_CASE("the query is normalised to `safe` and no further, documents not at all") {
  CHECK(form(R"("a  b ")", R"(["x"])") == form(R"("a b")", R"(["x"])"));
  CHECK(form(R"("a  b")", R"(["x"])", "", Level::exact) != form(R"("a b")", R"(["x"])", "", Level::exact));
  CHECK(form(R"("How?")", R"(["x"])", "", Level::synonyms) != form(R"("how")", R"(["x"])", "", Level::synonyms));
  CHECK(form(R"("q")", R"(["a  b"])") != form(R"("q")", R"(["a b"])"));
  CHECK(form(R"("q")", R"(["\u0061"])") == form(R"("q")", R"(["a"])"));
}

TEST_CASE("documents, their order and what is asked of them are in the key") {
  const std::string plain = form(R"("q")", R"(["a","b"])");
  CHECK(form(R"("q")", R"(["b","a"])") != plain);
  CHECK(form(R"("q")", R"(["ab"])") != plain);
  CHECK(form(R"("p")", R"(["a","b"])") != plain);
  CHECK(form(R"("q")", R"([{"text":"a"},"b"])") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"top_n":2)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"top_n":null)") == plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"top_n":2)") == form(R"("q")", R"(["a","b"])", R"(,"top_n":2.0)"));
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"return_documents":true)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"max_chunks_per_doc":10)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"max_tokens_per_doc":10)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"truncation":false)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"something":1)") != plain);
  CHECK(form(R"("q")", R"(["a","b"])", R"(,"user":"u","metadata":{"x":1})") == plain);
  CHECK(form(R"("q")", R"([{"a":"1","b":"2"}])") == form(R"("q")", R"([{"b":"2","a":"1"}])"));
}

TEST_CASE("tokens are those of the query and of all documents") {
  const std::uint32_t query = rerank(R"("one two three")", "[]").prompt_tokens;
  const std::uint32_t document = rerank(R"("")", R"(["four five six seven"])").prompt_tokens;
  CHECK(query > 0);
  CHECK(document > query);
  const chat::Request both = rerank(R"("one two three")", R"(["four five six seven",{"text":"four five six seven","n":7}])");
  CHECK(both.prompt_tokens == query + 2 * document);
  CHECK(both.needs.prompt_tokens == both.prompt_tokens);
  CHECK_FALSE(both.needs.unknown);
  CHECK(rerank(R"("q")", R"([{"image":"AAAA"}])").needs.vision);
}

TEST_CASE("Dify's check of credentials is a ping, and nothing else is") {
  const std::string documents = "[" + std::string(k_nevada) + R"(,"Washington"])";
  CHECK(why(rerank(k_query, documents)) == "ping");
  CHECK(rerank(k_query, documents).needs.ping);
  CHECK(why(rerank(k_query, R"(["Washington",)" + std::string(k_nevada) + "]")) == "");
  CHECK(why(rerank(R"("What is the capital?")", documents)) == "");
  CHECK(why(rerank(k_query, R"(["Carson City"])")) == "");
  CHECK(why(rerank(R"("ping")", R"(["ping"])")) == "");
}

TEST_CASE("Cohere's embed requests of the known shapes are understood, others are named") {
  struct Row {
    std::string_view body;
    std::string_view reason;
  };
  for (const Row& row : {
           Row{R"({"model":"m","texts":["a","b"],"input_type":"search_query"})", ""},
           Row{R"({"texts":["a"]})", ""},
           Row{R"({"model":"m","images":["data:image/png;base64,AAAA"]})", ""},
           Row{R"({"model":"m","images":["https://h/a.png"]})", "mutable_url"},
           Row{R"({"model":"m","inputs":[{"content":[{"type":"text","text":"a"}]}]})", ""},
           Row{R"({"model":"m","inputs":[{"content":[{"type":"image_url","image_url":{"url":"https://h/a"}}]}]})",
               "mutable_url"},
           Row{R"({"model":"m","texts":["ping"]})", "ping"},
           Row{R"({"model":"m","texts":["ping","pong"]})", ""},
           Row{R"({"model":"m","texts":"a"})", "not_understood"},
           Row{R"({"model":"m","texts":[1]})", "not_understood"},
           Row{R"({"model":"m","texts":null})", "not_understood"},
           Row{R"({"model":"m","images":"a"})", "not_understood"},
           Row{R"({"model":"m","input":["a"]})", "not_understood"},
           Row{R"({"model":"m"})", "not_understood"},
       }) {
    INFO(row.body);
    CHECK(why(row.body, Endpoint::embed) == row.reason);
    CHECK(why(row.body, Endpoint::embed_v2) == row.reason);
  }
}

TEST_CASE("embed's texts, types and version are in the key") {
  const auto key = [](std::string_view texts, std::string_view more = "", Endpoint endpoint = Endpoint::embed) {
    const std::string body = R"({"model":"m","texts":)" + std::string(texts) + std::string(more) + "}";
    return providers::understand(endpoint, body, Level::synonyms).canonical;
  };
  const std::string plain = key(R"(["a","b"])");
  CHECK_FALSE(plain.empty());
  CHECK(key(R"(["b","a"])") != plain);
  CHECK(key(R"(["a ","b"])") != plain);
  CHECK(key(R"(["a","b"])", R"(,"input_type":"search_query")") != plain);
  CHECK(key(R"(["a","b"])", R"(,"embedding_types":["int8"])") != plain);
  CHECK(key(R"(["a","b"])", R"(,"truncate":"END")") != plain);
  CHECK(key(R"(["a","b"])", R"(,"truncate":null)") == plain);
  CHECK(key(R"(["a","b"])", "", Endpoint::embed_v2) != plain);
}

}  // namespace
}  // namespace outrigger::providers
