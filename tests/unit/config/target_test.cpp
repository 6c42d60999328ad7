// [[target]]: what a target can do, and which of them counts.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

Loaded with(std::string_view lines) { return load_with_upstream("[[target]]\nname = \"relay:m\"\n" + std::string(lines)); }

TEST_CASE("every value of a target is taken up") {
  const auto loaded = with(R"(context = 128000
max_output = 16384
tools = false
vision = false
json_schema = false
stream = false
drop = ["temperature", "top_p", "temperature"]
rename = { max_tokens = "max_completion_tokens" }
concurrency = { min = 3, max = 30 }
rate = { requests_per_minute = 60, tokens_per_minute = 1000 }
breaker = { failures = 5 }
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  const TargetTraits& traits = loaded.config->target_traits.at(0);
  CHECK(traits.name == "relay:m");
  CHECK(traits.context == 128000u);
  CHECK(traits.max_output == 16384u);
  CHECK_FALSE(traits.tools);
  CHECK_FALSE(traits.vision);
  CHECK_FALSE(traits.json_schema);
  CHECK_FALSE(traits.stream);
  CHECK(traits.drop == std::vector<std::string>{"temperature", "top_p"});
  CHECK(traits.rename == std::vector<std::pair<std::string, std::string>>{{"max_tokens", "max_completion_tokens"}});
  CHECK(traits.concurrency->adaptive->min == 3);
  CHECK(traits.concurrency->adaptive->max == 30);
  CHECK(traits.rate->requests_per_minute == 60u);
  CHECK(traits.rate->tokens_per_minute == 1000u);
  CHECK(traits.breaker->failures == 5);
  CHECK(traits.breaker->open == 1s);
}

TEST_CASE("a target that says nothing can do all, and leaves pacing to the model") {
  const auto loaded = with("");
  REQUIRE(loaded.config);
  const TargetTraits& traits = loaded.config->target_traits.at(0);
  CHECK_FALSE(traits.context);
  CHECK_FALSE(traits.max_output);
  CHECK((traits.tools && traits.vision && traits.json_schema && traits.stream));
  CHECK_FALSE(traits.concurrency);
  CHECK_FALSE(traits.rate);
  CHECK_FALSE(traits.breaker);
}

TEST_CASE("the first target that matches counts") {
  const auto loaded = load_with_upstream(R"([[upstream]]
name = "b"
url = "http://h"
[[target]]
name = "relay:gpt-4o"
[[target]]
name = "relay:gpt-4*"
[[target]]
name = "b:llama3:?b"
[[target]]
name = "relay"
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  struct Row {
    std::string_view upstream, model, name;  // empty: none
  };
  const Row rows[] = {{"relay", "gpt-4o", "relay:gpt-4o"},
                      {"relay", "gpt-4o-mini", "relay:gpt-4*"},
                      {"relay", "x", "relay"},
                      {"relay", "", "relay"},
                      {"b", "llama3:8b", "b:llama3:?b"},
                      {"b", "llama3:70b", ""},
                      {"b", "gpt-4o", ""},
                      {"rela", "gpt-4o", ""}};
  for (const Row& row : rows) {
    INFO(row.upstream << ":" << row.model);
    const TargetTraits* traits = loaded.config->traits_for(row.upstream, row.model);
    REQUIRE((traits == nullptr) == row.name.empty());
    if (traits != nullptr) CHECK(traits->name == row.name);
  }
}

TEST_CASE("mistakes in a target are named") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"[[target]]", "o.toml:4:1: [[target]] needs a `name`"},
      {"[[target]]\nname = \"rely:m\"",
       "o.toml:5:8: `name` names the upstream `rely`, which is not there (did you mean `relay`"},
      {"[[target]]\nname = \"relay:\"", "o.toml:5:8: `name` ends with a colon"},
      {"[[target]]\nname = \"relay\"\n[[target]]\nname = \"relay\"",
       "o.toml:7:8: the name `relay` stands in [[target]] on line 5 already"},
      {"[target]\nname = \"relay\"", "o.toml:4:1: there can be several of `target`; write [[target]]"},
      {"[[target]]\nname = \"relay\"\ncontext = \"128k\"",
       "o.toml:6:11: `context` in [[target]] `relay` must be a whole number without quotes"},
      {"[[target]]\nname = \"relay\"\ncontext = 0", "o.toml:6:11: `context` must be from 1"},
      {"[[target]]\nname = \"relay\"\ncontext = 10\nmax_output = 11", "o.toml:7:1: `max_output` is larger than `context`"},
      {"[[target]]\nname = \"relay\"\ntools = 1", "o.toml:6:9: `tools` in [[target]] `relay` must be true or false"},
      {"[[target]]\nname = \"relay\"\ntool = true",
       "o.toml:6:1: unknown key `tool` in [[target]] `relay` (did you mean `tools`?)"},
      {"[[target]]\nname = \"relay\"\nretry = {}",
       "o.toml:6:1: unknown key `retry` in [[target]] `relay`; it belongs in [[model]]"},
      {"[[target]]\nname = \"relay\"\ndrop = [\"n\", \"model\"]",
       "o.toml:6:14: \"model\" in `drop` is what a request is understood by"},
      {"[[target]]\nname = \"relay\"\ndrop = [\"messages\"]", "o.toml:6:9: \"messages\" in `drop` is what"},
      {"[[target]]\nname = \"relay\"\ndrop = [\"stream\"]", "o.toml:6:9: \"stream\" in `drop` is what"},
      {"[[target]]\nname = \"relay\"\ndrop = [\"a.b\"]",
       "o.toml:6:9: \"a.b\" in `drop` is not the name of a request's member"},
      {"[[target]]\nname = \"relay\"\nrename = { a = \"a\" }", "o.toml:6:12: `a` in `rename` is renamed to itself"},
      {"[[target]]\nname = \"relay\"\nrename = { model = \"a\" }", "o.toml:6:12: `model` in `rename` is what"},
      {"[[target]]\nname = \"relay\"\nrename = { a = \"stream\" }", "o.toml:6:16: \"stream\" in `rename` is what"},
      {"[[target]]\nname = \"relay\"\nrename = { a = \"c\", b = \"c\" }",
       "o.toml:6:21: `b` in `rename` is renamed to `c`, and so is `a`"},
      {"[[target]]\nname = \"relay\"\ndrop = [\"a\"]\nrename = { a = \"b\" }",
       "o.toml:7:12: `a` in `rename` stands in `drop`, too"},
      {"[[target]]\nname = \"relay\"\nrename = { a = 1 }",
       "o.toml:6:16: `a` in the rename of [[target]] `relay` must be text in double quotes"},
      {"[[target]]\nname = \"relay\"\nconcurrency = 0", "o.toml:6:15: `concurrency` of 0"},
      {"[[target]]\nname = \"relay\"\nbreaker = { failures = 0 }", "o.toml:6:24: `failures` must be from 1"},
  };
  for (const auto& [toml, error] : rows) {
    const auto loaded = load_with_upstream(toml);
    INFO(toml);
    INFO(all(loaded));
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded)[0].starts_with(error));
  }
}

