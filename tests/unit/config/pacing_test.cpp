// How much and how often: concurrency, queue, breaker, retry, hedge, and the fixed answer of a [[model]].
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

Loaded with(std::string_view line, const Environment& environment = k_environment) {
  return load_with_upstream("[[model]]\nname = \"x\"\n" + std::string(line), environment);
}

// Of a line that must be right.
Model read(std::string_view line) {
  const auto loaded = with(line);
  INFO(line);
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  return loaded.config->models.at(0);
}

TEST_CASE("what a model does not say holds by default") {
  const Model model = read("");
  CHECK_FALSE(model.concurrency.fixed);
  CHECK_FALSE(model.concurrency.adaptive);
  CHECK(model.queue.depth == 100);
  CHECK(model.queue.wait == 20s);
  CHECK_FALSE(model.rate.requests_per_minute);
  CHECK_FALSE(model.rate.tokens_per_minute);
  CHECK(model.breaker.failures == 3);
  CHECK(model.breaker.open == 1s);
  CHECK(model.breaker.max_open == 30s);
  CHECK(model.retry.budget == 0.1);
  CHECK(model.retry.attempts == 3);
  CHECK_FALSE(model.hedge);
  CHECK_FALSE(model.fixed_answer);
}

TEST_CASE("concurrency is a number or bounds") {
  CHECK(read("concurrency = 5").concurrency.fixed == 5u);
  CHECK_FALSE(read("concurrency = 5").concurrency.adaptive);
  struct Row {
    std::string_view line;
    std::uint32_t min, max;
  };
  const Row rows[] = {{"concurrency = { min = 3, max = 50 }", 3, 50},
                      {"concurrency = { min = 7, max = 7 }", 7, 7},
                      {"concurrency = {}", 2, 64},
                      // The default of one gives way to what is written for the other.
                      {"concurrency = { min = 100 }", 100, 100},
                      {"concurrency = { max = 1 }", 1, 1}};
  for (const Row& row : rows) {
    const Concurrency concurrency = read(row.line).concurrency;
    CHECK_FALSE(concurrency.fixed);
    REQUIRE(concurrency.adaptive);
    CHECK(concurrency.adaptive->min == row.min);
    CHECK(concurrency.adaptive->max == row.max);
  }
}

TEST_CASE("a breaker's defaults give way to what is written down") {
  CHECK(read("breaker = { open = \"1m\" }").breaker.max_open == 1min);
  CHECK(read("breaker = { open = \"30s\" }").breaker.max_open == 30s);
  CHECK(read("breaker = { max_open = \"500ms\" }").breaker.open == 500ms);
}

TEST_CASE("a hedge is off, on, or measured") {
  CHECK_FALSE(read("hedge = false").hedge);
  CHECK(read("hedge = true").hedge->budget == 0.02);
  CHECK(read("hedge = true").hedge->quantile == 0.95);
  CHECK(read("hedge = { budget = 0.05 }").hedge->budget == 0.05);
  CHECK(read("hedge = { budget = 0.05 }").hedge->quantile == 0.95);
  CHECK(read("hedge = { quantile = 0.99 }").hedge->quantile == 0.99);
}

TEST_CASE("mistakes in pacing are named") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"concurrency = 0", "o.toml:6:15: `concurrency` of 0 would let nothing through; write at least 1"},
      {"concurrency = 100001", "o.toml:6:15: `concurrency` must be from 1 to 100000, not 100001"},
      {"concurrency = -1", "o.toml:6:15: `concurrency` must be from 1 to 100000, not -1"},
      {"concurrency = \"5\"", "o.toml:6:15: `concurrency` in [[model]] `x` must be a whole number, or bounds such as { min"},
      {"concurrency = { min = 0 }", "o.toml:6:23: `min` must be from 1 to 100000, not 0"},
      {"concurrency = { min = 8, max = 7 }", "o.toml:6:26: `max` is smaller than `min`"},
      {"concurrency = { least = 8 }", "o.toml:6:17: unknown key `least` in the concurrency of [[model]] `x`"},
      {"breaker = { open = \"2s\", max_open = \"1999ms\" }", "o.toml:6:26: `max_open` is shorter than `open`"},
      {"hedge = 0.02", "o.toml:6:9: `hedge` in [[model]] `x` must be true, false or a table"},
      {"hedge = { budget = 0 }", "o.toml:6:20: `budget` must be from 0.001 to 0.5, not 0"},
      {"hedge = { quantile = 95 }", "o.toml:6:22: `quantile` must be from 0.5 to 0.999, not 95"},
      {"answer = \"\"", "o.toml:6:10: `answer` in [[model]] `x` must not be empty"},
      {"tools = false", "o.toml:6:1: unknown key `tools` in [[model]] `x`; it belongs in [[target]]"},
  };
  for (const auto& [line, error] : rows) {
    const auto loaded = with(line);
    INFO(line);
    INFO(all(loaded));
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded)[0].starts_with(error));
  }
}

TEST_CASE("a wait that outlasts every client is warned of") {
  CHECK(read("queue = { wait = \"240s\" }").queue.wait == 240s);
  const auto loaded = with("queue = { wait = \"240001ms\" }");
  REQUIRE(loaded.config);
  REQUIRE(warnings(loaded).size() == 1);
  CHECK(warnings(loaded)[0].starts_with("o.toml:6:11: warning: `wait` is longer than any known client waits"));
  CHECK(warnings(loaded)[0].find("write 4m or less") != std::string::npos);
}

TEST_CASE("a fixed answer is text, wherever it comes from") {
  CHECK(read("answer = \"Später 再试\"").fixed_answer == "Später 再试");
  const TemporaryFile file("First line.\nSecond.\n");
  CHECK(read("answer = \"file:" + file.path() + "\"").fixed_answer == "First line.\nSecond.");
  CHECK(with("answer = \"" + std::string(64 << 10, 'a') + "\"").config);
  const auto longer = with("answer = \"" + std::string((64 << 10) + 1, 'a') + "\"");
  REQUIRE(errors(longer).size() == 1);
  CHECK(errors(longer)[0] == "o.toml:6:10: `answer` may have at most 64KiB; write a shorter one");
}

TEST_CASE("a fixed answer that is not UTF-8 is refused") {
  const std::pair<std::string, bool> rows[] = {
      {"\x7f", true},
      {"\xc2\x80", true},
      {"\xe0\xa0\x80", true},
      {"\xed\x9f\xbf", true},
      {"\xee\x80\x80", true},
      {"\xf0\x90\x80\x80", true},
      {"\xf4\x8f\xbf\xbf", true},
      {"\x80", false},
      {"\xc1\xbf", false},
      {"\xc2", false},
      {"\xc2x", false},
      {"\xe0\x9f\xbf", false},
      {"\xed\xa0\x80", false},
      {"\xe4\xbd", false},
      {"\xf0\x8f\xbf\xbf", false},
      {"\xf4\x90\x80\x80", false},
      {"\xf5\x80\x80\x80", false},
      {"\xff", false},
  };
  for (const auto& [bytes, sound] : rows) {
    const auto loaded = with("answer = \"env:ANSWER\"", {{"ANSWER", "a" + bytes}});
    INFO(all(loaded));
    CAPTURE(bytes);
    CHECK((loaded.config != nullptr) == sound);
    if (sound) CHECK(loaded.config->models.at(0).fixed_answer == "a" + bytes);
    if (!sound) CHECK(errors(loaded).at(0).starts_with("o.toml:6:10: env:ANSWER does not hold text in UTF-8"));
  }
}

}  // namespace
}  // namespace outrigger::config
