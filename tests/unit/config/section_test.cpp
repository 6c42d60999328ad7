// Upstreams, models, routes and clients: names, references, and what this version does not do yet.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

struct Mistake {
  std::string_view toml, error;
};

void check(std::initializer_list<Mistake> mistakes) {
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.toml);
    const auto loaded = load_with_upstream(mistake.toml);
    const auto found = errors(loaded);
    INFO(all(loaded));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with(mistake.error));
  }
}

TEST_CASE("an upstream's name is a path segment of its own") {
  for (const std::string_view name : {"v1", "v1beta", "v4", "chat", "completions", "embeddings", "models", "messages",
                                      "responses", "rerank", "audio", "images", "files"}) {
    INFO(name);
    const auto found = errors(load("[[upstream]]\nname = \"" + std::string(name) + "\"\nurl = \"http://h\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("o.toml:2:8: `name` cannot be \"" + std::string(name) + "\", because paths of the API"));
  }
  for (const std::string_view name : {"a/b", "a:b", "-a", "a b", "ä", ".", ".."}) {
    INFO(name);
    const auto found = errors(load("[[upstream]]\nname = \"" + std::string(name) + "\"\nurl = \"http://h\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("o.toml:2:8: `name` takes letters, digits"));
  }
  for (const std::string_view name : {"openai", "a", "relay-2", "v", "vllm", "my.relay_x", "Chat"}) {
    INFO(name);
    CHECK(load("[[upstream]]\nname = \"" + std::string(name) + "\"\nurl = \"http://h\"").config);
  }
  CHECK(load("[[upstream]]\nname = \"" + std::string(64, 'a') + "\"\nurl = \"http://h\"").config);
  CHECK_FALSE(load("[[upstream]]\nname = \"" + std::string(65, 'a') + "\"\nurl = \"http://h\"").config);
}

TEST_CASE("mistakes in an upstream are named") {
  check({
      {"[[upstream]]\nname = \"relay\"\nurl = \"http://h\"",
       "o.toml:5:8: the name `relay` stands in [[upstream]] on line 2 already"},
      {"[[upstream]]\nurl = \"http://h\"", "o.toml:4:1: [[upstream]] needs a `name`, because there are several"},
      {"[[upstream]]\nname = \"b\"", "o.toml:4:1: [[upstream]] `b` needs a `url`"},
      {"[[upstream]]\nname = \"b\"\nurl = \"http://u:p@h\"",
       "o.toml:6:7: `url` cannot be used: a user or password has no place here"},
      {"dialect = \"open-ai\"",
       "o.toml:4:11: `dialect` cannot be \"open-ai\"; write one of \"openai\", \"anthropic\", \"dify\" (did you mean "
       "`openai`?)"},
      {"speaks = [\"chat\"]",
       "o.toml:4:11: `speaks` cannot be \"chat\"; write one of \"chat/completions\", \"responses\", \"messages\""},
      {"speaks = \"responses\"", "o.toml:4:10: `speaks` in [[upstream]] `relay` must be a list of texts"},
      {"dialect = \"dify\"\nspeaks = [\"responses\"]", "o.toml:5:11: `speaks` is about wires on which models are asked"},
      {"keys = \"k\"",
       "o.toml:4:8: `keys` in [[upstream]] `relay` must be a list of texts such as keys = [\"…\"], not a string"},
      {"key = \"k\"", "o.toml:4:1: `key` in [[upstream]] `relay` is a list here; write keys = [\"env:NAME\"]"},
      {"keys = [\"Bearer k\"]", "o.toml:4:9: a key stands without \"Bearer\" in front"},
      {"keys = [\"a b\"]", "o.toml:4:9: a key is one line of visible ASCII"},
      {"keys = [\"\"]", "o.toml:4:9: `keys` in [[upstream]] `relay` must not be empty"},
      {"proxy = \"socks5://h:1\"", "o.toml:4:9: `proxy` cannot be used: only HTTP proxies are supported"},
      {"headers = { \"Host\" = \"x\" }",
       "o.toml:4:13: `Host` in the headers of [[upstream]] `relay` is set by outrigger itself"},
      {"headers = { \"a b\" = \"x\" }",
       "o.toml:4:13: `a b` in the headers of [[upstream]] `relay` is not the name of a header"},
      {"headers = { x = \"a\\nb\" }", "o.toml:4:13: `x` in the headers of [[upstream]] `relay` has a line break"},
      {"keys = [\"k\"]\nheaders = { Authorization = \"x\" }",
       "o.toml:5:13: `Authorization` in the headers of [[upstream]] `relay` would contradict `keys`"},
      {"ca = \"/etc/ca.pem\"", "o.toml:4:6: `ca` needs \"file:\" in front of a path; write \"file:/etc/ca.pem\""},
      {"ca = \"rubbish\"", "o.toml:4:6: `ca` holds no PEM block `CERTIFICATE`"},
  });
}

TEST_CASE("a key that is there twice counts once, and is not shown") {
  const auto loaded =
      load_with_upstream("keys = [\"env:RELAY_KEY\", \"other\", \"sk-relay\"]\n[listen]\nllm = \"127.0.0.1:1\"");
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->upstreams[0].keys.size() == 2);
  CHECK(loaded.config->upstreams[0].keys[1].text == "other");
  const auto found = warnings(loaded);
  REQUIRE(found.size() == 1);
  CHECK(found[0].starts_with("o.toml:4:35: warning: `keys` holds this key already; it counts once"));
  CHECK(found[0].find("sk-relay") == std::string::npos);
}

TEST_CASE("a short secret works, with a warning") {
  for (const auto& [secret, warned] : {std::pair("0123456789abcde", 1u), std::pair("0123456789abcdef", 0u)}) {
    const Loaded loaded = load_with_upstream("[cache]\nsecret = \"" + std::string(secret) + "\"");
    REQUIRE(loaded.config != nullptr);
    CHECK(loaded.config->cache.secret->text == secret);
    CHECK(warnings(loaded).size() == warned);
  }
}

TEST_CASE("defaults give way to what is written down") {
  const Loaded loaded =
      load_with_upstream("[cache]\nmemory = \"100KiB\"\n[[model]]\nname = \"*\"\ntimeout = { total = \"1s\" }\n");
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.config->cache.max_entry == 100u << 10);
  CHECK(loaded.config->models.front().timeout.connect == 1s);
}

