// What a file may say, section by section: what is taken up, and what is answered with place and reason.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

TEST_CASE("an upstream's URL is all that a file needs") {
  const auto loaded = load("[[upstream]]\nurl = \"https://api.example.com/v1\"\n");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.config->upstreams.at(0).name == "upstream");
  CHECK(loaded.config->upstreams.at(0).url.host == "api.example.com");
  CHECK(loaded.config->listen.llm == "0.0.0.0:8080");
  CHECK_FALSE(loaded.config->redis);
}

TEST_CASE("every value of the edge is taken up") {
  const auto loaded = load_with_upstream(R"(
[listen]
llm = ":8081"
admin = "unix:/run/admin.sock"
[limits]
connections = 7
header = "8KiB"
body = "1MiB"
header_timeout = "1s"
body_timeout = "2s"
[log]
access = "/var/log/access.log"
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Config& config = *loaded.config;
  CHECK(config.listen.llm == ":8081");
  CHECK(config.listen.admin == "unix:/run/admin.sock");
  CHECK(config.limits.connections == 7);
  CHECK(config.limits.header == 8192);
  CHECK(config.limits.body == 1 << 20);
  CHECK(config.limits.header_timeout == 1s);
  CHECK(config.limits.body_timeout == 2s);
  CHECK(config.log.access == "/var/log/access.log");
}

TEST_CASE("every value of the cache is taken up, and overridden where a model or route says so") {
  const auto loaded = load_with_upstream(R"(
[cache]
mode = "observe"
ttl = "1h"
stale_if_error = "2h"
normalise = "faq"
scope = "app"
max_temperature = 1
memory = "64MiB"
max_entry = "2MiB"
usage = "zero"
secret = "0123456789abcdef"
epoch = 7
tags = ["all", "all"]
[[model]]
name = "m"
cache = { ttl = "3h", tags = ["model", "all"] }
[[route]]
path = "/faq"
cache = { mode = "on", ttl = "4h", normalise = "faq+", scope = "global", max_entry = "1KiB", tags = ["route"] }
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Config& config = *loaded.config;
  CHECK(config.cache.secret->text == "0123456789abcdef");
  CHECK(config.cache.epoch == "7");
  CHECK(config.cache.memory == 64u << 20);

  const Cache base = effective(config.cache, nullptr, nullptr);
  CHECK(base.ttl == 1h);
  CHECK(base.tags == std::vector<std::string>{"all"});
  const Cache model = effective(config.cache, &config.models[0].cache, nullptr);
  CHECK(model.ttl == 3h);
  CHECK(model.mode == CacheMode::observe);
  CHECK(model.tags == std::vector<std::string>{"all", "model"});
  const Cache both = effective(config.cache, &config.models[0].cache, &config.routes[0].cache);
  CHECK(both.ttl == 4h);
  CHECK(both.mode == CacheMode::on);
  CHECK(both.normalise == Level::faq_plus);
  CHECK(both.scope == Scope::global);
  CHECK(both.max_entry == 1024);
  CHECK(both.stale_if_error == 2h);
  CHECK(both.max_temperature == 1.0);
  CHECK(both.usage == UsagePolicy::zero);
  CHECK(both.tags == std::vector<std::string>{"all", "model", "route"});
}

TEST_CASE("every value of an upstream is taken up") {
  const auto loaded = load_with_upstream(R"(
dialect = "anthropic"
speaks = ["messages", "chat/completions"]
keys = ["env:RELAY_KEY", "sk-2"]
verify = true
headers = { "X-Team" = "support", "x-key" = "env:SUPPORT_KEY" }
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Upstream& upstream = loaded.config->upstreams[0];
  CHECK(upstream.dialect == Dialect::anthropic);
  CHECK(upstream.speaks == std::vector{Wire::messages, Wire::chat_completions});
  REQUIRE(upstream.keys.size() == 2);
  CHECK(upstream.keys[0].text == "sk-relay");
  CHECK(upstream.keys[0].source == "env:RELAY_KEY");
  CHECK(upstream.keys[1].source == "inline");
  REQUIRE(upstream.headers.size() == 2);
  CHECK(upstream.headers[0].first == "X-Team");
  CHECK(upstream.headers[1].second.text == "sk-support");
}

TEST_CASE("a wire that is named twice counts once") {
  const auto loaded = load_with_upstream("speaks = [\"responses\", \"responses\"]");
  REQUIRE(loaded.config);
  CHECK(loaded.config->upstreams[0].speaks == std::vector{Wire::responses});
  CHECK(all(loaded).contains("`speaks` names \"responses\" already"));
  CHECK(summary(*loaded.config).contains(", speaks responses"));
}

// Each row is one mistake in an otherwise good file; the upstream takes lines 1 to 3.
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
    CHECK_FALSE(loaded.config);
  }
}

TEST_CASE("wrong types, units and ranges are named with what to write") {
  check({
      {"[limits]\nconnections = \"many\"",
       "o.toml:5:15: `connections` in [limits] must be a whole number without quotes, not a string"},
      {"[limits]\nconnections = 0", "o.toml:5:15: `connections` must be from 1 to 1000000, not 0"},
      {"[limits]\nconnections = -1", "o.toml:5:15: `connections` must be from 1 to 1000000, not -1"},
      {"[limits]\nconnections = 1000001", "o.toml:5:15: `connections` must be from 1 to 1000000, not 1000001"},
      {"[limits]\nconnections = 4.5", "o.toml:5:15: `connections` in [limits] must be a whole number"},
      {"[limits]\nbody = 1048576", "o.toml:5:8: `body` needs a unit: write \"1048576B\" for bytes"},
      {"[limits]\nbody = 0", "o.toml:5:8: `body` must be from 1KiB to 1GiB, not 0B"},
      {"[limits]\nbody = \"1023B\"", "o.toml:5:8: `body` must be from 1KiB to 1GiB, not 1023B"},
      {"[limits]\nbody = true", "o.toml:5:8: `body` in [limits] must be text in double quotes, not true or false"},
      {"[limits]\nheader_timeout = 10", "o.toml:5:18: `header_timeout` needs a unit: write \"10s\" for seconds"},
      {"[limits]\nheader_timeout = \"99ms\"", "o.toml:5:18: `header_timeout` must be from 100ms to 1h, not 99ms"},
      {"[limits]\nheader_timeout = \"10 minutes\"", "o.toml:5:18: `header_timeout` cannot be \"10 minutes\": write \"10m\""},
      {"[cache]\nmode = \"onn\"",
       "o.toml:5:8: `mode` cannot be \"onn\"; write one of \"on\", \"observe\", \"off\" (did you mean `on`?)"},
      {"[cache]\nmode = true", "o.toml:5:8: `mode` in [cache] must be text in double quotes, not true or false"},
      {"[cache]\nttl = \"0s\"", "o.toml:5:1: `ttl` must be at least 1ms; to switch the cache off write mode = \"off\""},
      {"[cache]\nmax_temperature = \"2\"",
       "o.toml:5:19: `max_temperature` in [cache] must be a number without quotes, not a string"},
      {"[cache]\nmax_temperature = 2.1", "o.toml:5:19: `max_temperature` must be from 0 to 2, not 2.1"},
      {"[cache]\nmax_temperature = nan", "o.toml:5:19: `max_temperature` must be from 0 to 2, not nan"},
      {"[cache]\nmemory = \"1MiB\"\nmax_entry = \"2MiB\"", "o.toml:6:1: `max_entry` is larger than `memory`"},
      {"[cache]\ntags = [\"a b\"]", "o.toml:5:9: a tag is a word of at most 64 bytes"},
      {"[cache]\ntags = \"a\"",
       "o.toml:5:8: `tags` in [cache] must be a list of texts such as tags = [\"…\"], not a string"},
      {"[cache]\ntags = [1]", "o.toml:5:9: `tags` in [cache] must be a list of texts, but here is an integer"},
      {"[log]\naccess = \"on\"", "o.toml:5:10: `access` cannot be \"on\"; write \"stdout\", \"off\""},
      {"[listen]\nllm = \"8080\"", "o.toml:5:7: `llm` cannot be \"8080\": the port needs an address in front"},
      {"[listen]\nllm = \"\"", "o.toml:5:7: `llm` in [listen] must not be empty"},
      {"[listen]\nllm = \":1\"\nadmin = \"0.0.0.0:1\"", "o.toml:6:1: `llm` and `admin` both listen on :1"},
      {"[listen]\ntls = { cert = \"-----BEGIN CERTIFICATE-----\" }", "o.toml:5:7: `tls` needs `key`"},
  });
}

TEST_CASE("tables are told from lists of tables") {
  check({
      {"[[cache]]\nttl = \"1h\"", "o.toml:4:1: there is only one `cache`; write [cache] with single brackets"},
      {"[model]\nname = \"x\"", "o.toml:4:1: there can be several of `model`; write [[model]] with double brackets"},
      {"[[model]]\nname = \"x\"\nqueue = 5", "o.toml:6:9: `queue` in [[model]] `x` must be a table such as queue = { … }"},
  });
  const auto top = load("cache = 5\n[[upstream]]\nurl = \"http://h\"");
  CHECK(errors(top) == std::vector<std::string>{
                           "o.toml:1:9: `cache` in the top level must be a table such as cache = { … }, not an integer"});
  const auto single = load("[upstream]\nurl = \"http://h\"");
  CHECK(errors(single) ==
        std::vector<std::string>{"o.toml:1:1: there can be several of `upstream`; write [[upstream]] with double brackets"});
}

TEST_CASE("unknown keys are errors at every level, with the nearest known one") {
  check({
      {"[limit]\nbody = \"1MiB\"", "o.toml:4:2: unknown key `limit` in the top level (did you mean `limits`?)"},
      {"[listen]\nlmm = \":1\"", "o.toml:5:1: unknown key `lmm` in [listen] (did you mean `llm`?)"},
      {"[limits]\nheaders = \"1KiB\"", "o.toml:5:1: unknown key `headers` in [limits] (did you mean `header`?)"},
      {"[cache]\nnormalize = \"faq\"", "o.toml:5:1: unknown key `normalize` in [cache] (did you mean `normalise`?)"},
      {"[redis]\nurl = \"redis://h\"\nprefx = \"x\"", "o.toml:6:1: unknown key `prefx` in [redis] (did you mean `prefix`?)"},
      {"dialct = \"openai\"", "o.toml:4:1: unknown key `dialct` in [[upstream]] `relay` (did you mean `dialect`?)"},
      {"[[model]]\nname = \"x\"\ntimeouts = {}",
       "o.toml:6:1: unknown key `timeouts` in [[model]] `x` (did you mean `timeout`?)"},
      {"[[model]]\nname = \"x\"\ntimeout = { totl = \"1s\" }",
       "o.toml:6:13: unknown key `totl` in the timeout of [[model]] `x` (did you mean `total`?)"},
      {"[[model]]\nname = \"x\"\ncache = { tll = \"1s\" }",
       "o.toml:6:11: unknown key `tll` in the cache of [[model]] `x` (did you mean `ttl`?)"},
      {"[[model]]\nname = \"x\"\ntarget = [{ to = \"relay\", wieght = 1 }]",
       "o.toml:6:27: unknown key `wieght` in the target of [[model]] `x` (did you mean `weight`?)"},
      {"[[route]]\npath = \"/faq\"\nupsteam = \"relay\"",
       "o.toml:6:1: unknown key `upsteam` in [[route]] `/faq` (did you mean `upstream`?)"},
      {"[[client]]\nname = \"a\"\nkey = \"k\"\nmodel = []",
       "o.toml:7:1: unknown key `model` in [[client]] `a` (did you mean `models`?)"},
      {"[log]\nacces = \"off\"", "o.toml:5:1: unknown key `acces` in [log] (did you mean `access`?)"},
      {"[log]\nfoo = 1", "o.toml:5:1: unknown key `foo` in [log]; known here are access"},
      {"drain = \"1s\"",
       "o.toml:4:1: unknown key `drain` in [[upstream]] `relay`; it belongs at the top of the file, before the first "
       "[table]"},
  });
  const auto top = load("ttl = \"1h\"\n" + std::string(k_upstream));
  CHECK(errors(top) == std::vector<std::string>{"o.toml:1:1: unknown key `ttl` in the top level; it belongs in [cache]"});
}

TEST_CASE("all mistakes are told at once, in the order of the file") {
  const auto loaded = load(R"(drain = 5
[cache]
ttl = "ten"
x = 1
[[upstream]]
url = "nowhere"
[[upstream]]
name = "v1"
)");
  INFO(all(loaded));
  const auto found = errors(loaded);
  REQUIRE(found.size() == 7);
  CHECK(found[0].starts_with("o.toml:1:9: "));
  CHECK(found[1].starts_with("o.toml:3:7: "));
  CHECK(found[2].starts_with("o.toml:4:1: "));
  CHECK(found[3].starts_with("o.toml:5:1: [[upstream]] needs a `name`"));
  CHECK(found[4].starts_with("o.toml:6:7: "));
  CHECK(found[5].starts_with("o.toml:7:1: [[upstream]] `v1` needs a `url`"));
  CHECK(found[6].starts_with("o.toml:8:8: "));
}

TEST_CASE("a thousand mistakes are not all told") {
  std::string toml(k_upstream);
  for (int i = 0; i < 1000; ++i) toml += "zzz" + std::to_string(i) + " = 1\n";
  const auto loaded = load(toml);
  REQUIRE(loaded.diagnostics.size() == 201);
  CHECK(loaded.diagnostics.back().message.starts_with("there are more mistakes"));
}

TEST_CASE("what is not TOML is told with its place") {
  struct Row {
    std::string_view toml, error;
  };
  const Row rows[] = {{"[listen]\nllm = 0.0.0.0:8080", "o.toml:2:10: this is not valid TOML"},
                      {"[cache]\nttl = 10m", "o.toml:2:9: this is not valid TOML"},
                      {"[cache\n", "o.toml:1:7: this is not valid TOML"},
                      {"[cache]\nttl = \"1m\"\nttl = \"2m\"", "o.toml:3:"},
                      {"a = \"\xff\"", "o.toml:1:"}};
  for (const Row& row : rows) {
    INFO(row.toml);
    const auto found = errors(load(row.toml));
    REQUIRE(found.size() == 1);
    CAPTURE(found[0]);
    CHECK(found[0].starts_with(row.error));
  }
  CHECK(errors(load("ttl = 10m"))[0].ends_with("text stands in double quotes, such as \"10m\" or \"0.0.0.0:8080\""));
}

TEST_CASE("very deep nesting is refused and not followed") {
  const auto loaded = load_with_upstream("a = " + std::string(200, '[') + std::string(200, ']'));
  REQUIRE(errors(loaded).size() == 1);
  std::string dotted = "a";
  for (int i = 0; i < 200; ++i) dotted += ".a";
  REQUIRE(errors(load(dotted + " = 1\n" + std::string(k_upstream))).size() == 1);
}

TEST_CASE("without an upstream the file says how to write one") {
  const auto found = errors(load("drain = \"1s\""));
  REQUIRE(found.size() == 1);
  CHECK(found[0].starts_with("o.toml: there is no [[upstream]]; write one"));
}

TEST_CASE("a remark cannot break the line or steer the terminal") {
  const Diagnostic diagnostic{"f\n", 1, 2, true, "a\tb\x1b[31m\x7f"};
  CHECK(to_string(diagnostic) == "f?:1:2: a?b?[31m?");
}

TEST_CASE("a file is read from disk, and a missing one named") {
  const TemporaryFile file(k_upstream);
  const auto loaded = load_file(file.path(), {});
  INFO(all(loaded));
  CHECK(loaded.config);
  const auto missing = errors(load_file("/nowhere/o.toml", {}));
  REQUIRE(missing.size() == 1);
  CHECK(missing[0].starts_with("/nowhere/o.toml: the file does not exist; "));
  CHECK(errors(load_file("/tmp", {}))[0].starts_with("/tmp: the file is a directory; "));
}

TEST_CASE("an upstream alone, from the command line, is a configuration") {
  const auto loaded = from_upstream("http://ollama:11434/v1/chat/completions", {});
  REQUIRE(loaded.config);
  CHECK(loaded.config->upstreams[0].name == "upstream");
  CHECK(loaded.config->upstreams[0].url.path == "/v1");
  CHECK(warnings(loaded).size() == 1);
  const auto wrong = from_upstream("ollama:11434", {});
  CHECK_FALSE(wrong.config);
  CHECK(errors(wrong)[0] ==
        "--upstream: `url` cannot be used: the URL must begin with http:// or https://; write \"https://ollama:11434\"");
  CHECK(errors(from_upstream("", {})).size() == 1);
}

TEST_CASE("a door's socket may stand where nothing is, and not where a file or a folder is") {
  const std::string folder = OUTRIGGER_SOURCE_DIR;
  for (const std::string& path : {folder, folder + "/README.md"}) {
    const auto found = errors(load_with_upstream("[listen]\nllm = \"unix:" + path + "\""));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("o.toml:5:7: `llm` cannot be \"unix:" + path + "\": what lies there is no socket"));
  }
  for (const std::string& path : {folder + "/nothing.sock", std::string("/nowhere/at/all.sock")}) {
    CHECK(load_with_upstream("[listen]\nllm = \"unix:" + path + "\"").config);
  }
}

}  // namespace
}  // namespace outrigger::config
