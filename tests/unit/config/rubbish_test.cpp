// Files that are broken in ways nobody thought of: every one is answered, with a place inside the file, or is a configuration.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <iterator>

#include "core/rng.h"
#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

std::string reference() {
  std::ifstream stream(std::string(OUTRIGGER_SOURCE_DIR) + "/conf/outrigger.toml");
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  // Everything that is commented out but looks like TOML takes part.
  for (std::size_t at = text.find("\n# "); at != std::string::npos; at = text.find("\n# ", at + 1)) {
    const std::string_view line = std::string_view(text).substr(at + 3, text.find('\n', at + 1) - at - 3);
    const bool is_toml =
        line.starts_with('[') || (line.find(" = ") != std::string_view::npos && line.find(' ') == line.find(" = "));
    if (is_toml) text.erase(at + 1, 2);
  }
  return text;
}

// One of the small harms that editors, templates and half-finished uploads do.
void harm(std::string& text, Rng& rng) {
  static constexpr std::string_view k_pieces[] = {"\"",
                                                  "[",
                                                  "]",
                                                  "[[",
                                                  "=",
                                                  "\n",
                                                  "'''",
                                                  "env:",
                                                  "{",
                                                  "}",
                                                  ",",
                                                  ":",
                                                  "0",
                                                  "-",
                                                  "\\u0000",
                                                  "\xff",
                                                  "9999999999999999999",
                                                  "1e999",
                                                  "nan",
                                                  "file:/",
                                                  "//",
                                                  "%",
                                                  "@",
                                                  "\"\"",
                                                  " = [[[[[["};
  if (text.empty()) return;
  const std::size_t at = rng.below(text.size());
  switch (rng.below(5)) {
    case 0:
      text.erase(at, rng.below(20));
      break;
    case 1:
      text.insert(at, k_pieces[rng.below(std::size(k_pieces))]);
      break;
    case 2:
      text[at] = static_cast<char>(rng.below(256));
      break;
    case 3:
      text.insert(at, text.substr(rng.below(text.size()), rng.below(200)));
      break;
    default:
      text.resize(std::max(at, text.size() / 2));
      break;
  }
}

TEST_CASE("a broken file is answered with places inside it") {
  const std::string whole = reference();
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Rng rng(seed);
    std::string text = whole;
    for (std::uint64_t harms = 1 + rng.below(4); harms > 0; --harms) harm(text, rng);
    INFO("seed " << seed);
    const auto loaded = load(text);
    const bool has_error =
        std::any_of(loaded.diagnostics.begin(), loaded.diagnostics.end(), [](const Diagnostic& d) { return d.error; });
    REQUIRE((loaded.config == nullptr) == has_error);
    const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      REQUIRE(diagnostic.line <= lines);
      REQUIRE(diagnostic.message.size() > 10);
    }
    if (loaded.config) REQUIRE_FALSE(summary(*loaded.config).empty());
  }
}

TEST_CASE("the smallest files are answered") {
  for (const std::string_view text : {"", "\n", "\xef\xbb\xbf", "[", "a", "=", "\"", "[[]]", "[]", "\r\n", "#"}) {
    INFO(text);
    CHECK_FALSE(load(text).config);
    CHECK_FALSE(load(text).diagnostics.empty());
  }
}

}  // namespace
}  // namespace outrigger::config
