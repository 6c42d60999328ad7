// Rerank and the embeddings that are kept whole, through the door.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

std::string cache_of(const std::string& answer) { return field_of(answer, "x-outrigger-cache"); }

struct Asked {
  std::string path;
  std::string body;
};

// Asks once, answers, asks again: what the second got. Empty when it went upstream as well.
std::string second_answer(DoorBench& b, const Asked& first, const Asked& second, std::string_view answer) {
  const auto one = b.send(post({.path = first.path}, first.body));
  REQUIRE(b.asked.size() == 1);
  b.last().answer(std::string(answer));
  b.settle();
  CHECK(body_of(one->received()) == answer);
  const auto two = b.send(post({.path = second.path}, second.body));
  return b.asked.size() == 1 ? std::string(two->received()) : std::string();
}

const std::string k_rerank = R"({"model":"m","query":"q","documents":["a","b"]})";
const std::string k_ranks =
    R"({"id":"07734bd2-2473-4f07-94e1-0d9f0e6843cf","results":[{"index":1,"relevance_score":0.9}],"usage":{"total_tokens":9}})";
const std::string k_embed = R"({"model":"m","texts":["a","b"],"input_type":"search_query"})";
const std::string k_floats = R"({"id":"x","texts":["a","b"],"embeddings":[[0.10],[-2e-5]]})";
const std::string k_mixed = R"({"model":"m","input":["a",{"text":"b"}]})";
const std::string k_late = R"({"model":"m","input":["a","b"],"late_chunking":true})";
const std::string k_vectors =
    R"({"model":"m","object":"list","data":[{"index":0,"embedding":[0.10]},{"index":1,"embedding":[2]}],"usage":{"total_tokens":9}})";

TEST_CASE("what is kept whole is served as it came") {
  struct Case {
    std::string path;
    std::string body;
    std::string answer;
  };
  for (const Case& c :
       {Case{"/v1/rerank", k_rerank, k_ranks}, Case{"/rerank", k_rerank, k_ranks}, Case{"/v2/rerank", k_rerank, k_ranks},
        Case{"/v1/embed", k_embed, k_floats}, Case{"/v2/embed", k_embed, k_floats},
        Case{"/v1/embeddings", k_mixed, k_vectors}, Case{"/v1/embeddings", k_late, k_vectors}}) {
    CAPTURE(c.path, c.body);
    DoorBench b;
    const std::string answer = second_answer(b, {c.path, c.body}, {c.path, c.body}, c.answer);
    CHECK(cache_of(answer) == "hit");
    CHECK(body_of(answer) == c.answer);
  }
}

TEST_CASE("what may be answered otherwise is asked again") {
  struct Case {
    Asked first, second;
  };
  for (const Case& c : {Case{{"/v1/rerank", k_rerank}, {"/v1/rerank", R"({"model":"m","query":"q","documents":["b","a"]})"}},
                        Case{{"/v1/embed", k_embed}, {"/v2/embed", k_embed}},
                        Case{{"/v1/embeddings", k_late}, {"/v1/embeddings", R"({"model":"m","input":["a","b"]})"}}}) {
    CAPTURE(c.first.path, c.second.path, c.second.body);
    DoorBench b;
    CHECK(second_answer(b, c.first, c.second, c.first.path == "/v1/rerank" ? k_ranks : k_vectors).empty());
    CHECK(b.asked.size() == 2);
  }
}

TEST_CASE("what is no answer of rerank is passed on and not kept") {
  DoorBench b;
  CHECK(second_answer(b, {"/v1/rerank", k_rerank}, {"/v1/rerank", k_rerank}, R"({"message":"try later"})").empty());
}

TEST_CASE("Dify's check of a rerank credential always reaches the provider") {
  DoorBench b;
  const std::string check =
      R"({"model":"m","query":"What is the capital of the United States?","documents":)"
      R"(["Carson City is the capital city of the American state of Nevada. At the 2010 census","Washington"]})";
  CHECK(second_answer(b, {"/v1/rerank", check}, {"/v1/rerank", check}, k_ranks).empty());
}

TEST_CASE("those who ask the same while it is under way share one answer") {
  DoorBench b;
  const auto one = b.send(post({.path = "/v1/rerank"}, k_rerank));
  const auto two = b.send(post({.path = "/v1/rerank"}, k_rerank));
  REQUIRE(b.asked.size() == 1);
  b.last().answer(k_ranks);
  b.settle();
  CHECK(body_of(one->received()) == k_ranks);
  CHECK(body_of(two->received()) == k_ranks);
  CHECK(cache_of(two->received()) == "coalesced");
}

}  // namespace
}  // namespace outrigger::proxy::test
