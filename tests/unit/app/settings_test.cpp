#include "app/settings.h"

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace outrigger::app {
namespace {

config::Config with_redis() {
  config::Config config;
  config.redis = config::Redis{.host = "redis",
                               .port = 6379,
                               .tls = true,
                               .ca = "a",
                               .user = "u",
                               .password = {"p", "inline"},
                               .database = 5,
                               .prefix = "o:",
                               .timeout = 20ms};
  return config;
}

TEST_CASE("any change of [redis] needs a restart, and none is passed over") {
  struct Row {
    std::string_view field;
    std::function<void(config::Redis&)> change;
  };
  const Row rows[] = {
      {"host", [](config::Redis& redis) { redis.host = "other"; }},
      {"port", [](config::Redis& redis) { redis.port = 6380; }},
      {"tls", [](config::Redis& redis) { redis.tls = false; }},
      {"ca", [](config::Redis& redis) { redis.ca = "b"; }},
      {"user", [](config::Redis& redis) { redis.user = "v"; }},
      {"password", [](config::Redis& redis) { redis.password.text = "q"; }},
      {"database", [](config::Redis& redis) { redis.database = 6; }},
      {"prefix", [](config::Redis& redis) { redis.prefix = "p:"; }},
      {"timeout", [](config::Redis& redis) { redis.timeout = 500ms; }},
  };
  for (const Row& row : rows) {
    INFO(row.field);
    config::Config after = with_redis();
    row.change(*after.redis);
    CHECK(needs_restart(with_redis(), after) == "[redis]");
  }
  CHECK(needs_restart(with_redis(), {}) == "[redis]");
  CHECK(needs_restart({}, with_redis()) == "[redis]");
  CHECK(needs_restart(with_redis(), with_redis()).empty());
}

TEST_CASE("where a password is kept is no change of it") {
  config::Config after = with_redis();
  after.redis->password.source = "env:REDIS_PASSWORD";
  CHECK(needs_restart(with_redis(), after).empty());
}

TEST_CASE("a secret of the cache is put in force by a reload, but taken out by a restart only") {
  const auto load = [](std::string_view cache) {
    const std::string toml = "[[upstream]]\nurl = \"https://h/v1\"\n[cache]\n" + std::string(cache);
    return config::load_text(toml, "o.toml", {}).config;
  };
  const auto without = load("");
  const auto with_secret = load("secret = \"one that nobody guesses, of 32 characters\"");
  const auto with_other = load("secret = \"another that nobody guesses, of 32 and more\"");
  REQUIRE((without && with_secret && with_other));
  CHECK(needs_restart(*with_secret, *with_other).empty());
  CHECK(needs_restart(*without, *with_secret).empty());
  CHECK(needs_restart(*with_secret, *without) == "cache.secret");
}

TEST_CASE("the admin door has few places, and always one for a probe") {
  const http::ServerLimits limits = admin_limits({});
  CHECK(limits.connections == 64);
  CHECK(limits.makes_room);
  CHECK_FALSE(server_limits({}).makes_room);
}

}  // namespace
}  // namespace outrigger::app
