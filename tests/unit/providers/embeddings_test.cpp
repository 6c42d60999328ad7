#include <catch2/catch_test_macros.hpp>

#include "support.h"

namespace outrigger::providers {
namespace {

std::string list(std::string_view data, std::string_view more = R"(,"usage":{"prompt_tokens":8,"total_tokens":8})") {
  return "{\"object\":\"list\",\"model\":\"text-embedding-3-small\",\"data\":[" + std::string(data) + "]" +
         std::string(more) + "}";
}

std::string reason(std::string_view body, std::size_t count) {
  const auto answer = read_embeddings(body, count);
  return answer ? "read" : std::string(chat::name(answer.error()));
}

TEST_CASE("vectors come in the order of their indices, number for number as they were sent") {
  const auto answer =
      read_embeddings(list(R"({"index":2,"embedding":[1.0, -2.50e-3,0.1000000000000000055],"object":"embedding"},)"
                           R"({"object":"embedding","index":0,"embedding": [ 7 ] },)"
                           R"({"index":1,"embedding":"AACAPw=="})"),
                      3);
  REQUIRE(answer);
  CHECK(answer->model == "text-embedding-3-small");
  CHECK(answer->prompt_tokens == 8);
  REQUIRE(answer->embeddings.size() == 3);
  CHECK(answer->embeddings[0] == "[7]");
  CHECK(answer->embeddings[1] == "\"AACAPw==\"");
  CHECK(answer->embeddings[2] == "[1.0, -2.50e-3,0.1000000000000000055]");
}

TEST_CASE("what is rendered reads back the same") {
  EmbeddingsAnswer answer{"m\"1", {"[1.50,2]", "\"AACAPw==\""}, 12};
  CHECK(
      render_embeddings(answer) ==
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.50,2]},)"
      R"({"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"m\"1","usage":{"prompt_tokens":12,"total_tokens":12}})");
  const auto again = read_embeddings(render_embeddings(answer), 2);
  REQUIRE(again);
  CHECK(again->model == answer.model);
  CHECK(again->embeddings == answer.embeddings);
  CHECK(again->prompt_tokens == 12);
  CHECK(render_embeddings({}) == R"({"object":"list","data":[],"model":"","usage":{"prompt_tokens":0,"total_tokens":0}})");
}

TEST_CASE("an embeddings answer that is not whole is refused by name") {
  const std::string one = R"({"index":0,"embedding":[1]})";
  const std::string two = R"({"index":1,"embedding":[2]})";
  CHECK(reason(list(one), 1) == "read");
  CHECK(reason(list(one + "," + two), 2) == "read");
  CHECK(reason(list(one + "," + two), 1) == "not_understood");
  CHECK(reason(list(one), 2) == "not_understood");
  CHECK(reason(list(one + "," + one), 2) == "not_understood");
  CHECK(reason(list(R"({"index":2,"embedding":[1]},)" + one), 2) == "not_understood");
  CHECK(reason(list(R"({"embedding":[1]})"), 1) == "not_understood");
  CHECK(reason(list(R"({"index":0})"), 1) == "not_understood");
  CHECK(reason(list(R"({"index":0,"embedding":[1,null]})"), 1) == "not_understood");
  CHECK(reason(list(R"({"index":0,"embedding":[[1]]})"), 1) == "not_understood");
  CHECK(reason(list(R"({"index":0,"embedding":{"a":1}})"), 1) == "not_understood");
  CHECK(reason(list(R"({"index":0,"embedding":[]})"), 1) == "empty");
  CHECK(reason(list(R"({"index":0,"embedding":""})"), 1) == "empty");
  CHECK(reason(list("7"), 1) == "not_understood");
  CHECK(reason(list(""), 0) == "not_understood");
  CHECK(reason("", 1) == "not_understood");
  CHECK(reason("[]", 1) == "not_understood");
  CHECK(reason(R"({"data":{}})", 1) == "not_understood");
  CHECK(reason(R"({"error":{"message":"x"}})", 1) == "error_in_answer");
  CHECK(reason(R"({"vectors":null,"base_resp":{"status_code":1008}})", 1) == "error_in_answer");
}

TEST_CASE("an embeddings answer cut anywhere is refused") {
  const std::string whole = list(R"({"index":0,"embedding":[1.5,2]},{"index":1,"embedding":"AA=="})");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE(reason(std::string_view(whole).substr(0, size), 2) == "not_understood");
  }
}

TEST_CASE("usage that is not told counts nothing") {
  CHECK(read_embeddings(list(R"({"index":0,"embedding":[1]})", ""), 1)->prompt_tokens == 0);
}

}  // namespace
}  // namespace outrigger::providers
