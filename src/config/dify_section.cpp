// [dify]: how the dify door treats its backends. [[app]]: the Dify apps that are known by name.
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.h"

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_backends = 32;
constexpr std::size_t k_max_networks = 256;
constexpr std::size_t k_max_apps = 1024;
constexpr std::uint64_t k_max_concurrency = 100'000;
// Where Dify's own Compose file and charts have its api container.
constexpr std::string_view k_usual_name = "dify";
constexpr std::string_view k_usual_host = "api";
constexpr std::uint16_t k_usual_port = 5001;

bool is_backend(const Upstream& upstream) { return upstream.dialect == Dialect::dify; }

// False: an error has been noted.
bool check_backend(TableReader& table, const Config& config, const Text& name, std::string_view key) {
  const Upstream* upstream = named_upstream(table.context(), config, name.place, key, name.value);
  if (upstream == nullptr) return false;
  if (is_backend(*upstream)) return true;
  table.context().error(name.place, fmt::format("`{}` leads to Dify, and `{}` speaks {}; write dialect = \"dify\" in its "
                                                "[[upstream]], or name another",
                                                key, name.value, config::name(upstream->dialect)));
  return false;
}

void add_target(TableReader& table, Dify& dify, WeightedTarget target, Place place) {
  const auto is_same = [&](const WeightedTarget& other) { return other.to == target.to; };
  if (std::any_of(dify.target.begin(), dify.target.end(), is_same)) {
    table.context().error(
        place, fmt::format("`{}` stands in `target` twice; write it once, with the sum of the weights", target.to));
  } else {
    dify.target.push_back(std::move(target));
  }
}

void read_weighted(TableReader& owner, const Config& config, const Node& node, Dify& dify) {
  TableReader table(owner.context(), node, fmt::format("the target of {}", owner.where()));
  WeightedTarget target;
  const auto to = table.literal("to");
  set(target.weight, table.number("weight", {0, 1e6}));
  table.finish();
  if (!to && node.find("to") == nullptr) {
    table.context().error(node.place, R"(a target needs `to`; write { to = "dify-new", weight = 1 })");
  }
  if (!to || !check_backend(owner, config, *to, "to")) return;
  target.to = to->value;
  add_target(owner, dify, std::move(target), to->place);
}

void read_target_list(TableReader& table, const Config& config, const Node& list, Dify& dify) {
  for (const Node& item : list.items) {
    if (item.kind == Node::Kind::table) {
      read_weighted(table, config, item, dify);
    } else if (item.kind == Node::Kind::string && !item.text.empty()) {
      const Text name{item.text, "inline", item.place};
      if (check_backend(table, config, name, "target")) add_target(table, dify, {item.text, 1}, item.place);
    } else {
      table.context().error(item.place, R"(a target is written "dify-new", or { to = "dify-new", weight = 1 })");
    }
  }
  const bool is_plain =
      std::all_of(list.items.begin(), list.items.end(), [](const Node& item) { return item.kind == Node::Kind::string; });
  dify.are_equal = is_plain && list.items.size() > 1;
  const bool has_weight =
      std::any_of(dify.target.begin(), dify.target.end(), [](const WeightedTarget& target) { return target.weight > 0; });
  if (list.items.empty() || list.items.size() > k_max_backends) {
    table.context().error(
        list.place, fmt::format("`target` takes from 1 to {} backends; write one, or leave `target` out", k_max_backends));
  } else if (!dify.target.empty() && !has_weight) {
    table.context().error(list.place, "the weights of `target` are all 0; write at least one above 0");
  }
}

void read_target(TableReader& table, const Config& config, Dify& dify) {
  const Member* member = table.find("target");
  if (member == nullptr) return;
  if (member->value.kind == Node::Kind::array) return read_target_list(table, config, member->value, dify);
  const auto name = table.literal("target");
  if (name && check_backend(table, config, *name, "target")) dify.target.push_back({name->value, 1});
}

