#include "app/settings.h"

#include <limits>

namespace outrigger::app {
namespace {

bool is_same(const config::Redis& before, const config::Redis& after) {
  // Taken apart by name, so that a field that is new is not forgotten here: it does not compile then.
  const auto& [host, port, tls, ca, user, password, database, prefix, timeout] = before;
  return host == after.host && port == after.port && tls == after.tls && ca == after.ca && user == after.user &&
         password.text == after.password.text && database == after.database && prefix == after.prefix &&
         timeout == after.timeout;
}

bool is_same(const std::optional<config::Redis>& before, const std::optional<config::Redis>& after) {
  return before && after ? is_same(*before, *after) : before.has_value() == after.has_value();
}

}  // namespace

cache::StoreSettings store_settings(const config::Config& config, std::string fresh_secret, obs::Log& log) {
  cache::StoreSettings settings;
  settings.fresh_secret = std::move(fresh_secret);
  settings.log = [&log](LogLevel level, std::string_view words) { log.line(level, words); };
  settings.memory_bytes = config.cache.memory;
  settings.redis = redis_settings(config);
  return settings;
}

std::optional<cache::RedisSettings> redis_settings(const config::Config& config) {
  if (!config.redis) return std::nullopt;
  cache::RedisSettings redis;
  redis.address = {config.redis->host, config.redis->port, false};
  if (config.redis->tls) redis.tls = io::TlsClient{config.redis->host, config.redis->ca, true};
  redis.user = config.redis->user;
  redis.password = config.redis->password.text;
  redis.database = config.redis->database;
  redis.prefix = config.redis->prefix;
  redis.timeout = config.redis->timeout;
  return redis;
}

http::ServerLimits server_limits(const config::Config& config) {
  http::ServerLimits limits;
  limits.connections = config.limits.connections;
  limits.header_bytes = config.limits.header;
  limits.body_bytes = config.limits.body;
  limits.header_timeout = config.limits.header_timeout;
  limits.body_timeout = config.limits.body_timeout;
  return limits;
}

http::ServerLimits dify_limits(const config::Config& config) {
  http::ServerLimits limits = server_limits(config);
  limits.body_bytes = std::numeric_limits<std::uint64_t>::max();
  return limits;
}

http::ServerLimits admin_limits(const config::Config& config) {
  http::ServerLimits limits = server_limits(config);
  limits.connections = 64;
  limits.makes_room = true;
  return limits;
}

std::optional<io::TlsServer> tls_settings(const std::optional<config::Tls>& tls) {
  if (!tls) return std::nullopt;
  return io::TlsServer{tls->cert.text, tls->key.text, tls->client_ca};
}

std::string needs_restart(const config::Config& before, const config::Config& after) {
  std::string words;
  const auto name = [&words](std::string_view what, bool changed) {
    if (!changed) return;
    if (!words.empty()) words += ", ";
    words += what;
  };
  name("[listen]", before.listen.llm != after.listen.llm || before.listen.dify != after.listen.dify ||
                       before.listen.admin != after.listen.admin);
  name("cache.memory", before.cache.memory != after.cache.memory);
  // A new secret is taken over; which one holds where none is named is agreed on with Redis at the start.
  name("cache.secret", before.cache.secret && !after.cache.secret);
  name("[redis]", !is_same(before.redis, after.redis));
  return words;
}

}  // namespace outrigger::app
