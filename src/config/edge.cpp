// The process and its doors: drain, admin_token, [listen], [limits], [log].
#include "config/sections.h"

#include <fmt/format.h>

#include <filesystem>

#include "config/url.h"

namespace outrigger::config {
namespace {

// Whether something other than a socket lies there already. Without the right to look it cannot be said.
bool is_taken(const std::string& path) {
  std::error_code problem;
  const std::filesystem::file_type type = std::filesystem::symlink_status(path, problem).type();
  using enum std::filesystem::file_type;
  return type != none && type != not_found && type != unknown && type != socket;
}

std::optional<Door> read_door(TableReader& listen, std::string_view key, std::string& address) {
  const auto text = listen.text(key);
  std::string error;
  if (!text) return parse_door(address, error);
  auto door = parse_door(text->value, error);
  if (door && door->is_unix && is_taken(door->host)) {
    error = "what lies there is no socket, and is left alone; write a path where there is nothing yet";
    door.reset();
  }
  if (door) {
    address = text->value;
  } else {
    listen.context().error(text->place,
                           fmt::format("`{}` cannot be {}: {}", key, text->shown(),
                                       text->problem(error, "an address with a port such as \"0.0.0.0:8080\"")));
  }
  return door;
}

void read_admin_token(TableReader& table, Config& config) {
  const auto token = table.text("admin_token");
  if (!token) return;
  if (config.admin_token) {
    table.context().error(token->place,
                          "`admin_token` is given twice; leave it out of [listen] or out of the top of the file");
    return;
  }
  config.admin_token = token->secret();
}

bool is_same(const std::optional<Door>& a, const std::optional<Door>& b) {
  return a && b && a->host == b->host && a->port == b->port && (a->port != 0 || a->is_unix);
}

void check_doors(TableReader& listen, const std::optional<Door>& llm, const std::optional<Door>& dify,
                 const std::optional<Door>& admin, const Config& config) {
  const auto clash = [&](std::string_view one, std::string_view other, const std::string& address) {
    listen.context().error(
        listen.place_of(other),
        fmt::format("`{}` and `{}` both listen on {}; give one of them another port", one, other, address));
  };
  if (is_same(llm, admin)) clash("llm", "admin", config.listen.llm);
  if (is_same(llm, dify)) clash("llm", "dify", config.listen.llm);
  if (is_same(dify, admin)) clash("dify", "admin", config.listen.admin);
  if (admin && !admin->loopback && !config.admin_token) {
    listen.context().warning(
        listen.place_of("admin"),
        fmt::format("the admin door at {} can be reached from other machines: everything but health and metrics (status, "
                    "explain, purge, drain) is refused there until `admin_token` is set, for example to \"env:ADMIN_TOKEN\"",
                    config.listen.admin));
  }
}

void read_listen(TableReader& top, Config& config) {
  static const Node k_empty;
  const Node* node = top.table("listen");
  TableReader listen(top.context(), node == nullptr ? k_empty : *node, "[listen]");
  const auto llm = read_door(listen, "llm", config.listen.llm);
  const auto admin = read_door(listen, "admin", config.listen.admin);
  std::optional<Door> dify;
  if (listen.find("dify") != nullptr) dify = read_door(listen, "dify", config.listen.dify.emplace());
  config.listen.tls = read_tls(listen, "tls");
  config.listen.admin_tls = read_tls(listen, "admin_tls");
  read_admin_token(listen, config);
  check_doors(listen, llm, dify, admin, config);
  listen.finish();
}

void read_limits(TableReader& top, Limits& limits) {
  const Node* node = top.table("limits");
  if (node == nullptr) return;
  TableReader table(top.context(), *node, "[limits]");
  set(limits.connections, table.integer("connections", {1, 1'000'000}));
  set(limits.header, table.size("header", {1ull << 10, 1ull << 20}));
  set(limits.body, table.size("body", {1ull << 10, 1ull << 30}));
  set(limits.header_timeout, table.duration("header_timeout", {100ms, 1h}));
  set(limits.body_timeout, table.duration("body_timeout", {100ms, 1h}));
  table.finish();
}

void read_log(TableReader& top, Log& log) {
  const Node* node = top.table("log");
  if (node == nullptr) return;
  TableReader table(top.context(), *node, "[log]");
  const auto access = table.text("access");
  if (access && (access->value == "stdout" || access->value == "off" || access->value.starts_with('/'))) {
    log.access = access->value;
  } else if (access) {
    table.context().error(access->place,
                          fmt::format("`access` cannot be {}; write \"stdout\", \"off\" or an absolute path such "
                                      "as \"/var/log/outrigger/access.log\"",
                                      access->shown()));
  }
  table.finish();
}

}  // namespace

void read_edge(TableReader& top, Config& config) {
  set(config.drain, top.duration("drain", {0s, 1h}));
  set(config.drain_delay, top.duration("drain_delay", {0s, 10min}));
  read_admin_token(top, config);
  read_listen(top, config);
  read_limits(top, config.limits);
  read_log(top, config.log);
}

}  // namespace outrigger::config