TEST_CASE("the endpoint of a pasted URL is cut off with a warning") {
  const auto loaded = load("[[upstream]]\nurl = \"https://h:8443/v1/chat/completions/\"");
  REQUIRE(loaded.config);
  CHECK(loaded.config->upstreams[0].url.path == "/v1");
  const auto found = warnings(loaded);
  REQUIRE(found.size() == 1);
  CHECK(found[0].ends_with("write \"https://h:8443/v1\""));
}

TEST_CASE("a certificate that is not checked is warned of") {
  const auto loaded = load_with_upstream("verify = false");
  REQUIRE(loaded.config);
  CHECK_FALSE(loaded.config->upstreams[0].verify);
  CHECK(warnings(loaded).size() == 1);
}

TEST_CASE("targets and fallbacks lead to upstreams that are there") {
  const std::string model = "[[model]]\nname = \"x\"\n";
  check({
      {"[[model]]\nname = \"x\"\ntarget = \"rely\"",
       "o.toml:6:10: `target` names the upstream `rely`, which is not there (did you mean `relay`?)"},
      {"[[model]]\nname = \"x\"\ntarget = \"zzz:m\"",
       "o.toml:6:10: `target` names the upstream `zzz`, which is not there; there are `relay`"},
      {"[[model]]\nname = \"x\"\ntarget = \"relay:\"", "o.toml:6:10: `target` ends with a colon"},
      {"[[model]]\nname = \"x\"\ntarget = []", "o.toml:6:10: `target` takes from 1 to 32 targets"},
      {"[[model]]\nname = \"x\"\ntarget = [5]", "o.toml:6:11: a target is written"},
      {"[[model]]\nname = \"x\"\ntarget = [{ weight = 1 }]", "o.toml:6:11: a target needs `to`"},
      {"[[model]]\nname = \"x\"\ntarget = [{ to = \"relay\", weight = 0 }]",
       "o.toml:6:10: the weights of `target` are all 0"},
      {"[[model]]\nname = \"x\"\ntarget = [{ to = \"relay\", weight = -1 }, \"relay:y\"]",
       "o.toml:6:36: `weight` must be from 0 to 1000000, not -1"},
      {"[[model]]\nname = \"x\"\nfallback = [\"relay:y\", \"b:m\"]",
       "o.toml:6:24: `fallback` names the upstream `b`, which is not there"},
      {"[[route]]\npath = \"/faq\"\nupstream = \"b\"", "o.toml:6:12: `upstream` names the upstream `b`, which is not there"},
  });
}

