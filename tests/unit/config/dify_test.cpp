// [listen] dify, [dify] and [[app]].
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

// Lines 1 to 9: a door and two backends.
const std::string k_door =
    "[listen]\ndify = \"127.0.0.1:8081\"\n"
    "[[upstream]]\nname = \"new\"\nurl = \"http://new:5001\"\ndialect = \"dify\"\n"
    "[[upstream]]\nname = \"old\"\nurl = \"http://old:5001\"\ndialect = \"dify\"\n";  // up to line 10

TEST_CASE("without a backend the dify door leads to where Dify's Compose file has its api") {
  const auto alone = load("[listen]\ndify = \":8081\"\n");
  INFO(all(alone));
  REQUIRE(alone.config);
  CHECK(alone.diagnostics.empty());
  REQUIRE(alone.config->upstreams.size() == 1);
  CHECK(alone.config->upstreams[0].url.authority() == "api:5001");
  CHECK(alone.config->dify.target.at(0).to == "dify");

  const auto beside = load_with_upstream("[listen]\ndify = \":8081\"\n");
  REQUIRE(beside.config);
  CHECK(beside.config->upstreams.front().name == "relay");
  CHECK(beside.config->upstreams.back().name == "dify");

  CHECK(load(k_door).config->dify.target.at(0).to == "new");
  CHECK(load_with_upstream("").config->dify.target.empty());
  const auto taken = load("[listen]\ndify = \":8081\"\n[[upstream]]\nname = \"dify\"\nurl = \"http://h\"\n");
  REQUIRE(errors(taken).size() == 1);
  CHECK(errors(taken)[0].find("write an [[upstream]] with dialect = \"dify\"") != std::string::npos);
}

TEST_CASE("a pasted /v1 is put right, since the console lies beside it") {
  const auto loaded = load("[[upstream]]\nurl = \"http://api:5001/v1/\"\ndialect = \"dify\"\n[listen]\ndify = \":8081\"\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->upstreams[0].url.path.empty());
  REQUIRE(warnings(loaded).size() == 1);
  CHECK(warnings(loaded)[0].find("write \"http://api:5001\"") != std::string::npos);
  CHECK(load("[[upstream]]\nurl = \"http://h/v1\"\n").config->upstreams[0].url.path == "/v1");
}

TEST_CASE("everything that [dify] takes") {
  const auto loaded = load(k_door + R"([dify]
target = [{ to = "new", weight = 5 }, "old"]
fallback = ["old"]
concurrency = 3
queue = { depth = 7, wait = "9s" }
per_user = 2
trusted = ["172.16.0.0/12", "fd00::/8", "10.1.2.3"]
first_event = "1m"
breaker = { failures = 5, open = "2s", max_open = "4s" }
stop_on_leave = true
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  const Dify& dify = loaded.config->dify;
  REQUIRE(dify.target.size() == 2);
  CHECK(dify.target[0].to == "new");
  CHECK(dify.target[0].weight == 5);
  CHECK(dify.target[1].weight == 1);
  CHECK(dify.fallback == std::vector<std::string>{"old"});
  CHECK(dify.concurrency.fixed == 3);
  CHECK(dify.queue.depth == 7);
  CHECK(dify.queue.wait == 9s);
  CHECK(dify.per_user == 2);
  CHECK(dify.trusted.size() == 3);
  CHECK(dify.first_event == 1min);
  CHECK(dify.breaker.failures == 5);
  CHECK(dify.stop_on_leave);
  CHECK(load(k_door + "[dify]\nconcurrency = { min = 2, max = 10 }").config->dify.concurrency.adaptive->max == 10);
}

TEST_CASE("backends without weights are equal, one alone or one with a weight are not") {
  const auto are_equal = [](std::string_view target) {
    const auto loaded = load(k_door + "[dify]\ntarget = " + std::string(target) + "\n");
    INFO(all(loaded));
    REQUIRE(loaded.config);
    return loaded.config->dify.are_equal;
  };
  CHECK(are_equal(R"(["new", "old"])"));
  CHECK_FALSE(are_equal(R"(["new", { to = "old", weight = 1 }])"));
  CHECK_FALSE(are_equal(R"([{ to = "new", weight = 50 }, { to = "old", weight = 50 }])"));
  CHECK_FALSE(are_equal(R"(["new"])"));
  CHECK_FALSE(are_equal(R"("new")"));
  CHECK_FALSE(load(k_door).config->dify.are_equal);
}

struct Case {
  std::string_view text, message;
};

void check(std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    const auto loaded = load(k_door + std::string(one.text));
    INFO(one.text);
    INFO(all(loaded));
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded)[0].starts_with(one.message));
  }
}

