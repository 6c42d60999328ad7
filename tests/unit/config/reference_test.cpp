// conf/outrigger.toml is the reference: it loads, its defaults are the code's, and everything that it shows can be written.
// And the contract's own example is accepted.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "fixture.h"
#include "reference_file.h"
#include "unit/net/test_ca.h"

namespace outrigger::config {
namespace {

using namespace test;

const Environment k_reference_environment{{"OUTRIGGER_ADMIN_TOKEN", "t"},
                                          {"OUTRIGGER_SECRET", "0123456789abcdef"},
                                          {"RELAY_KEY", "k"},
                                          {"DIFY_FAQ_APP_KEY", "app-faq"},
                                          {"SUPPORT_KEY", "s"},
                                          {"REDIS_PASSWORD", "p"},
                                          {"OTLP_AUTHORIZATION", "Bearer t"}};

// What a table needs so that anything else in it can be tried.
constexpr std::string_view k_needed[] = {"name = ", "path = ", "key = ", "url = "};

bool is_needed(const Line& line) {
  return std::any_of(std::begin(k_needed), std::end(k_needed),
                     [&](std::string_view needed) { return line.text.starts_with(needed); });
}

// The file with everything taken in that `wanted` says, headers and needed lines always.
template <class Wanted>
std::string rebuilt(const std::vector<Line>& lines, Wanted&& wanted) {
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].header || is_needed(lines[i]) || wanted(i)) text += lines[i].text + "\n";
  }
  return text;
}

TEST_CASE("the reference loads as it stands, without a remark") {
  const auto loaded = load_file(std::string(OUTRIGGER_SOURCE_DIR) + "/conf/outrigger.toml", {});
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.config->upstreams.size() == 1);
  CHECK(loaded.config->models.empty());
  CHECK_FALSE(loaded.config->redis);
}

void check_same(const Cache& written, const Cache& code) {
  CHECK(written.mode == code.mode);
  CHECK(written.ttl == code.ttl);
  CHECK(written.stale_if_error == code.stale_if_error);
  CHECK(written.stale_while_revalidate == code.stale_while_revalidate);
  CHECK(written.normalise == code.normalise);
  CHECK(written.scope == code.scope);
  CHECK(written.max_temperature == code.max_temperature);
  CHECK(written.memory == code.memory);
  CHECK(written.max_entry == code.max_entry);
  CHECK(written.usage == code.usage);
  CHECK(written.epoch == code.epoch);
  CHECK(written.tags == code.tags);
}

void check_same(const Model& written) {
  CHECK(written.timeout.connect == Timeouts().connect);
  CHECK(written.timeout.total == Timeouts().total);
  CHECK(written.timeout.first_token == Timeouts().first_token);
  CHECK(written.queue.depth == Queue().depth);
  CHECK(written.queue.wait == Queue().wait);
  CHECK(written.breaker.failures == Breaker().failures);
  CHECK(written.breaker.open == Breaker().open);
  CHECK(written.breaker.max_open == Breaker().max_open);
  CHECK(written.retry.budget == Retry().budget);
  CHECK(written.retry.attempts == Retry().attempts);
}

void check_same(const Dify& written) {
  const Dify code;
  CHECK(written.concurrency.fixed == code.concurrency.fixed);
  CHECK(written.queue.depth == code.queue.depth);
  CHECK(written.queue.wait == code.queue.wait);
  CHECK(written.breaker.failures == code.breaker.failures);
  CHECK(written.breaker.open == code.breaker.open);
  CHECK(written.breaker.max_open == code.breaker.max_open);
  CHECK(written.stop_on_leave == code.stop_on_leave);
  CHECK(written.info_ttl == code.info_ttl);
}

void check_same(const TargetTraits& written) {
  CHECK(written.tools == TargetTraits().tools);
  CHECK(written.vision == TargetTraits().vision);
  CHECK(written.json_schema == TargetTraits().json_schema);
  CHECK(written.stream == TargetTraits().stream);
}

void check_same(const Trace& written) {
  CHECK(written.sample == Trace().sample);
  CHECK(written.service == Trace().service);
  CHECK(written.exemplars == Trace().exemplars);
}

