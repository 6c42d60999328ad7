#include "config/changes.h"

#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

std::vector<std::string> between(std::string_view before, std::string_view after, const Environment& then = k_environment,
                                 const Environment& now = k_environment) {
  const auto old = load_with_upstream(before, then);
  const auto fresh = load_with_upstream(after, now);
  INFO(all(old) + all(fresh));
  REQUIRE(old.config);
  REQUIRE(fresh.config);
  return changes(*old.config, *fresh.config);
}
using Lines = std::vector<std::string>;

TEST_CASE("each key that differs is a line") {
  struct Case {
    std::string before, after;
    Lines lines;
  };
  const Case table[] = {
      {"", "", {}},
      {"[cache]\nttl = \"10m\"", "[cache]\nttl = \"10m\" # the same", {}},
      {"[cache]\nttl = \"10m\"", "[cache]\nttl = \"1h\"", {"[cache] ttl: \"10m\" is now \"1h\""}},
      {"", "[cache]\nttl = \"1h\"", {"[cache] ttl = \"1h\" is new"}},
      {"[cache]\nttl = \"1h\"", "", {"[cache] ttl is no longer set; it was \"1h\""}},
      {"[cache]\nmax_temperature = 1", "[cache]\nmax_temperature = 0.5", {"[cache] max_temperature: 1 is now 0.5"}},
      {"[[model]]\nname = \"a\"\nqueue = { depth = 5 }",
       "[[model]]\nname = \"a\"\nqueue = { depth = 7, wait = \"1s\" }",
       {"[[model]] `a` queue.depth: 5 is now 7", "[[model]] `a` queue.wait = \"1s\" is new"}},
      {"[[model]]\nname = \"a\"\nconcurrency = 4",
       "[[model]]\nname = \"b\"\nconcurrency = 4",
       {"[[model]] `a` is gone", "[[model]] `b` is new"}},
      {"[[model]]\nname = \"a\"\n[[model]]\nname = \"b\"",
       "[[model]]\nname = \"b\"\n[[model]]\nname = \"a\"",
       {"[[model]] order: \"a, b\" is now \"b, a\""}},
      {"[[model]]\nname = \"a\"\n[[model]]\nname = \"b\"",
       "[[model]]\nname = \"c\"\n[[model]]\nname = \"b\"\n[[model]]\nname = \"a\"",
       {"[[model]] `c` is new"}},
      {"[[model]]\nname = \"a\"\nfallback = [\"relay:x\"]",
       "[[model]]\nname = \"a\"\nfallback = [\"relay:y\", \"relay:x\"]",
       {"[[model]] `a` fallback: [\"relay:x\"] is now [\"relay:y\", \"relay:x\"]"}},
      {"[[model]]\nname = \"a\"\ntarget = [{ to = \"relay\", weight = 1 }]",
       "[[model]]\nname = \"a\"\ntarget = [{ to = \"relay\", weight = 2 }]",
       {"[[model]] `a` target: [{ to = \"relay\", weight = 1 }] is now [{ to = \"relay\", weight = 2 }]"}},
  };
  for (const Case& row : table) {
    CAPTURE(row.before, row.after);
    CHECK(between(row.before, row.after) == row.lines);
  }
}

TEST_CASE("secrets are compared, and none is shown") {
  // Whatever may be one, written in plain.
  const auto written = [](std::string_view secret) {
    const std::string s(secret);
    return "[cache]\nsecret = \"" + s + "a\"\n[redis]\nurl = \"redis://:" + s +
           "b@redis:6379\"\n[[client]]\nname = \"c\"\nkey = \"" + s + "c\"\n[listen]\nadmin_token = \"" + s +
           "d\"\n[[app]]\nname = \"x\"\nkey = \"" + s +
           "e\"\n[[upstream]]\nname = \"two\"\nurl = \"https://two\"\nkeys = [\"" + s + "f\"]\nproxy = \"http://u:" + s +
           "g@proxy:1\"\nheaders = { X-Relay-Token = \"" + s + "h\" }\n";
  };
  const Lines lines = between(written("0123456789-before-"), written("0123456789-after-"));
  CHECK(lines.size() == 8);
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK_FALSE(line.contains("0123456789"));
    CHECK(line.ends_with(" has changed"));
  }
}

TEST_CASE("a secret that came from elsewhere has changed when it holds something else") {
  const std::string text = "[[client]]\nname = \"c\"\nkey = \"env:SUPPORT_KEY\"";
  CHECK(between(text, text).empty());
  const Environment rotated{{"RELAY_KEY", "sk-relay"}, {"SUPPORT_KEY", "sk-rotated"}};
  CHECK(between(text, text, k_environment, rotated) ==
        Lines{"[[client]] `c` key: what \"env:SUPPORT_KEY\" holds has changed"});
  const TemporaryFile file("sk-file");
  const std::string moved = "[[client]]\nname = \"c\"\nkey = \"file:" + file.path() + "\"";
  CHECK(between(text, moved) == Lines{"[[client]] `c` key: \"env:SUPPORT_KEY\" is now \"file:" + file.path() + "\""});
}

TEST_CASE("a name cannot forge a line of the log, and a long value is cut") {
  const Lines forged = between("", "[[model]]\nname = \"a\\nb\\u001b[31m\"");
  CHECK(forged == Lines{"[[model]] `a\\x0ab\\x1b[31m` is new"});
  const Lines cut = between("", "[cache]\nepoch = \"" + std::string(500, 'x') + "\"");
  REQUIRE(cut.size() == 1);
  CHECK(cut.front().size() < 200);
}

TEST_CASE("many changes are counted, not listed") {
  std::string many;
  for (int i = 0; i < 80; ++i) many += "[[model]]\nname = \"m" + std::to_string(i) + "\"\n";
  const Lines lines = between("", many);
  REQUIRE(lines.size() == k_max_changes + 1);
  CHECK(lines.back() == "and 30 more");
}

}  // namespace
}  // namespace outrigger::config