TEST_CASE("what [dify] cannot be, with its place and what to write") {
  check({
      {"[dify]\ntarget = \"neu\"",
       "o.toml:12:10: `target` names the upstream `neu`, which is not there (did you mean `new`?)"},
      {"[dify]\ntarget = []", "o.toml:12:10: `target` takes from 1 to 32 backends"},
      {"[dify]\ntarget = [{ to = \"new\", weight = 0 }]", "o.toml:12:10: the weights of `target` are all 0"},
      {"[dify]\ntarget = [{ weight = 1 }]", "o.toml:12:11: a target needs `to`"},
      {"[dify]\ntarget = [\"new\", \"new\"]", "o.toml:12:18: `new` stands in `target` twice"},
      {"[dify]\ntarget = [1, \"new\"]", "o.toml:12:11: a target is written \"dify-new\""},
      {"[dify]\ntarget = \"new\"\nfallback = [\"new\"]", "o.toml:13:13: `new` would fall back to itself"},
      {"[dify]\nfallback = [\"old\", \"old\"]", "o.toml:12:20: `old` stands in `fallback` twice"},
      {"[dify]\nconcurrency = 0", "o.toml:12:15: `concurrency` of 0 would let nothing through"},
      {"[dify]\nper_user = 0", "o.toml:12:12: `per_user`"},
      {"[dify]\ntrusted = [\"nginx\"]", "o.toml:12:12: `trusted` cannot hold \"nginx\"; write an address or a block"},
      {"[dify]\ntrusted = [\"10.0.0.0/33\"]", "o.toml:12:12: `trusted` cannot hold \"10.0.0.0/33\""},
      {"[dify]\nfirst_event = 3", "o.toml:12:15: `first_event`"},
      {"[dify]\nstop_on_leave = \"yes\"", "o.toml:12:17: `stop_on_leave`"},
      {"[dify]\nbreaker = { failures = 0 }", "o.toml:12:24: `failures`"},
      {"[dify]\nqueue = { dept = 3 }", "o.toml:12:11: unknown key `dept`"},
      {"[dify]\ntimeout = \"3s\"", "o.toml:12:1: unknown key `timeout` in [dify]"},
      {"[[upstream]]\nname = \"k\"\nurl = \"http://h\"\ndialect = \"dify\"\nkeys = [\"app-1\"]",
       "o.toml:3:3: [[upstream]] `k` is a backend of the dify door, where each client brings the key of its app"},
      {"[[upstream]]\nname = \"llm\"\nurl = \"http://h\"\n[dify]\ntarget = \"llm\"",
       "o.toml:15:10: `target` leads to Dify, and `llm` speaks openai; write dialect = \"dify\""},
  });
}

TEST_CASE("what an [[app]] cannot be") {
  check({
      {"[[app]]\nkey = \"app-1\"", "o.toml:11:1: [[app]] needs a `name`"},
      {"[[app]]\nname = \"a\"", "o.toml:11:1: [[app]] `a` needs a `key`, the app's API key"},
      {"[[app]]\nname = \"a\"\nkey = \"sha256:12\"", "o.toml:13:7: \"sha256:\" is followed by 64 hex digits"},
      {"[[app]]\nname = \"a\"\nkey = \"k\"\n[[app]]\nname = \"b\"\nkey = \"k\"",
       "o.toml:16:7: [[app]] `b` has the same key as [[app]] `a`; one key is one app"},
      {"[[app]]\nname = \"a\"\nkey = \"k\"\nconcurrency = 0", "o.toml:14:15: `concurrency`"},
      {"[[app]]\nname = \"a\"\nkey = \"k\"\nttl = \"5m\"", "o.toml:14:1: unknown key `ttl` in [[app]] `a`"},
  });
}

