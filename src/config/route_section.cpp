// [[route]]: path prefixes with a cache policy of their own.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_path = 128;

bool is_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() < 2 || path.size() > k_max_path || path.ends_with('/')) return false;
  std::string_view rest = path.substr(1);
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/-_.~").find(c) != std::string_view::npos;
  });
}

void read_path(TableReader& table, const Config& config, Names& names, Route& route) {
  const auto path = table.literal("path");
  if (!path) {
    if (table.find("path") == nullptr) table.context().error(table.place(), R"([[route]] needs a `path` such as "/faq")");
    return;
  }
  table.rename(fmt::format("[[route]] `{}`", path->value));
  if (!is_path(path->value)) {
    table.context().error(path->place,
                          R"(`path` begins with a `/`, does not end with one, and is made of letters, digits and `-_.~`; )"
                          R"(write one such as "/faq")");
    return;
  }
  const std::string first = path->value.substr(1, path->value.find('/', 1) - 1);
  if (is_api_word(first)) {
    table.context().error(path->place,
                          fmt::format("`path` cannot begin with /{}, because paths of the API do; write another such as "
                                      "\"/faq\"",
                                      first));
  } else if (config.upstream_named(first) != nullptr) {
    table.context().error(path->place,
                          fmt::format("`path` cannot begin with /{0}, because that leads to the upstream `{0}`; write "
                                      "another such as \"/{0}-faq\"",
                                      first));
  } else if (names.add(table.context(), *path, "path")) {
    route.path = path->value;
  }
}

}  // namespace

void read_routes(TableReader& top, Config& config) {
  Names names("[[route]]");
  for (const Node* node : top.tables("route")) {
    TableReader table(top.context(), *node, "[[route]]");
    Route route;
    read_path(table, config, names, route);
    if (const auto upstream = table.literal("upstream")) {
      if (named_upstream(table.context(), config, upstream->place, "upstream", upstream->value) != nullptr) {
        route.upstream = upstream->value;
      }
    }
    route.cache = read_cache_policy(table);
    table.finish();
    config.routes.push_back(std::move(route));
  }
}

}  // namespace outrigger::config
