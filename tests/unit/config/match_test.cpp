// Globs, and the nearest word.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "config/config.h"
#include "config/suggest.h"

namespace outrigger::config {
namespace {

TEST_CASE("a glob matches the whole text, `*` any run and `?` one character") {
  struct Row {
    std::string_view pattern, text;
    bool matches;
  };
  const Row rows[] = {{"*", "", true},
                      {"*", "gpt-4o", true},
                      {"", "", true},
                      {"", "x", false},
                      {"gpt-4o", "gpt-4o", true},
                      {"gpt-4o", "gpt-4o-mini", false},
                      {"gpt-4o*", "gpt-4o", true},
                      {"gpt-4o*", "gpt-4o-mini", true},
                      {"*mini", "gpt-4o-mini", true},
                      {"*mini", "mini-x", false},
                      {"g*4*i", "gpt-4o-mini", true},
                      {"g?t", "gpt", true},
                      {"g?t", "gt", false},
                      {"?", "", false},
                      {"a*b*c", "aXbXbXc", true},
                      {"a*b*c", "aXbXbX", false},
                      {"**", "x", true},
                      {"GPT", "gpt", false},
                      {"*?", "", false},
                      {"*?", "x", true},
                      {"a*a", "a", false}};
  for (const Row& row : rows) {
    INFO(row.pattern << " and " << row.text);
    CHECK(glob_matches(row.pattern, row.text) == row.matches);
  }
}

TEST_CASE("a glob full of stars does not take for ever") {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "a*";
  CHECK_FALSE(glob_matches(pattern + "b", std::string(20'000, 'a')));
}

TEST_CASE("distance counts letters left out, added, replaced and swapped") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("ttl", "ttl") == 0);
  CHECK(edit_distance("ttl", "") == 3);
  CHECK(edit_distance("", "ttl") == 3);
  CHECK(edit_distance("tl", "ttl") == 1);
  CHECK(edit_distance("tttl", "ttl") == 1);
  CHECK(edit_distance("txl", "ttl") == 1);
  CHECK(edit_distance("tlt", "ttl") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("only a word that is close is suggested") {
  constexpr std::array<std::string_view, 4> known{"ttl", "memory", "normalise", "max_entry"};
  CHECK(closest("tlt", known) == "ttl");
  CHECK(closest("normalize", known) == "normalise");
  CHECK(closest("maxentry", known) == "max_entry");
  CHECK(closest("xyz", known).empty());
  CHECK(closest("", known).empty());
  CHECK(closest(std::string(10'000, 'a'), known).empty());
  CHECK(did_you_mean("memroy", known) == " (did you mean `memory`?)");
  CHECK(did_you_mean("zzzz", known).empty());
}

}  // namespace
}  // namespace outrigger::config
