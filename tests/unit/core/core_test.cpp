// Bytes, Rng, policy names, time and Result.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/base64.h"
#include "core/bytes.h"
#include "core/policy.h"
#include "core/result.h"
#include "core/rng.h"
#include "core/time.h"

namespace outrigger {
namespace {

TEST_CASE("bytes hold a copy of what they were made from") {
  std::string text = "hello";
  const Bytes bytes = Bytes::copy(text);
  text = "xxxxx";
  CHECK(bytes.view() == "hello");
  CHECK(bytes.size() == 5);
  CHECK_FALSE(bytes.empty());
}

TEST_CASE("empty bytes are empty, however they came to be") {
  const Bytes made = Bytes::make(0, [](char*) { FAIL("nothing is to be filled"); });
  for (const Bytes& bytes : {Bytes(), Bytes::copy(""), Bytes::literal(""), made, Bytes::copy("abc").slice(1, 0)}) {
    CHECK(bytes.empty());
    CHECK(bytes.view().empty());
  }
}

TEST_CASE("copies and slices share the buffer, and keep it alive") {
  Bytes part;
  {
    const Bytes whole = Bytes::copy("abcdef");
    const Bytes same = whole;
    CHECK(same.data() == whole.data());
    part = whole.slice(2, 3);
    CHECK(part.data() == whole.data() + 2);
  }
  CHECK(part.view() == "cde");
  CHECK(part.slice(1, 2).view() == "de");
  CHECK(part.slice(0, 3).view() == "cde");
  CHECK(part.slice(3, 0).empty());
}

TEST_CASE("moved-from bytes are empty, and self-assignment changes nothing") {
  Bytes from = Bytes::copy("abc");
  Bytes to = std::move(from);
  CHECK(from.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  CHECK(to.view() == "abc");
  Bytes& alias = to;
  to = alias;
  CHECK(to.view() == "abc");
  to = std::move(alias);
  CHECK(to.view() == "abc");
  to = Bytes();
  CHECK(to.empty());
}

TEST_CASE("a literal is not copied") {
  static constexpr std::string_view k_text = "constant";
  const Bytes bytes = Bytes::literal(k_text);
  CHECK(bytes.data() == k_text.data());
  CHECK(bytes.slice(1, 2).data() == k_text.data() + 1);
}

TEST_CASE("made bytes are what their filler wrote") {
  const Bytes bytes = Bytes::make(3, [](char* to) {
    to[0] = 'x';
    to[1] = '\0';
    to[2] = 'z';
  });
  CHECK(bytes.view() == std::string_view("x\0z", 3));
}

TEST_CASE("the same seed gives the same numbers on every machine") {
  // The first outputs of SplitMix64 from 0, as its author published them.
  Rng rng(0);
  CHECK(rng.next() == 0xe220a8397b1dcdafULL);
  CHECK(rng.next() == 0x6e789e6aa1b965f4ULL);
  CHECK(rng.next() == 0x06c45d188009454fULL);
  Rng other(1);
  CHECK(other.next() != 0xe220a8397b1dcdafULL);
}

TEST_CASE("draws stay in their range") {
  Rng rng(42);
  std::array<int, 5> seen{};
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t below = rng.below(seen.size());
    REQUIRE(below < seen.size());
    ++seen[below];
    const double unit = rng.unit();
    REQUIRE(unit >= 0);
    REQUIRE(unit < 1);
  }
  for (const int count : seen) CHECK((count > 1800 && count < 2200));
  CHECK(rng.below(1) == 0);
  CHECK_FALSE(rng.chance(0));
  CHECK(rng.chance(1));
}

TEST_CASE("a fork is not disturbed by what its parent draws later") {
  Rng one(7), two(7);
  Rng fork_of_one = one.fork();
  Rng fork_of_two = two.fork();
  one.next();
  for (int i = 0; i < 10; ++i) CHECK(fork_of_one.next() == fork_of_two.next());
  CHECK(fork_of_one.next() != one.next());
}

template <class Enum, std::size_t N>
void check_words(const std::array<std::string_view, N>& words, std::optional<Enum> (*named)(std::string_view)) {
  for (std::size_t i = 0; i < N; ++i) {
    INFO(words[i]);
    CHECK(name(static_cast<Enum>(i)) == words[i]);
    CHECK(named(words[i]) == static_cast<Enum>(i));
  }
  for (const std::string_view word : {"", "ON", "On", "on ", "faq_plus", "none"}) CHECK_FALSE(named(word));
}

TEST_CASE("the words of the configuration are read and printed alike") {
  check_words<CacheMode>(std::array<std::string_view, 3>{"on", "observe", "off"}, cache_mode_named);
  check_words<Level>(std::array<std::string_view, 5>{"exact", "safe", "faq", "faq+", "synonyms"}, level_named);
  check_words<Scope>(std::array<std::string_view, 4>{"credential", "app", "user", "global"}, scope_named);
  check_words<UsagePolicy>(std::array<std::string_view, 2>{"original", "zero"}, usage_policy_named);
}

TEST_CASE("times are told in seconds and milliseconds") {
  CHECK(seconds(1500ms) == 1.5);
  CHECK(unix_millis(WallTime(std::chrono::milliseconds(1'999))) == 1'999);
  CHECK(unix_seconds(WallTime(std::chrono::milliseconds(1'999))) == 1);
}

TEST_CASE("base64 is that of RFC 4648") {
  struct Row {
    std::string_view bytes, text;
  };
  const Row rows[] = {{"", ""},
                      {"f", "Zg=="},
                      {"fo", "Zm8="},
                      {"foo", "Zm9v"},
                      {"foob", "Zm9vYg=="},
                      {"fooba", "Zm9vYmE="},
                      {"foobar", "Zm9vYmFy"},
                      {"\xff\xfe\xfb", "//77"}};
  for (const Row& row : rows) CHECK(base64(row.bytes) == row.text);
}

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorCode::bad_request, "odd");
  return number / 2;
}

TEST_CASE("a result is a value or an error with its detail") {
  REQUIRE(half(4));
  CHECK(*half(4) == 2);
  REQUIRE_FALSE(half(3));
  CHECK(half(3).error().code == ErrorCode::bad_request);
  CHECK(half(3).error().detail == "odd");
}

}  // namespace
}  // namespace outrigger