TEST_CASE("every default that the reference shows is the code's") {
  const auto lines = reference_lines();
  const std::string text = rebuilt(lines, [&](std::size_t i) { return !lines[i].example; });
  const auto loaded = load(text, k_reference_environment);
  INFO(text);
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const Config& config = *loaded.config;
  const Config code;
  CHECK(config.drain == code.drain);
  CHECK(config.drain_delay == code.drain_delay);
  CHECK(config.listen.llm == code.listen.llm);
  CHECK(config.listen.admin == code.listen.admin);
  CHECK(config.limits.connections == code.limits.connections);
  CHECK(config.limits.header == code.limits.header);
  CHECK(config.limits.body == code.limits.body);
  CHECK(config.limits.header_timeout == code.limits.header_timeout);
  CHECK(config.limits.body_timeout == code.limits.body_timeout);
  CHECK(config.log.access == code.log.access);
  check_same(config.cache, code.cache);
  check_same(config.trace);
  REQUIRE(config.redis);
  CHECK(config.redis->prefix == Redis().prefix);
  CHECK(config.redis->timeout == Redis().timeout);
  CHECK(config.upstreams.at(0).dialect == Upstream().dialect);
  CHECK(config.upstreams.at(0).verify == Upstream().verify);
  check_same(config.models.at(0));
  check_same(config.target_traits.at(0));
  check_same(config.dify);

  // All of them are really there: 2 top, 2 listen, 5 limits, 12 cache, 2 redis, 2 upstream, 4 model, 4 target, 5 dify, 1 log, 3 trace.
  const auto defaults = std::count_if(lines.begin(), lines.end(),
                                      [](const Line& line) { return line.commented && !line.example && !line.header; });
  CHECK(defaults == 2 + 2 + 5 + 12 + 2 + 2 + 4 + 4 + 5 + 1 + 3);
}

TEST_CASE("every example of the reference can be written") {
  const io::TlsServer pair = outrigger::test::TestCa().issue();
  const TemporaryFile pem(pair.certificate_chain + pair.private_key);
  const auto lines = reference_lines();
  int tried = 0;
  for (std::size_t example = 0; example < lines.size(); ++example) {
    if (!lines[example].example) continue;
    std::string text = rebuilt(lines, [&](std::size_t i) { return i == example && !is_needed(lines[i]); });
    for (std::size_t at = text.find("file:/"); at != std::string::npos; at = text.find("file:/", at + pem.path().size())) {
      text.replace(at, text.find('"', at) - at, "file:" + pem.path());
    }
    for (const std::string_view backend : {"dify-new", "dify-old"}) {
      if (!lines[example].text.contains(backend)) continue;
      text += fmt::format("[[upstream]]\nname = \"{}\"\nurl = \"http://h\"\ndialect = \"dify\"\n", backend);
    }
    if (lines[example].text.starts_with("ca = ")) text.replace(text.find("redis://"), 8, "rediss://");
    const auto loaded = load(text, k_reference_environment);
    INFO(lines[example].text);
    INFO(text);
    INFO(all(loaded));
    CHECK(loaded.config);
    ++tried;
  }
  CHECK(tried == 55);
}

// product.md, section 3, with its commented lines taken in where they do not exclude others.
constexpr std::string_view k_contract = R"(drain = "30s"

[listen]
llm   = "0.0.0.0:8080"
dify  = "0.0.0.0:8081"
admin = "127.0.0.1:9090"

[limits]                       # at the edge
connections = 4096
header = "32KiB"
body = "20MiB"
header_timeout = "10s"
body_timeout = "60s"

[cache]
mode      = "on"               # on | observe (never serve, only count what would have hit) | off
ttl       = "10m"
stale_if_error = "24h"         # how long past its ttl an answer may stand in when every target is down
stale_while_revalidate = "0s"
normalise = "safe"             # exact | safe | faq | faq+ | synonyms (section 5)
scope     = "credential"       # credential | app | user | global: who shares answers
max_temperature = 2.0          # above it, bypass
memory    = "256MiB"
max_entry = "1MiB"
usage     = "original"         # original | zero: the token usage that a hit reports
secret  = "env:OUTRIGGER_SECRET"   # keys the hash; without it one is made, and kept in Redis so that replicas agree

