#include "sim/prose.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sim/json.h"

namespace outrigger::sim_provider {
namespace {

TEST_CASE("tokens joined are the text and no character is cut") {
  for (const std::string text : {"", "a", "Hello, world!  Two blanks. incomprehensibilities", " leading", "trailing ",
                                 "你好，世界 mixed 12", "é\n\t\"quoted\"", "emoji 👋🏽 end"}) {
    INFO(text);
    std::string joined;
    for (const std::string_view token : tokens_of(text)) {
      CHECK_FALSE(token.empty());
      CHECK(is_utf8(token));
      joined += token;
    }
    CHECK(joined == text);
    CHECK(count_tokens(text) == tokens_of(text).size());
  }
  CHECK(tokens_of("Where is it?").size() == 4);
  CHECK(tokens_of("你好吗").size() == 3);
}

TEST_CASE("a text that is not UTF-8 still has tokens") {
  std::string joined;
  for (const std::string_view token : tokens_of("a\xff\xfe\x80 b\xe4")) joined += token;
  CHECK(joined == "a\xff\xfe\x80 b\xe4");
}

TEST_CASE("a derived answer has exactly as many tokens as asked, quotes the question, and depends on the hash") {
  for (const std::uint64_t tokens : {1u, 2u, 10u, 40u, 500u}) {
    INFO(tokens);
    CHECK(count_tokens(derived_answer("Where is my parcel?", 1, tokens)) == tokens);
    CHECK(count_tokens(derived_answer("我的包裹在哪里?", 1, tokens)) == tokens);
  }
  const std::string answer = derived_answer("Where is my parcel?", 1, 40);
  CHECK(answer.starts_with("About \"Where is my parcel?\" (reference 00000001):"));
  CHECK(answer == derived_answer("Where is my parcel?", 1, 40));
  CHECK(answer != derived_answer("Where is my parcel?", 2, 40));
  CHECK(derived_answer("我的包裹在哪里?", 1, 40).starts_with("关于“我的包裹在哪里?”"));
}

TEST_CASE("a sized answer has exactly that many bytes") {
  for (const std::uint64_t size : {0u, 1u, 7u, 2048u, 100'000u}) CHECK(sized_answer(3, size).size() == size);
  CHECK(sized_answer(3, 100) != sized_answer(4, 100));
}

TEST_CASE("shortening never cuts a character") {
  CHECK(shortened("abc", 3) == "abc");
  CHECK(shortened("abc", 2) == "ab");
  CHECK(shortened("你好", 5) == "你");
  CHECK(shortened("你好", 2).empty());
}

TEST_CASE("JSON texts are escaped, and bytes above ASCII stay as they are") {
  CHECK(json_quoted("a\"b\\c\n\r\t\x01") == "\"a\\\"b\\\\c\\n\\r\\t\\u0001\"");
  CHECK(json_quoted("é\xff") == "\"é\xff\"");
  CHECK(is_utf8("你好"));
  CHECK_FALSE(is_utf8("\xe4\xbd"));
  CHECK_FALSE(is_utf8("\xc0\xaf"));
}

}  // namespace
}  // namespace outrigger::sim_provider
