#include "providers/json_text.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "core/rng.h"
#include "providers/json_doc.h"

namespace outrigger::providers {
namespace {

std::string json_quoted(std::string_view text) {
  std::string to;
  append_string(to, text);
  return to;
}

TEST_CASE("strings are escaped where JSON or a reader of lines needs it, and nowhere else") {
  CHECK(json_quoted("") == "\"\"");
  CHECK(json_quoted("plain äöü 你好 🙂 /\x7f") == "\"plain äöü 你好 🙂 /\x7f\"");
  CHECK(json_quoted("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(json_quoted("\n\r\t\b\f\x1f") == "\"\\n\\r\\t\\u0008\\u000c\\u001f\"");
  CHECK(json_quoted(std::string_view("\0x", 2)) == "\"\\u0000x\"");
  CHECK(json_quoted("a\u0085b\u2028c\u2029d") == "\"a\\u0085b\\u2028c\\u2029d\"");
  CHECK(json_quoted("\u00a9 \u2027 \u202a “x”") == "\"\u00a9 \u2027 \u202a “x”\"");
  CHECK(json_quoted("\xe2") == "\"\xe2\"");
  CHECK(json_quoted("\xe2\x80") == "\"\xe2\x80\"");
  CHECK(json_quoted("\xc2") == "\"\xc2\"");
}

TEST_CASE("what is escaped reads back as it was") {
  const std::uint64_t seed = 20'240'817;
  INFO("seed " << seed);
  Rng rng(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::uint64_t left = rng.below(40); left > 0; --left) {
      constexpr std::string_view k_parts[] = {"a",      "\"",     "\\", "\n",   "\x01", "é",
                                              "\u2028", "\u0085", "汉", "🙂", " ",    "</"};
      text += k_parts[rng.below(std::size(k_parts))];
    }
    const JsonDoc doc = JsonDoc::read(json_quoted(text));
    REQUIRE(string_of(doc.root()) == text);
  }
}

TEST_CASE("what must be escaped is found wherever it stands in a long text") {
  for (const auto& [raw, escaped] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"\"", "\\\""}, {"\n", "\\n"}, {"\x1f", "\\u001f"}, {"\u2028", "\\u2028"}, {"\x7f", "\x7f"}, {"é", "é"}}) {
    for (std::size_t at = 0; at < 70; ++at) {
      CAPTURE(raw, at);
      const std::string before(at, 'a');
      const std::string after(70 - at, 'b');
      REQUIRE(json_quoted(before + std::string(raw) + after) == "\"" + before + std::string(escaped) + after + "\"");
    }
  }
}

TEST_CASE("numbers are written whole") {
  std::string to;
  append_number(to, 0);
  to += ' ';
  append_number(to, std::numeric_limits<std::uint64_t>::max());
  CHECK(to == "0 18446744073709551615");
}

TEST_CASE("whole numbers are read from whatever way of writing them loses nothing") {
  const auto number = [](std::string_view json) { return whole_number_of(JsonDoc::read(json).root()); };
  CHECK(number("12") == 12U);
  CHECK(number("12.0") == 12U);
  CHECK(number("12.00") == 12U);
  CHECK(number("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const std::string_view other : {"18446744073709551616", "-1", "12.5", "1e3", "\"12\"", "null", "[]"}) {
    INFO(other);
    CHECK(!number(other));
  }
}

TEST_CASE("values keep the characters of their numbers") {
  const JsonDoc doc = JsonDoc::read("{\"a\": [1.50, -0.0, 1E400, 123456789012345678901234567890], \"b\" : null}");
  CHECK(text_of(doc.root()) == "{\"a\":[1.50,-0.0,1E400,123456789012345678901234567890],\"b\":null}");
  CHECK(text_of(yyjson_arr_get_first(member(doc.root(), "a"))) == "1.50");
  CHECK(is_nothing(member(doc.root(), "b")));
  CHECK(is_nothing(member(doc.root(), "c")));
  CHECK(!is_nothing(member(doc.root(), "a")));
}

}  // namespace
}  // namespace outrigger::providers
