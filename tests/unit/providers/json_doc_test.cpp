#include "providers/json_doc.h"

#include <catch2/catch_test_macros.hpp>
#include <string_view>

namespace outrigger::providers {
namespace {

TEST_CASE("JSON of which the end is missing is told from JSON that is wrong") {
  constexpr std::string_view k_whole = R"( {"a":[1,{"b":"}]\"\\"},"\u4f60"],"c":null} )";
  REQUIRE(JsonDoc::read(k_whole).root() != nullptr);
  const std::size_t last = k_whole.find_last_of('}');
  for (std::size_t size = 0; size < k_whole.size(); ++size) {
    INFO(k_whole.substr(0, size));
    CHECK(ends_early(k_whole.substr(0, size)) == (size <= last));
  }
  for (const std::string_view wrong : {"not JSON", "<html>", "{} and more", "[1,]", "]", "\"text", "12", "{\"a\":tru}"}) {
    INFO(wrong);
    CHECK_FALSE(ends_early(wrong));
  }
  CHECK(ends_early(" \r\n\t"));
}

}  // namespace
}  // namespace outrigger::providers