TEST_CASE("mistakes in a model are named") {
  check({
      {"[[model]]\ntarget = \"relay\"", "o.toml:4:1: [[model]] needs a `name`"},
      {"[[model]]\nname = \"x\"\n[[model]]\nname = \"x\"", "o.toml:7:8: the name `x` stands in [[model]] on line 5 already"},
      {"[[model]]\nname = \"x\"\nconcurrency = 0", "o.toml:6:15: `concurrency` of 0 would let nothing through"},
      {"[[model]]\nname = \"x\"\nqueue = { wait = 20 }", "o.toml:6:18: `wait` needs a unit"},
      {"[[model]]\nname = \"x\"\nrate = { requests_per_minute = 0 }", "o.toml:6:32: `requests_per_minute` must be from 1"},
      {"[[model]]\nname = \"x\"\nbreaker = { open = \"2s\", max_open = \"1s\" }",
       "o.toml:6:26: `max_open` is shorter than `open`"},
      {"[[model]]\nname = \"x\"\nretry = { budget = 1.5 }", "o.toml:6:20: `budget` must be from 0 to 1, not 1.5"},
      {"[[model]]\nname = \"x\"\nretry = { attempts = 11 }", "o.toml:6:22: `attempts` must be from 1 to 10, not 11"},
      {"[[model]]\nname = \"x\"\ntimeout = { total = \"1s\", connect = \"2s\" }",
       "o.toml:6:11: the timeout of [[model]] `x` is longer than `total`"},
      {"[[model]]\nname = \"x\"\ntimeout = { first_token = \"301s\" }",
       "o.toml:6:11: the timeout of [[model]] `x` is longer than `total`"},
      {"[[model]]\nname = \"x\"\nprice = { input = 3 }", "o.toml:6:9: `price` needs both `input` and `output`"},
      {"[[model]]\nname = \"x\"\nprice = { input = -3, output = 1 }",
       "o.toml:6:19: `input` must be from 0 to 1000000, not -3"},
      {"[[model]]\nname = \"x\"\ncache = { memory = \"1MiB\" }",
       "o.toml:6:11: `memory` in the cache of [[model]] `x` cannot be set here"},
  });
}

