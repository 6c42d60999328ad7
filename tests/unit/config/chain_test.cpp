// A model's chain: what may stand in it, and what is said of fallbacks that cannot help.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

// `relay` without keys, `b` with one, `c` without, and `claude`, which is no model provider. What a test adds begins on line 18.
std::string several(std::string_view toml) {
  return std::string(R"([[upstream]]
name = "relay"
url = "http://h"
[[upstream]]
name = "b"
url = "http://h"
keys = ["k"]
[[upstream]]
name = "c"
url = "http://h"
[[upstream]]
name = "claude"
url = "http://h"
dialect = "dify"
keys = ["k"]
[listen]
llm = "127.0.0.1:8080"
)") + std::string(toml);
}

std::string model(std::string_view name, std::string_view rest) {
  return "[[model]]\nname = \"" + std::string(name) + "\"\n" + std::string(rest);
}

struct Row {
  std::string_view name, chain;
  std::string_view remark;  // how the only one begins; empty: there is none
};

TEST_CASE("nothing stands in a chain twice") {
  const Row rows[] = {
      {"x", "target = \"relay:y\"\nfallback = [\"relay:y\"]", "o.toml:21:13: `relay:y` would fall back to itself"},
      {"x", "target = \"relay\"\nfallback = [\"relay\"]", "o.toml:21:13: `relay` would fall back to itself"},
      // Of a model without wildcards, its name and none are the same.
      {"x", "target = \"relay\"\nfallback = [\"relay:x\"]", "o.toml:21:13: `relay:x` would fall back to itself"},
      {"x", "target = \"relay:x\"\nfallback = [\"relay\"]", "o.toml:21:13: `relay` would fall back to itself"},
      {"x*", "target = \"relay\"\nfallback = [\"relay:x\"]", ""},
      {"x", "target = \"relay\"\nfallback = [\"relay:y\"]", ""},
      {"x", "target = \"relay\"\nfallback = [\"relay:y\", \"relay:z\", \"relay:y\"]",
       "o.toml:21:35: `relay:y` stands in `fallback` on line 21 already"},
      {"x", "target = [\"relay\", \"relay:x\"]", "o.toml:20:20: `relay:x` stands in `target` twice"},
      {"x*", "target = [\"relay\", \"relay:x\"]", ""},
      {"x", "target = [{ to = \"relay\" }, { to = \"relay\" }]", "o.toml:20:36: `relay` stands in `target` twice"},
      // One of several targets may stand in for the others.
      {"x", "target = [\"relay:y\", \"relay:z\"]\nfallback = [\"relay:y\"]", ""},
      {"x", "target = [\"relay:y\", \"relay:z\"]\nfallback = [\"relay:y\", \"relay:y\"]",
       "o.toml:21:24: `relay:y` stands in `fallback` on line 21 already"},
      // To which of several upstreams it was sent is not known.
      {"x", "fallback = [\"b\"]", ""},
  };
  for (const Row& row : rows) {
    const auto loaded = load(several(model(row.name, row.chain)));
    INFO(row.name << ": " << row.chain);
    INFO(all(loaded));
    REQUIRE(loaded.diagnostics.size() == (row.remark.empty() ? 0u : 1u));
    if (!row.remark.empty()) CHECK(errors(loaded).at(0).starts_with(row.remark));
  }
}

TEST_CASE("the only upstream does not fall back to itself") {
  const auto found = errors(load_with_upstream(model("x", "fallback = [\"relay\"]")));
  REQUIRE(found.size() == 1);
  CHECK(found[0].starts_with("o.toml:6:13: `relay` would fall back to itself; name another target or model"));
  CHECK(load_with_upstream(model("x*", "fallback = [\"relay:y\"]")).diagnostics.empty());
}

TEST_CASE("a target that cannot be read is the only thing that is said of the chain") {
  const auto found = errors(load_with_upstream(model("x", "target = [\"rely\", \"relay\"]\nfallback = [\"relay\"]")));
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("names the upstream `rely`") != std::string::npos);
}

TEST_CASE("a target leads to one model") {
  for (const std::string_view chain :
       {"target = \"relay:y*\"", "target = [\"relay:?\"]", "target = [{ to = \"relay:*\" }]", "fallback = [\"relay:y*\"]"}) {
    const auto found = errors(load_with_upstream(model("x", chain)));
    INFO(chain);
    REQUIRE(found.size() == 1);
    CHECK(found[0].find("leads to one model, so `*` and `?` have no place in it; write \"relay\"") != std::string::npos);
  }
}

TEST_CASE("a fallback that cannot help, or without a key, is warned of") {
  const std::string_view keyless = "warning: `c` has no `keys`, and a client's key belongs to `";
  const std::string_view dialect =
      "warning: `claude` speaks dify and `relay` openai, between which requests cannot be translated";
  const Row rows[] = {
      {"x", "target = \"relay\"\nfallback = [\"c:y\"]", keyless},
      {"x", "target = \"b\"\nfallback = [\"c:y\"]", keyless},
      {"x", "target = \"c\"\nfallback = [\"c:y\"]", ""},
      {"x", "target = \"relay\"\nfallback = [\"b\"]", ""},
      {"x", "target = [\"c\", \"relay\"]\nfallback = [\"c:y\"]", keyless},
      {"x", "fallback = [\"c:y\"]", keyless},
      // Once for an upstream, however often it is named.
      {"x", "target = \"relay\"\nfallback = [\"c:y\", \"c:z\"]", keyless},
      {"x", "target = \"relay\"\nfallback = [\"claude:y\"]", dialect},
      {"x", "fallback = [\"claude:y\"]", dialect},
      {"x", "target = \"claude\"\nfallback = [\"claude:y\"]", ""},
      {"x", "target = [\"claude\", \"relay\"]\nfallback = [\"claude:y\"]", dialect},
      {"x", "target = [\"claude\", \"relay\"]\nfallback = [\"b\"]", ""},
  };
  for (const Row& row : rows) {
    const auto loaded = load(several(model(row.name, row.chain)));
    INFO(row.chain);
    INFO(all(loaded));
    REQUIRE(loaded.config);
    const auto found = warnings(loaded);
    REQUIRE(found.size() == (row.remark.empty() ? 0u : 1u));
    if (!row.remark.empty()) CHECK(found[0].find(row.remark) != std::string::npos);
  }
}

TEST_CASE("a header with a credential is as good as a key") {
  const auto loaded =
      load_with_upstream("[[upstream]]\nname = \"c\"\nurl = \"http://h\"\nheaders = { X-Api-Key = \"k\" }\n" +
                         model("x", "target = \"relay\"\nfallback = [\"c\"]"));
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
}

TEST_CASE("a fallback's own chain is nobody's business: models may name each other") {
  const auto loaded = load_with_upstream(model("a", "target = \"relay:a\"\nfallback = [\"relay:b\"]\n") +
                                         model("b", "target = \"relay:b\"\nfallback = [\"relay:a\"]\n"));
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
}

TEST_CASE("a model needs no target for the rest to hold") {
  const auto loaded = load_with_upstream(model("*", "fallback = [\"relay:y\"]\nanswer = \"Later, please.\"\n"));
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Model& read = loaded.config->models.at(0);
  CHECK(read.target.empty());
  CHECK(read.fallback == std::vector<std::string>{"relay:y"});
  CHECK(read.fixed_answer == "Later, please.");
}

}  // namespace
}  // namespace outrigger::config