[redis]                        # absent: memory only
url     = "redis://:password@redis:6379/5"     # rediss:// for TLS; redis+sentinel:// and redis+cluster:// later
prefix  = "outrigger:"
timeout = "20ms"               # the most that a lookup may add to a request

[[upstream]]
name    = "relay"
url     = "https://api.example.com/v1"
dialect = "openai"             # openai | anthropic | dify
keys    = ["env:RELAY_KEY"]    # optional; without it the client's own credential is passed on
proxy = "http://proxy:3128"  # CONNECT; otherwise HTTPS_PROXY / HTTP_PROXY / NO_PROXY are honoured
verify = true
headers = { x-team = "a" }

[[model]]
name     = "claude-sonnet-4-20250514"          # what Dify asks for; `*` matches
target   = "relay"                             # upstream, or "upstream:model"; or a weighted list, sticky by user:
fallback = ["relay:claude-3-5-sonnet", "relay:gpt-4o-mini"]
concurrency = 5                # requests in flight to a target at once
queue    = { depth = 100, wait = "20s" }
rate     = { requests_per_minute = 60, tokens_per_minute = 100000 }   # optional; learned from response headers anyway
timeout  = { connect = "3s", first_token = "15s", between_tokens = "20s", total = "300s" }
breaker  = { failures = 3, open = "1s", max_open = "30s" }
retry    = { budget = 0.1, attempts = 3 }
cache    = { ttl = "1h", normalise = "faq" }   # overrides [cache]
price    = { input = 3.0, output = 15.0 }      # USD per million tokens; a built-in table knows common models

[[app]]                        # the dify door: one Dify app
name = "faq-bot"
key  = "env:DIFY_FAQ_APP_KEY"  # or its SHA-256
cache = { stateless = true, ttl = "5m", per_user = false }
concurrency = 8

[[client]]                     # who may come in, and how much; without any, the doors are open to whoever reaches them
name = "support-desk"
key  = "env:SUPPORT_KEY"       # or its SHA-256
models = ["gpt-4o*"]
budget = { usd_per_month = 200 }

[[route]]
path = "/faq"                  # http://outrigger:8080/faq/v1
upstream = "relay"
cache = { normalise = "faq+", ttl = "24h", scope = "global" }
)";

TEST_CASE("every key of the contract is accepted, and in effect") {
  const auto loaded = load(k_contract, k_reference_environment);
  INFO(all(loaded));
  CHECK(loaded.diagnostics.empty());
  REQUIRE(loaded.config);
  CHECK(loaded.config->clients.at(0).name == "support-desk");
  CHECK(loaded.config->clients.at(0).budget.usd_per_month == 200.0);
  CHECK(loaded.config->listen.dify == "0.0.0.0:8081");
  CHECK(loaded.config->apps.at(0).key.text == "app-faq");
  CHECK(loaded.config->apps.at(0).concurrency == 8);
  CHECK(loaded.config->apps.at(0).cache->stateless);
  CHECK_FALSE(loaded.config->apps.at(0).cache->per_user);
  REQUIRE(loaded.config->dify.target.size() == 1);
  CHECK(loaded.config->upstream_named(loaded.config->dify.target[0].to)->url.authority() == "api:5001");
  CHECK(loaded.config->routes.at(0).cache.normalise == Level::faq_plus);
  CHECK(loaded.config->model_for("claude-sonnet-4-20250514")->price->output == 15.0);
}

TEST_CASE("hedge's defaults are those of the reference") {
  const auto lines = reference_lines();
  const auto line = std::find_if(lines.begin(), lines.end(), [](const Line& l) { return l.text.starts_with("hedge = "); });
  REQUIRE(line != lines.end());
  const auto loaded = load_with_upstream("[[model]]\nname = \"x\"\n" + line->text);
  REQUIRE(loaded.config);
  CHECK(loaded.config->models[0].hedge->budget == Hedge().budget);
  CHECK(loaded.config->models[0].hedge->quantile == Hedge().quantile);
}

