// [redis]: from a URL, or from the variables that Dify's own containers have.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "config/url.h"

namespace outrigger::config {
namespace {

// Dify keeps 0 (cache), 1 (Celery) and 2 (agents) for itself.
constexpr int k_database_beside_dify = 5;
constexpr std::uint16_t k_default_port = 6379;
constexpr int k_max_database = 65535;

constexpr std::string_view k_form = R"(write "redis://[user][:password]@host[:port][/database]", or rediss:// for TLS)";

bool parse_database(std::string_view path, int& database, std::string& error) {
  if (path.empty() || path == "/") return true;
  path.remove_prefix(1);
  const auto parsed = std::from_chars(path.data(), path.data() + path.size(), database);
  if (parsed.ec == std::errc() && parsed.ptr == path.data() + path.size() && database >= 0 && database <= k_max_database) {
    return true;
  }
  error = fmt::format("after the host comes the number of a database, from 0 to {}; {}", k_max_database, k_form);
  return false;
}

bool parse_redis_url(std::string_view text, const std::string& source, Redis& redis, std::string& error) {
  for (const std::string_view scheme :
       {"redis+sentinel://", "rediss+sentinel://", "redis+cluster://", "rediss+cluster://"}) {
    if (!text.starts_with(scheme)) continue;
    error = fmt::format("{} is not supported yet; name one server, {}", scheme, k_form);
    return false;
  }
  redis.tls = text.starts_with("rediss://");
  if (!redis.tls && !text.starts_with("redis://")) {
    error = k_form;
    return false;
  }
  text.remove_prefix(text.find("://") + 3);
  const std::size_t end = text.find_first_of("/?#");
  const std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end);
  auto authority = parse_authority(text.substr(0, end), error, rest);
  if (!authority) return false;
  if (rest.find_first_of("?#") != std::string_view::npos) {
    error = fmt::format("nothing may follow the database; {}", k_form);
    return false;
  }
  redis.host = std::move(authority->host);
  redis.port = authority->port.value_or(k_default_port);
  redis.user = std::move(authority->user);
  redis.password = {std::move(authority->password), source};
  return parse_database(rest, redis.database, error);
}

// Empty: not set, or set to nothing.
std::string variable(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

bool is_true(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text == "true" || text == "1" || text == "yes" || text == "on";
}

void read_dify_variables(TableReader& table, Redis& redis) {
  const Environment& environment = table.context().environment();
  const std::string host = variable(environment, "REDIS_HOST");
  for (const std::string_view name : {"REDIS_USE_SENTINEL", "REDIS_USE_CLUSTERS"}) {
    if (!is_true(variable(environment, name))) continue;
    table.context().error(table.place(),
                          fmt::format("{} is set, but only a single Redis is supported yet; set `url` in [redis] to "
                                      "one, or take [redis] out",
                                      name));
    return;
  }
  if (host.empty()) {
    table.context().error(table.place(),
                          R"([redis] needs a `url` such as "redis://:password@redis:6379/5", or REDIS_HOST in the )"
                          "environment; without [redis] the cache is in memory only");
    return;
  }
  std::string error;
  const auto authority = parse_authority(host, error);
  const std::string port = variable(environment, "REDIS_PORT");
  const auto whole = parse_authority(port.empty() ? "x" : fmt::format("x:{}", port), error);
  if (!authority || authority->port || !authority->user.empty() || !whole) {
    table.context().error(table.place(),
                          "REDIS_HOST must be a host name and REDIS_PORT a port; set them so, or write `url`");
    return;
  }
  redis.host = authority->host;
  redis.port = whole->port.value_or(k_default_port);
  redis.user = variable(environment, "REDIS_USERNAME");
  redis.password = {variable(environment, "REDIS_PASSWORD"), "env:REDIS_PASSWORD"};
  redis.tls = is_true(variable(environment, "REDIS_USE_SSL"));
  redis.database = k_database_beside_dify;
}

void read_url(TableReader& table, Redis& redis) {
  const auto url = table.text("url");
  if (!url) return;
  std::string error;
  if (parse_redis_url(url->value, url->source, redis, error)) return;
  // The URL itself is not shown: it may hold a password.
  table.context().error(url->place, fmt::format("`url` is not a Redis URL: {}",
                                                url->problem(error, "one such as \"redis://:password@redis:6379/5\"")));
}

void read_prefix(TableReader& table, Redis& redis) {
  const auto prefix = table.text("prefix");
  if (!prefix) return;
  const bool usable = prefix->value.size() <= 64 && std::all_of(prefix->value.begin(), prefix->value.end(), [](char c) {
                        // Neither blanks nor what SCAN's MATCH takes for a pattern.
                        return c > ' ' && c < '\x7f' && std::string_view("*?[]\\").find(c) == std::string_view::npos;
                      });
  if (usable) {
    redis.prefix = prefix->value;
  } else {
    table.context().error(prefix->place,
                          R"(`prefix` takes up to 64 letters, digits and signs, but no blanks and none of *?[]\; )"
                          R"(write one such as "outrigger:")");
  }
}

}  // namespace

void read_redis(TableReader& top, Config& config) {
  const Node* node = top.table("redis");
  if (node == nullptr) return;
  TableReader table(top.context(), *node, "[redis]");
  Redis redis;
  if (node->find("url") != nullptr) {
    read_url(table, redis);
  } else {
    read_dify_variables(table, redis);
  }
  if (const auto user = table.text("user")) redis.user = user->value;
  if (const auto password = table.text("password")) redis.password = password->secret();
  set(redis.database, table.integer("database", {0, k_max_database}));
  read_prefix(table, redis);
  set(redis.timeout, table.duration("timeout", {1ms, 10s}));
  if (table.find("ca") != nullptr && !redis.tls) {
    table.context().error(table.place_of("ca"), "`ca` is for TLS only; write rediss:// in `url`, or leave `ca` out");
  } else if (const auto ca = read_ca(table, "ca")) {
    redis.ca = ca->value;
  }
  table.refuse("host", "is part of `url`; write url = \"redis://host:port/5\"");
  table.refuse("port", "is part of `url`; write url = \"redis://host:port/5\"");
  table.finish();
  config.redis = std::move(redis);
}

}  // namespace outrigger::config