TEST_CASE("an app's key may be its digest, and its cache has settings of its own") {
  const std::string digest(64, 'A');
  const auto loaded =
      load(k_door + "[[app]]\nname = \"a\"\nkey = \"sha256:" + digest + "\"\ncache = { ttl = \"1m\", normalise = \"faq\" }");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.config->apps.at(0).key.text == std::string(64, 'a'));
  const App::Cache& cache = *loaded.config->apps.at(0).cache;
  CHECK(cache.ttl == 1min);
  CHECK(cache.normalise == Level::faq);
  CHECK(cache.per_user);
  CHECK_FALSE(cache.stateless);
  CHECK(warnings(loaded).empty());
}

TEST_CASE("a live conversation needs a chat that may be answered at all") {
  const auto loaded = load(k_door + "[[app]]\nname = \"a\"\nkey = \"k\"\ncache = { live_conversations = true }");
  REQUIRE(loaded.config);
  REQUIRE(warnings(loaded).size() == 1);
  CHECK(warnings(loaded)[0].find("write stateless = true beside it") != std::string::npos);
}

TEST_CASE("what is about a door that is off is warned of") {
  const auto loaded = load_with_upstream("[dify]\nconcurrency = 3\n[[app]]\nname = \"a\"\nkey = \"k\"");
  REQUIRE(loaded.config);
  REQUIRE(warnings(loaded).size() == 2);
  CHECK(warnings(loaded)[0].starts_with("o.toml:4:1: warning: [dify] is about the dify door, which is off"));
  CHECK(warnings(loaded)[1].starts_with("o.toml:6:1: warning: [[app]] is about the dify door, which is off"));
}

TEST_CASE("who would believe everybody is warned") {
  const auto loaded = load(k_door + "[dify]\ntrusted = [\"0.0.0.0/0\"]");
  REQUIRE(warnings(loaded).size() == 1);
  CHECK(warnings(loaded)[0].find("believes whatever any client says") != std::string::npos);
}

TEST_CASE("the doors must not share an address") {
  const auto loaded = load_with_upstream("[listen]\nllm = \"127.0.0.1:1\"\ndify = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"");
  REQUIRE(errors(loaded).size() == 1);
  CHECK(errors(loaded)[0] == "o.toml:6:1: `llm` and `dify` both listen on 127.0.0.1:1; give one of them another port");
  CHECK(errors(load_with_upstream("[listen]\ndify = \"8081\"")).size() == 1);
}

TEST_CASE("blocks of addresses") {
  struct Held {
    std::string_view block, address;
    bool holds;
  };
  for (const Held& one : std::initializer_list<Held>{
           {"172.16.0.0/12", "172.31.255.255", true},
           {"172.16.0.0/12", "172.32.0.0", false},
           {"10.1.2.3", "10.1.2.3", true},
           {"10.1.2.3", "10.1.2.4", false},
           {"0.0.0.0/0", "9.9.9.9", true},
           {"0.0.0.0/0", "::1", false},
           {"fd00::/8", "fdff::1", true},
           {"fd00::/8", "fe00::1", false},
           {"10.0.0.0/8", "::ffff:10.9.9.9", true},
           {"10.0.0.0/8", "10.0.0.1:80", false},
           {"10.0.0.0/8", "", false},
           {"10.0.0.0/8", "unix", false},
       }) {
    INFO(one.block << " " << one.address);
    CHECK(holds(*parse_network(one.block), one.address) == one.holds);
  }
  for (const std::string_view wrong :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ", "::/129", "host/8"}) {
    INFO(wrong);
    CHECK_FALSE(parse_network(wrong));
  }
}

TEST_CASE("the summary shows the door, its backends and its apps, and no key") {
  const auto loaded =
      load(k_door +
           "[dify]\ntarget = [{ to = \"new\", weight = 5 }, { to = \"old\", weight = 95 }]\nfallback = [\"old\"]\n"
           "[[app]]\nname = \"faq\"\nkey = \"hunter2\"\nconcurrency = 4\n");
  REQUIRE(loaded.config);
  const std::string shown = summary(*loaded.config);
  INFO(shown);
  CHECK(shown.find("dify door   127.0.0.1:8081  to new 5 %, old 95 %, then old\n"
                   "              8 runs at once, 100 may wait 30s\n") != std::string::npos);
  CHECK(shown.find("app         faq  4 runs at once\n") != std::string::npos);
  CHECK(shown.find("hunter2") == std::string::npos);
  CHECK(summary(*load(k_door + "[dify]\ntarget = [\"new\", \"old\"]\n").config).find("to the least busy of new, old\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace outrigger::config
