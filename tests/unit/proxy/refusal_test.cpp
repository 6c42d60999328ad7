// Whose fault a failure is decides who hears of it: the client, or the next target.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

// Both upstreams are the bench's one provider; which was meant is seen by the model.
std::string chain_config(std::string_view keys) {
  return fmt::format(R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
{}
[[upstream]]
name = "backup"
url = "http://provider:9000/v1"
keys = ["sk-backup-of-the-operator"]
[[model]]
name = "*"
target = "main"
fallback = ["backup:other"]
retry = {{ attempts = 1 }}
)",
                     keys);
}

constexpr std::string_view k_refused =
    R"({"error":{"message":"no","type":"invalid_request_error","code":"invalid_api_key"}})";

// A key that is banned at night is an outage like any other. The door is as open without the fallback: who may come in is for
// [[client]] to say. (Credential checks never fall back, so a wrong key does not look right in Dify.)
TEST_CASE("a client whose own key is refused is answered by the fallback, and hears of it when there is none") {
  for (const int status : {401, 403}) {
    DoorBench b(chain_config(""));
    const auto client = b.ask({});
    b.last().answer(k_refused, status);
    b.settle();
    REQUIRE(b.asked.size() == 2);
    b.last().answer(k_refused, 500);
    b.settle();
    CHECK(client->received().starts_with(fmt::format("HTTP/1.1 {}", status)));
    CHECK(body_of(client->received()) == k_refused);
  }
}

TEST_CASE("that the operator's key is refused is not the client's affair") {
  DoorBench b(chain_config("keys = [\"sk-main-of-the-operator\"]"));
  const auto client = b.ask({});
  b.last().answer(k_refused, 401);
  b.settle();
  REQUIRE(b.asked.size() == 2);
  CHECK(b.last().body.find("\"other\"") != std::string::npos);
  b.last().answer(answer_json("from elsewhere"));
  b.settle();
  CHECK(field_of(client->received(), "x-outrigger-served-by") == "backup:other");
}

TEST_CASE("half a blocking answer under a proper HTTP end is no answer") {
  const std::string whole = answer_json("a text that is cut somewhere");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    INFO(size);
    DoorBench b(chain_config(""));
    const auto client = b.ask({});
    b.last().answer(whole.substr(0, size));
    b.settle();
    REQUIRE(b.asked.size() == 2);
    b.last().answer(whole);
    b.settle();
    CHECK(body_of(client->received()) == whole);
    CHECK(field_of(client->received(), "x-outrigger-attempts") == "2");
  }
}

TEST_CASE("half a blocking answer that nobody makes whole is an error and not broken JSON") {
  DoorBench b;
  const auto client = b.ask({});
  const std::string whole = answer_json("a text");
  b.last().answer(whole.substr(0, whole.size() / 2));
  b.settle();
  CHECK(client->received().starts_with("HTTP/1.1 502"));
  CHECK(body_of(client->received()).find("upstream_cut") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::proxy::test