TEST_CASE("the contract's weighted target is accepted") {
  const auto loaded = load_with_upstream(
      "[[upstream]]\nname = \"official\"\nurl = \"http://h\"\n[[model]]\nname = \"*\"\n"
      "target = [{ to = \"official\", weight = 95 }, { to = \"relay\", weight = 5 }]\n");
  INFO(all(loaded));
  CHECK(loaded.config);
}

TEST_CASE("the summary says what would run, and no secret") {
  std::string text(k_contract);
  text.erase(text.find("dify  ="), text.find("admin =") - text.find("dify  ="));
  text.erase(text.find("budget = { usd"), text.find("[[route]]") - text.find("budget = { usd"));
  text.erase(text.find("[[app]]"), text.find("[[client]]") - text.find("[[app]]"));
  text.replace(text.find(":password@"), 10, ":hunter2@");
  Environment environment = k_reference_environment;
  environment["RELAY_KEY"] = "hunter2";
  environment["SUPPORT_KEY"] = "hunter2too";
  environment["OUTRIGGER_SECRET"] = "hunter2hunter2hunter2";
  const auto loaded = load(text, environment);
  INFO(all(loaded));
  REQUIRE(loaded.config);
  const std::string shown = summary(*loaded.config);
  CHECK(
      shown ==
      "llm door    0.0.0.0:8080\n"
      "admin door  127.0.0.1:9090\n"
      "upstream    relay  https://api.example.com/v1  openai, 1 key from env:RELAY_KEY, through the proxy proxy:3128\n"
      "cache       on, answers live 10m, normalised safe, shared per credential, 256MiB of memory, 24h longer when all else "
      "fails\n"
      "redis       redis:6379 database 5, at most 20ms a lookup\n"
      "model       claude-sonnet-4-20250514  to relay, then relay:claude-3-5-sonnet, then relay:gpt-4o-mini, answers live "
      "1h, "
      "normalised faq\n"
      "              5 at once, 60 requests a minute, 100000 tokens a minute, 100 may wait 20s\n"
      "route       /faq  to relay, answers live 24h, normalised faq+, shared by all\n"
      "client      support-desk  gpt-4o*\n");
}

TEST_CASE("the summary shows each model's chain and pacing, and what targets can do") {
  const auto loaded = load_with_upstream(R"(
[[model]]
name = "a"
target = [{ to = "relay:x", weight = 95 }, { to = "relay:y", weight = 5 }]
answer = "hunter2"
concurrency = { min = 2, max = 50 }
queue = { depth = 0 }
hedge = true
[[model]]
name = "b"
rate = { requests_per_minute = 1 }
[[target]]
name = "relay:x"
context = 128000
max_output = 1
tools = false
vision = false
json_schema = false
stream = false
drop = ["temperature"]
rename = { max_tokens = "max_completion_tokens" }
concurrency = 3
rate = { tokens_per_minute = 10 }
[[target]]
name = "relay"
)");
  INFO(all(loaded));
  REQUIRE(loaded.config);
  CHECK(loaded.diagnostics.empty());
  const std::string shown = summary(*loaded.config);
  const std::size_t at = shown.find("model  ");
  REQUIRE(at != std::string::npos);
  CHECK(shown.substr(at) ==
        "model       a  to relay:x 95 %, relay:y 5 %, then the fixed answer\n"
        "              2 to 50 at once, nobody waits, hedged after the 95th percentile for 2 %\n"
        "            b  to the upstream it was sent to\n"
        "              any number at once, 1 request a minute, 100 may wait 20s\n"
        "target      relay:x  128000 tokens of context, 1 token of answer, no tools, no images, no JSON schema, no streams, "
        "without temperature, max_tokens as max_completion_tokens, 3 at once, 10 tokens a minute\n"
        "            relay  can do all\n"
        "client      whoever reaches the door\n");
}

}  // namespace
}  // namespace outrigger::config