TEST_CASE("there is an end to targets, and to what one of them drops and renames") {
  std::string targets, drop, rename;
  for (int i = 0; i < 257; ++i) targets += "[[target]]\nname = \"relay:" + std::to_string(i) + "\"\n";
  for (int i = 0; i < 65; ++i) drop += "\"m" + std::to_string(i) + "\", ";
  for (int i = 0; i < 65; ++i) rename += (i == 0 ? "m" : ", m") + std::to_string(i) + " = \"t" + std::to_string(i) + "\"";
  const auto too_many = errors(load_with_upstream(targets));
  REQUIRE(too_many.size() == 1);
  CHECK(too_many[0].find("there may be at most 256 [[target]]") != std::string::npos);
  CHECK(load_with_upstream(targets.substr(0, targets.rfind("[[target]]"))).config);
  CHECK(errors(with("drop = [" + drop + "]")).size() == 1);
  CHECK(with("drop = [" + drop.substr(6) + "]").config);
  CHECK(errors(with("rename = { " + rename + " }")).size() == 1);
  CHECK(with("rename = { " + rename.substr(0, rename.rfind(", m")) + " }").config);
}

TEST_CASE("a target that an earlier pattern takes is warned of") {
  struct Row {
    std::string_view first, second;
    bool warned;
  };
  const Row rows[] = {{"relay", "relay:x", true},      {"relay:*", "relay", true},    {"relay:x*", "relay:xy*", true},
                      {"relay:x", "relay", false},     {"relay:x", "relay:y", false}, {"b", "relay", false},
                      {"relay:xy*", "relay:x*", false}};
  for (const Row& row : rows) {
    INFO(row.first << " before " << row.second);
    const auto loaded =
        load_with_upstream("[[upstream]]\nname = \"b\"\nurl = \"http://h\"\n[[target]]\nname = \"" + std::string(row.first) +
                           "\"\n[[target]]\nname = \"" + std::string(row.second) + "\"\n");
    INFO(all(loaded));
    REQUIRE(loaded.config);
    REQUIRE(warnings(loaded).size() == (row.warned ? 1u : 0u));
    if (row.warned) CHECK(warnings(loaded)[0].find("is never used, because") != std::string::npos);
  }
}

