#include <catch2/catch_test_macros.hpp>

#include "fixture.h"

namespace outrigger::config {
namespace {

using namespace test;

Redis redis_of(const Loaded& loaded) {
  INFO(all(loaded));
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->redis);
  return *loaded.config->redis;
}

TEST_CASE("a Redis URL is taken apart") {
  struct Row {
    std::string_view url;
    bool tls;
    std::string_view host;
    int port;
    std::string_view user, password;
    int database;
  };
  const Row rows[] = {
      {"redis://:password@redis:6379/5", false, "redis", 6379, "", "password", 5},
      {"rediss://user:p%40ss@cache.example.com:6380/15", true, "cache.example.com", 6380, "user", "p@ss", 15},
      {"redis://redis", false, "redis", 6379, "", "", 0},
      {"redis://redis/", false, "redis", 6379, "", "", 0},
      {"redis://user@[::1]:1/0", false, "::1", 1, "user", "", 0}};
  for (const Row& row : rows) {
    INFO(row.url);
    const Redis redis = redis_of(load_with_upstream("[redis]\nurl = \"" + std::string(row.url) + "\"\n"));
    CHECK(redis.tls == row.tls);
    CHECK(redis.host == row.host);
    CHECK(redis.port == row.port);
    CHECK(redis.user == row.user);
    CHECK(redis.password.text == row.password);
    CHECK(redis.database == row.database);
    CHECK(redis.prefix == "outrigger:");
    CHECK(redis.timeout == 20ms);
  }
}

TEST_CASE("what stands beside the URL wins over what stands in it") {
  const Redis redis = redis_of(load_with_upstream(R"([redis]
url = "redis://a:b@h/1"
user = "u"
password = "env:SUPPORT_KEY"
database = 7
prefix = "team/x:"
timeout = "50ms"
)"));
  CHECK(redis.user == "u");
  CHECK(redis.password.text == "sk-support");
  CHECK(redis.database == 7);
  CHECK(redis.prefix == "team/x:");
  CHECK(redis.timeout == 50ms);
}

TEST_CASE("mistakes in [redis] are named, without the password") {
  struct Row {
    std::string_view toml, error;
  };
  const Row rows[] = {
      {"url = \"redis+sentinel://:hunter2@h/mymaster\"",
       "o.toml:5:7: `url` is not a Redis URL: redis+sentinel:// is not supported yet"},
      {"url = \"redis+cluster://:hunter2@h\"",
       "o.toml:5:7: `url` is not a Redis URL: redis+cluster:// is not supported yet"},
      {"url = \"http://:hunter2@h\"", "o.toml:5:7: `url` is not a Redis URL: write \"redis://"},
      {"url = \"redis://:hunter2@h/x\"",
       "o.toml:5:7: `url` is not a Redis URL: after the host comes the number of a database"},
      {"url = \"redis://:hunter2@h/65536\"", "o.toml:5:7: `url` is not a Redis URL: after the host comes"},
      {"url = \"redis://:hunter2@h/1?x=y\"", "o.toml:5:7: `url` is not a Redis URL: nothing may follow the database"},
      {"url = \"redis://:hunter2@h:0\"", "o.toml:5:7: `url` is not a Redis URL: the port of `h` must be"},
      {"url = \"redis://:hun#ter2@h\"", "o.toml:5:7: `url` is not a Redis URL: "},
      {"url = \"redis://:hunter2/x@h:6379/5\"", "o.toml:5:7: `url` is not a Redis URL: the URL has no host; a `/`"},
      {"url = \"redis://:hunter2?x@h\"", "o.toml:5:7: `url` is not a Redis URL: the URL has no host; a `/`"},
      {"url = \"redis://u:hunter2/x@h\"", "o.toml:5:7: `url` is not a Redis URL: the URL has no host; a `/`"},
      {"url = \"redis://u:1/hunter2@h\"", "o.toml:5:7: `url` is not a Redis URL: after the host comes"},
      {"url = \"redis://:hunter2/5\"", "o.toml:5:7: `url` is not a Redis URL: the URL has no host; a `/`"},
      {"url = \"redis://h\"\nhost = \"x\"", "o.toml:6:1: `host` in [redis] is part of `url`"},
      {"url = \"redis://h\"\nprefix = \"a*\"", "o.toml:6:10: `prefix` takes up to 64"},
      {"url = \"redis://h\"\nprefix = \"\"", "o.toml:6:10: `prefix` in [redis] must not be empty"},
      {"url = \"redis://h\"\ntimeout = \"11s\"", "o.toml:6:11: `timeout` must be from 1ms to 10s, not 11s"},
      {"url = \"redis://h\"\ntimeout = 0", "o.toml:6:11: `timeout` must be from 1ms to 10s, not 0s"},
      {"url = \"redis://h\"\nca = \"-----BEGIN CERTIFICATE-----\"", "o.toml:6:1: `ca` is for TLS only"},
  };
  for (const Row& row : rows) {
    INFO(row.toml);
    const auto loaded = load_with_upstream("[redis]\n" + std::string(row.toml));
    const auto found = errors(loaded);
    INFO(all(loaded));
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with(row.error));
    CHECK(found[0].find("hunter2") == std::string::npos);
  }
}

TEST_CASE("[redis] without a url takes Dify's own variables, beside Dify's own databases") {
  const Environment environment{{"REDIS_HOST", "redis"},
                                {"REDIS_PORT", "6380"},
                                {"REDIS_USERNAME", "u"},
                                {"REDIS_PASSWORD", "difyai123456"},
                                {"REDIS_USE_SSL", "True"}};
  const Redis redis = redis_of(load_with_upstream("[redis]\n", environment));
  CHECK(redis.host == "redis");
  CHECK(redis.port == 6380);
  CHECK(redis.user == "u");
  CHECK(redis.password.text == "difyai123456");
  CHECK(redis.password.source == "env:REDIS_PASSWORD");
  CHECK(redis.tls);
  CHECK(redis.database == 5);

  const Redis plain =
      redis_of(load_with_upstream("[redis]\ndatabase = 6\n", {{"REDIS_HOST", "r"}, {"REDIS_USE_SSL", "false"}}));
  CHECK(plain.port == 6379);
  CHECK_FALSE(plain.tls);
  CHECK(plain.database == 6);
}

TEST_CASE("without [redis] the variables mean nothing: memory only") {
  const auto loaded = load_with_upstream("", {{"REDIS_HOST", "redis"}});
  REQUIRE(loaded.config);
  CHECK_FALSE(loaded.config->redis);
}

TEST_CASE("[redis] without a url needs variables that can be used") {
  const Environment environments[] = {{},
                                      {{"REDIS_PASSWORD", "x"}},
                                      {{"REDIS_HOST", ""}},
                                      {{"REDIS_HOST", "redis"}, {"REDIS_PORT", "x"}},
                                      {{"REDIS_HOST", "redis:6379"}},
                                      {{"REDIS_HOST", "a b"}},
                                      {{"REDIS_HOST", "redis"}, {"REDIS_USE_SENTINEL", "true"}}};
  for (const Environment& environment : environments) {
    const auto loaded = load_with_upstream("[redis]\n", environment);
    INFO(all(loaded));
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded)[0].starts_with("o.toml:4:1: "));
  }
}

}  // namespace
}  // namespace outrigger::config