// One of several targets may be a fallback, too: it stands in for the others.
void read_fallback(TableReader& table, const Config& config, Dify& dify) {
  for (const Text& name : table.texts("fallback", true)) {
    if (dify.fallback.size() == k_max_backends) {
      table.context().error(name.place, fmt::format("`fallback` takes at most {} backends; take some out", k_max_backends));
      return;
    }
    if (!check_backend(table, config, name, "fallback")) continue;
    const bool is_alone = dify.target.size() == 1 && dify.target.front().to == name.value;
    const bool is_known = std::find(dify.fallback.begin(), dify.fallback.end(), name.value) != dify.fallback.end();
    if (is_alone || is_known) {
      table.context().error(name.place, fmt::format("`{}` {}; name another backend, or take it out", name.value,
                                                    is_alone ? "would fall back to itself" : "stands in `fallback` twice"));
      continue;
    }
    dify.fallback.push_back(name.value);
  }
}

void read_queue(TableReader& table, Queue& queue) {
  with_table(table, "queue", [&](TableReader& inner) {
    set(queue.depth, inner.integer("depth", {0, 100'000}));
    set(queue.wait, inner.duration("wait", {0s, 1h}));
  });
}

void read_trusted(TableReader& table, Dify& dify) {
  for (const Text& text : table.texts("trusted", true)) {
    const auto network = parse_network(text.value);
    if (!network) {
      table.context().error(text.place, fmt::format("`trusted` cannot hold {}; write an address or a block of them, such as "
                                                    "\"172.16.0.0/12\"",
                                                    text.shown()));
    } else if (dify.trusted.size() == k_max_networks) {
      table.context().error(text.place, fmt::format("`trusted` takes at most {} blocks; take some out", k_max_networks));
      return;
    } else {
      if (network->bits == 0) {
        table.context().warning(text.place, fmt::format("`trusted` = {} believes whatever any client says of where it comes "
                                                        "from; write the network that your nginx is on",
                                                        text.shown()));
      }
      dify.trusted.push_back(*network);
    }
  }
}

// The backend that is meant when none is named: the first, or Dify's usual one.
void add_usual_backend(TableReader& top, Config& config) {
  const auto first = std::find_if(config.upstreams.begin(), config.upstreams.end(), is_backend);
  if (first != config.upstreams.end()) {
    if (!first->name.empty()) config.dify.target.push_back({first->name, 1});
    return;
  }
  if (config.upstream_named(k_usual_name) != nullptr) {
    top.context().error(
        top.place_of("upstream"),
        fmt::format("the dify door leads to http://{}:{} under the name `{}`, which another [[upstream]] has; "
                    "write an [[upstream]] with dialect = \"dify\" and the address of Dify's api",
                    k_usual_host, k_usual_port, k_usual_name));
    return;
  }
  Upstream upstream;
  upstream.name = k_usual_name;
  upstream.url.host = k_usual_host;
  upstream.url.port = k_usual_port;
  upstream.dialect = Dialect::dify;
  config.upstreams.push_back(std::move(upstream));
  config.dify.target.push_back({std::string(k_usual_name), 1});
}

// Each client comes with the key of its app: one key of ours would make all of them one app.
void check_keys(TableReader& top, const Config& config) {
  for (const Upstream& upstream : config.upstreams) {
    if (!is_backend(upstream) || upstream.keys.empty()) continue;
    top.context().error(
        top.place_of("upstream"),
        fmt::format("[[upstream]] `{}` is a backend of the dify door, where each client brings the key of its "
                    "app; take `keys` out",
                    upstream.name));
  }
}

void read_app_cache(TableReader& table, App& app) {
  with_table(table, "cache", [&](TableReader& cache) {
    app.cache.emplace();
    set(app.cache->stateless, cache.boolean("stateless"));
    set(app.cache->ttl, cache.duration("ttl", {1s, 24h * 365}));
    set(app.cache->per_user, cache.boolean("per_user"));
    set(app.cache->normalise, read_level(cache));
    set(app.cache->live_conversations, cache.boolean("live_conversations"));
    if (app.cache->live_conversations && !app.cache->stateless) {
      cache.context().warning(
          cache.place_of("live_conversations"),
          "`live_conversations` is about chats that are `stateless`; write stateless = true beside it, or "
          "take it out");
    }
  });
}

void read_app_name(TableReader& table, Names& names, App& app) {
  const auto name = table.literal("name");
  if (!name) {
    if (table.find("name") == nullptr) {
      table.context().error(table.place(), R"([[app]] needs a `name` such as "faq-bot": it stands in metrics and the log)");
    }
    return;
  }
  table.rename(fmt::format("[[app]] `{}`", name->value));
  if (!is_label(name->value)) {
    table.context().error(name->place, "`name` has at most 64 bytes and no control characters; write a shorter one");
  } else if (names.add(table.context(), *name, "name")) {
    app.name = name->value;
  }
}

void read_app_key(TableReader& table, const Config& config, App& app) {
  const auto written = table.text("key");
  if (!written) {
    if (table.find("key") == nullptr) {
      table.context().error(table.place(), fmt::format("{} needs a `key`, the app's API key; write one such as "
                                                       "\"env:DIFY_FAQ_APP_KEY\", or its SHA-256",
                                                       table.where()));
    }
    return;
  }
  const auto key = usable_key(table.context(), *written);
  if (!key) return;
  for (const App& other : config.apps) {
    if (other.key.text != *key) continue;
    table.context().error(written->place,
                          fmt::format("{} has the same key as [[app]] `{}`; one key is one app", table.where(), other.name));
    return;
  }
  app.key = {*key, written->source};
}

}  // namespace

void read_dify(TableReader& top, Config& config) {
  if (const Node* node = top.table("dify")) {
    TableReader table(top.context(), *node, "[dify]");
    Dify& dify = config.dify;
    read_target(table, config, dify);
    read_fallback(table, config, dify);
    set(dify.concurrency, read_concurrency(table));
    read_queue(table, dify.queue);
    set(dify.per_user, table.integer("per_user", {1, k_max_concurrency}));
    read_trusted(table, dify);
    set(dify.first_event, table.duration("first_event", {10ms, 1h}));
    set(dify.info_ttl, table.duration("info_ttl", {0s, 1h}));
    set(dify.breaker, read_breaker(table));
    set(dify.stop_on_leave, table.boolean("stop_on_leave"));
    table.finish();
    if (!config.listen.dify) {
      table.context().warning(table.place(),
                              "[dify] is about the dify door, which is off; write dify = \"0.0.0.0:8081\" in "
                              "[listen] to open it");
    }
  }
  if (!config.listen.dify) return;
  const bool names_target = top.find("dify") != nullptr && top.find("dify")->value.find("target") != nullptr;
  if (config.dify.target.empty() && !names_target) add_usual_backend(top, config);
  check_keys(top, config);
}

void read_apps(TableReader& top, Config& config) {
  Names names("[[app]]");
  const auto tables = top.tables("app");
  for (const Node* node : tables) {
    TableReader table(top.context(), *node, "[[app]]");
    if (config.apps.size() == k_max_apps) {
      table.context().error(table.place(), fmt::format("there may be at most {} [[app]]s; take some out", k_max_apps));
      return;
    }
    App app;
    read_app_name(table, names, app);
    read_app_key(table, config, app);
    if (const auto concurrency = table.integer("concurrency", {1, k_max_concurrency})) {
      app.concurrency = static_cast<std::uint32_t>(*concurrency);
    }
    read_app_cache(table, app);
    table.finish();
    config.apps.push_back(std::move(app));
  }
  if (!tables.empty() && !config.listen.dify) {
    top.context().warning(tables.front()->place,
                          "[[app]] is about the dify door, which is off; write dify = "
                          "\"0.0.0.0:8081\" in [listen] to open it");
  }
}

}  // namespace outrigger::config