TEST_CASE("a target that nothing leads to is warned of") {
  struct Row {
    std::string_view models, target, remark;  // empty: none
  };
  const std::string_view nothing = " matches nothing, because no [[model]] leads there";
  const Row rows[] = {
      // Without a [[model]] any name may come to any upstream.
      {"", "b:x", ""},
      {"", "b", ""},
      {"[[model]]\nname = \"*\"\ntarget = \"relay\"\n", "b", nothing},
      {"[[model]]\nname = \"*\"\ntarget = \"relay\"\n", "b:x", nothing},
      {"[[model]]\nname = \"*\"\ntarget = \"relay\"\n", "relay:x*", ""},
      {"[[model]]\nname = \"*\"\n", "b:x", ""},
      {"[[model]]\nname = \"*\"\ntarget = \"relay:y\"\nfallback = [\"relay:z\"]\n", "relay:x", nothing},
      {"[[model]]\nname = \"*\"\ntarget = \"relay:y\"\nfallback = [\"relay:z\"]\n", "relay:z", ""},
      {"[[model]]\nname = \"*\"\ntarget = \"relay:y\"\nfallback = [\"relay:z\"]\n", "relay:?", ""},
      {"[[model]]\nname = \"*\"\ntarget = [{ to = \"relay\", weight = 1 }, { to = \"relay:z\", weight = 0 }]\n", "relay",
       ""},
      // `x` goes elsewhere; the next [[model]] would keep the name, but never sees it.
      {"[[model]]\nname = \"x\"\ntarget = \"relay:y\"\n[[model]]\nname = \"*\"\ntarget = \"relay\"\n", "relay:x", nothing},
      {"[[model]]\nname = \"x\"\ntarget = \"relay:y\"\n[[model]]\nname = \"*\"\ntarget = \"relay\"\n", "relay:w", ""},
      // Patterns that surely have no name in common, and others.
      {"[[model]]\nname = \"gpt*\"\ntarget = \"relay\"\n[[model]]\nname = \"*\"\ntarget = \"relay:y\"\n", "relay:claude*",
       nothing},
      {"[[model]]\nname = \"*-mini\"\ntarget = \"relay\"\n[[model]]\nname = \"*\"\ntarget = \"relay:y\"\n", "relay:*-maxi",
       nothing},
      {"[[model]]\nname = \"*-mini\"\ntarget = \"relay\"\n[[model]]\nname = \"*\"\ntarget = \"relay:y\"\n", "relay:gpt*",
       ""},
      {"[[model]]\nname = \"gpt-4*\"\ntarget = \"relay\"\n[[model]]\nname = \"*\"\ntarget = \"relay:y\"\n", "relay:gpt*",
       ""},
      // No [[model]] takes the name, so it may come; but a chain has a similar one.
      {"[[model]]\nname = \"a\"\ntarget = \"relay:claude-3-5-sonnet\"\n", "relay:claude-3-5-sonet",
       "matches no target of a [[model]], only what is sent to `relay` under that name (did you mean "
       "`relay:claude-3-5-sonnet`?)"},
      {"[[model]]\nname = \"a\"\ntarget = \"relay:claude-3-5-sonnet\"\n", "b:claude-3-5-sonet", ""},
      {"[[model]]\nname = \"a\"\ntarget = \"relay:claude-3-5-sonnet\"\n", "relay:gpt-4o", ""},
  };
  for (const Row& row : rows) {
    const auto loaded = load_with_upstream(
        "[[upstream]]\nname = \"b\"\nurl = \"http://h\"\nkeys = [\"k\"]\n[listen]\nllm = \"127.0.0.1:1\"\n" +
        std::string(row.models) + "[[target]]\nname = \"" + std::string(row.target) + "\"\n");
    INFO(row.models << row.target);
    INFO(all(loaded));
    REQUIRE(loaded.config);
    REQUIRE(warnings(loaded).size() == (row.remark.empty() ? 0u : 1u));
    if (!row.remark.empty()) CHECK(warnings(loaded)[0].find(row.remark) != std::string::npos);
  }
}

}  // namespace
}  // namespace outrigger::config