TEST_CASE("every value of a model is taken up") {
  const auto loaded = load_with_upstream(R"(
[[upstream]]
name = "official"
url = "https://h/v1"
[[model]]
name = "gpt-4o*"
target = [{ to = "official", weight = 95 }, "relay:m:8b"]
fallback = ["relay:a", "official"]
concurrency = 5
queue = { depth = 10, wait = "5s" }
rate = { requests_per_minute = 60, tokens_per_minute = 100000 }
timeout = { connect = "1s", first_token = "15s", between_tokens = "20s", total = "100s" }
breaker = { failures = 4, open = "2s", max_open = "20s" }
retry = { budget = 0.2, attempts = 2 }
price = { input = 3, output = 15.5 }
[[model]]
name = "*"
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Model& model = *loaded.config->model_for("gpt-4o-mini");
  REQUIRE(model.target.size() == 2);
  CHECK(model.target[0].to == "official");
  CHECK(model.target[0].weight == 95);
  CHECK(model.target[1].to == "relay:m:8b");
  CHECK(model.fallback == std::vector<std::string>{"relay:a", "official"});
  CHECK(model.concurrency.fixed == 5u);
  CHECK(model.queue.depth == 10);
  CHECK(model.queue.wait == 5s);
  CHECK(model.rate.requests_per_minute == 60u);
  CHECK(model.rate.tokens_per_minute == 100000u);
  CHECK(model.timeout.connect == 1s);
  CHECK(model.timeout.first_token == 15s);
  CHECK(model.timeout.between_tokens == 20s);
  CHECK(model.timeout.total == 100s);
  CHECK(model.breaker.failures == 4);
  CHECK(model.breaker.open == 2s);
  CHECK(model.breaker.max_open == 20s);
  CHECK(model.retry.budget == 0.2);
  CHECK(model.retry.attempts == 2);
  CHECK(model.price->input == 3);
  CHECK(model.price->output == 15.5);
  CHECK(loaded.config->model_for("other")->name == "*");
}

TEST_CASE("what is in effect is not warned of") {
  const auto loaded = load_with_upstream(R"([cache]
stale_while_revalidate = "0s"
[[model]]
name = "x"
target = "relay:m"
fallback = ["relay"]
concurrency = 5
queue = {}
rate = {}
breaker = {}
retry = {}
timeout = { first_token = "1s" }
price = { input = 1, output = 2 }
cache = { ttl = "1h" }
[[model]]
name = "y"
target = [{ to = "relay", weight = 3 }]
)");
  INFO(all(loaded));
  CHECK(loaded.diagnostics.empty());
}

TEST_CASE("the first token has a limit of its own accord only where there is somebody else to ask") {
  const auto limit = [](std::string_view more) {
    const auto loaded = load_with_upstream("[[model]]\nname = \"x\"\n" + std::string(more));
    REQUIRE(loaded.config != nullptr);
    return loaded.config->models.front().timeout.first_token;
  };
  CHECK_FALSE(limit(""));
  CHECK(limit("fallback = [\"relay:m\"]") == k_first_token_with_fallback);
  CHECK(limit("fallback = [\"relay:m\"]\ntimeout = { total = \"5s\" }") == 5s);
  CHECK(limit("fallback = [\"relay:m\"]\ntimeout = { first_token = \"9s\" }") == 9s);
}

TEST_CASE("a model that an earlier pattern takes is warned of") {
  struct Row {
    std::string_view first, second;
    bool warned;
  };
  const Row rows[] = {{"*", "gpt-4o", true},    {"gpt*", "gpt-4*", true},  {"gpt-4*", "gpt*", false}, {"gpt-4o", "*", false},
                      {"gpt-?", "gpt-4", true}, {"gpt-?", "gpt-*", false}, {"a", "b", false}};
  for (const Row& row : rows) {
    INFO(row.first << " before " << row.second);
    const auto loaded = load_with_upstream("[[model]]\nname = \"" + std::string(row.first) + "\"\n[[model]]\nname = \"" +
                                           std::string(row.second) + "\"\n");
    REQUIRE(loaded.config);
    CHECK(warnings(loaded).size() == (row.warned ? 1u : 0u));
  }
}

TEST_CASE("a route's path leads nowhere else") {
  for (const std::string_view path : {"/v1", "/v1/faq", "/chat/x", "/models"}) {
    INFO(path);
    const auto found = errors(load_with_upstream("[[route]]\npath = \"" + std::string(path) + "\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("o.toml:5:8: `path` cannot begin with /"));
  }
  for (const std::string_view path : {"/relay", "/relay/faq"}) {
    INFO(path);
    const auto found = errors(load_with_upstream("[[route]]\npath = \"" + std::string(path) + "\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].find("leads to the upstream `relay`") != std::string::npos);
  }
  for (const std::string_view path :
       {"faq", "/", "/faq/", "//faq", "/a//b", "/a/../b", "/.", "/a?b", "/a b", "/ä", "/a%20"}) {
    INFO(path);
    const auto found = errors(load_with_upstream("[[route]]\npath = \"" + std::string(path) + "\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("o.toml:5:8: `path` begins with a `/`"));
  }
  for (const std::string_view path : {"/faq", "/team/faq", "/relay2", "/a.b_c~d-e", "/faq/v1"}) {
    INFO(path);
    CHECK(load_with_upstream("[[route]]\npath = \"" + std::string(path) + "\"").config);
  }
  check({{"[[route]]\nupstream = \"relay\"", "o.toml:4:1: [[route]] needs a `path`"},
         {"[[route]]\npath = \"/f\"\n[[route]]\npath = \"/f\"",
          "o.toml:7:8: the path `/f` stands in [[route]] on line 5 already"}});
}

TEST_CASE("a client has a key, or the digest of one") {
  // printf %s letmein | sha256sum
  const std::string digest = "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032";
  std::string upper = digest;
  for (char& c : upper) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto loaded = load_with_upstream(
      "[[client]]\nname = \"a\"\nkey = \"env:SUPPORT_KEY\"\nmodels = [\"gpt-4o*\"]\n"
      "[[client]]\nname = \"b\"\nkey = \"sha256:" +
      upper + "\"\n");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.config->clients.at(0).key.text == "sk-support");
  CHECK(loaded.config->clients.at(0).key.source == "env:SUPPORT_KEY");
  CHECK(loaded.config->clients.at(0).models == std::vector<std::string>{"gpt-4o*"});
  CHECK(loaded.config->clients.at(1).key.text == digest);
  CHECK(loaded.config->clients.at(1).models.empty());

  const auto unmarked = load_with_upstream("[[client]]\nname = \"a\"\nkey = \"" + upper + "\"\n");
  REQUIRE(unmarked.config);
  CHECK(warnings(unmarked).size() == 1);
  CHECK(unmarked.config->clients.at(0).key.text == digest);
  CHECK(warnings(load_with_upstream("[[client]]\nname = \"a\"\nkey = \"" + digest.substr(1) + "\"\n")).empty());
}

TEST_CASE("mistakes in a client are named") {
  check({
      {"[[client]]\nkey = \"k\"", "o.toml:4:1: [[client]] needs a `name`"},
      {"[[client]]\nname = \"a\"", "o.toml:4:1: [[client]] `a` needs a `key`"},
      {"[[client]]\nname = \"a\"\nkey = \"k k\"", "o.toml:6:7: `key` must be one line of visible ASCII"},
      {"[[client]]\nname = \"a\"\nkey = \"sha256:12\"", "o.toml:6:7: \"sha256:\" is followed by 64 hex digits"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\n[[client]]\nname = \"a\"\nkey = \"l\"",
       "o.toml:8:8: the name `a` stands in [[client]] on line 5 already"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\n[[client]]\nname = \"b\"\nkey = \"k\"",
       "o.toml:9:7: [[client]] `b` has the same key as [[client]] `a`"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nmodels = []", "o.toml:7:10: `models` takes from 1 to 256 patterns"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_month = 0 }",
       "o.toml:7:28: `usd_per_month` must be from 0.01 to"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_day = -5 }",
       "o.toml:7:26: `usd_per_day` must be from 0.01 to"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_day = nan }", "o.toml:7:26: `usd_per_day` must be"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_day = inf }", "o.toml:7:26: `usd_per_day` must be"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_day = 1e9 }",
       "o.toml:7:26: `usd_per_day` must be from 0.01 to"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_day = \"5\" }",
       "o.toml:7:26: `usd_per_day` in the budget of [[client]] `a` must be a number"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = { usd_per_year = 5 }",
       "o.toml:7:12: unknown key `usd_per_year` in the budget of [[client]] `a` (did you mean `usd_per_day`?)"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = {}",
       "o.toml:7:10: the budget of [[client]] `a` says nothing; write usd_per_day"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nbudget = 200", "o.toml:7:10: `budget` in [[client]] `a` must be a table"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nrate = { requests_per_minute = 0 }",
       "o.toml:7:32: `requests_per_minute` must be"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nrate = { requests = 5 }", "o.toml:7:10: unknown key `requests`"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nconcurrency = 3",
       "o.toml:7:1: `concurrency` in [[client]] `a` belongs to a [[model]]"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nqueue = { depth = 3 }",
       "o.toml:7:1: `queue` in [[client]] `a` belongs to a [[model]]"},
  });
}

TEST_CASE("how much a client may") {
  constexpr std::string_view k_client = "[[client]]\nname = \"a\"\nkey = \"k\"\n";
  const std::string limits =
      "rate = { requests_per_minute = 60, tokens_per_minute = 1000 }\nbudget = { usd_per_day = 2.5, usd_per_month = 40 }\n";
  const auto loaded = load_with_upstream(std::string(k_client) + limits + "[redis]\nurl = \"redis://r\"");
  REQUIRE(loaded.config);
  CHECK(warnings(loaded).empty());
  const Client& client = loaded.config->clients.at(0);
  CHECK(client.rate.requests_per_minute == 60U);
  CHECK(client.rate.tokens_per_minute == 1000U);
  CHECK(client.budget.usd_per_day == 2.5);
  CHECK(client.budget.usd_per_month == 40);
  CHECK(summary(*loaded.config)
            .find("a  all models, 60 requests a minute, 1000 tokens a minute, 2.50 USD a day, 40.00 USD a month") !=
        std::string::npos);
  // A restart would forget.
  const auto forgetful = load_with_upstream(std::string(k_client) + limits);
  REQUIRE(warnings(forgetful).size() == 1);
  CHECK(warnings(forgetful)[0].starts_with(
      "o.toml:8:10: warning: without [redis] a restart forgets what [[client]] `a` has spent"));
  CHECK(warnings(load_with_upstream(std::string(k_client) + "rate = { requests_per_minute = 60 }")).empty());
  const auto odd = load_with_upstream(std::string(k_client) +
                                      "budget = { usd_per_day = 50, usd_per_month = 40 }\n[redis]\nurl = \"redis://r\"");
  REQUIRE(warnings(odd).size() == 1);
  CHECK(warnings(odd)[0].find("`usd_per_day` is more than `usd_per_month`") != std::string::npos);
}

TEST_CASE("keys behind an open door are warned of loudly") {
  const std::string keys = "keys = [\"k\"]\n";
  const auto open = load_with_upstream(keys);
  REQUIRE(open.config);
  REQUIRE(warnings(open).size() == 1);
  CHECK(warnings(open)[0].starts_with(
      "o.toml:4:1: warning: ANYBODY who reaches 0.0.0.0:8080 spends the keys of the upstream `relay`"));
  CHECK(warnings(load_with_upstream("")).empty());
  CHECK(warnings(load_with_upstream(keys + "[listen]\nllm = \"127.0.0.1:8080\"")).empty());
  CHECK(warnings(load_with_upstream(keys + "[[client]]\nname = \"a\"\nkey = \"k\"")).empty());
}

TEST_CASE("the command line's address counts for the warning, and is checked") {
  const std::string text = std::string(k_upstream) + "keys = [\"k\"]\n[listen]\nllm = \"127.0.0.1:8080\"";
  const auto opened = load_text(text, "o.toml", {}, "0.0.0.0:8081");
  REQUIRE(opened.config);
  CHECK(opened.config->listen.llm == "0.0.0.0:8081");
  REQUIRE(warnings(opened).size() == 1);
  CHECK(warnings(opened)[0].starts_with("o.toml:4:1: warning: ANYBODY who reaches 0.0.0.0:8081"));
  CHECK(warnings(load_with_upstream("keys = [\"k\"]")).size() == 1);
  CHECK(warnings(load_text(std::string(k_upstream) + "keys = [\"k\"]", "o.toml", {}, "127.0.0.1:1")).empty());
  CHECK(errors(load_text(k_upstream, "o.toml", {}, "8081")) ==
        std::vector<std::string>{
            "o.toml: --listen cannot be \"8081\": the port needs an address in front; write \"0.0.0.0:8081\""});
  CHECK(from_upstream("http://h", {}, ":1").config->listen.llm == ":1");
}

TEST_CASE("an admin door that others can reach is warned of, unless it has a token") {
  const std::string_view open = "[listen]\nadmin = \"0.0.0.0:9090\"\n";
  REQUIRE(warnings(load_with_upstream(open)).size() == 1);
  CHECK(warnings(load_with_upstream(open))[0].find("`admin_token`") != std::string::npos);
  const auto with_token = load_with_upstream(std::string(open) + "admin_token = \"t\"");
  REQUIRE(with_token.config);
  CHECK(with_token.diagnostics.empty());
  CHECK(with_token.config->admin_token->text == "t");
  CHECK(load("admin_token = \"t\"\n" + std::string(k_upstream)).config->admin_token->text == "t");
  const auto twice = load("admin_token = \"t\"\n[listen]\nadmin_token = \"u\"\n" + std::string(k_upstream));
  REQUIRE(errors(twice).size() == 1);
  CHECK(errors(twice)[0].starts_with("o.toml:3:15: `admin_token` is given twice"));
}

}  // namespace
}  // namespace outrigger::config
