// How often one request is tried.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {
namespace {

TEST_CASE("the tries of a fallback that rests are there for the target that is left; one try stays one") {
  for (const auto& [attempts, tries] : {std::pair<int, std::size_t>{1, 1}, {2, 3}, {3, 4}}) {
    DoorBench b(fmt::format(R"([[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[upstream]]
name = "other"
url = "http://nobody:9000/v1"
[[model]]
name = "*"
target = "main"
fallback = ["other"]
retry = {{ attempts = {} }}
breaker = {{ failures = 1000 }}
)",
                            attempts));
    b.exchange({.text = "to make the targets known"}, "a");
    REQUIRE(b.door.lanes().force_open("other:m"));
    const std::size_t before = b.asked.size();
    auto client = b.ask({.text = "again"});
    std::size_t answered = before;
    // Each try is refused as soon as it has come; the pauses between them are seconds at most.
    for (int i = 0; i < 2000 && client->received().empty(); ++i) {
      for (; answered < b.asked.size(); ++answered) b.asked[answered].answer("{}", 500);
      b.settle();
    }
    INFO("attempts = " << attempts);
    CHECK(client->received().starts_with("HTTP/1.1 500"));
    CHECK(b.asked.size() - before == tries);
  }
}

}  // namespace
}  // namespace outrigger::proxy::test
