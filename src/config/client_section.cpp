// [[client]]: who may come in, and how much.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_name = 64;
constexpr std::size_t k_max_patterns = 256;
constexpr std::size_t k_digest_digits = 64;  // SHA-256 in hex
constexpr double k_least_usd = 0.01, k_most_usd = 10'000'000;
constexpr std::string_view k_digest_prefix = "sha256:";

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos; }

void read_client_key(TableReader& table, const Config& config, Client& client) {
  const auto written = table.text("key");
  if (!written) {
    if (table.find("key") == nullptr) {
      table.context().error(table.place(),
                            fmt::format("{} needs a `key`; write one such as \"env:SUPPORT_KEY\"", table.where()));
    }
    return;
  }
  const auto key = usable_key(table.context(), *written);
  if (!key) return;
  for (const Client& other : config.clients) {
    if (other.key.text != *key) continue;
    table.context().error(
        written->place, fmt::format("{} has the same key as [[client]] `{}`; give each its own", table.where(), other.name));
    return;
  }
  client.key = {*key, written->source};
}

void read_client_name(TableReader& table, Names& names, Client& client) {
  const auto name = table.literal("name");
  if (!name) {
    if (table.find("name") == nullptr) {
      table.context().error(table.place(), R"([[client]] needs a `name` such as "support-desk": it stands in the log)");
    }
    return;
  }
  table.rename(fmt::format("[[client]] `{}`", name->value));
  if (!is_label(name->value)) {
    table.context().error(
        name->place, fmt::format("`name` has at most {} bytes and no control characters; write a shorter one", k_max_name));
  } else if (names.add(table.context(), *name, "name")) {
    client.name = name->value;
  }
}

void read_client_models(TableReader& table, Client& client) {
  for (const Text& pattern : table.texts("models", true)) client.models.push_back(pattern.value);
  const Member* models = table.find("models");
  if (models == nullptr || models->value.kind != Node::Kind::array) return;
  if (models->value.items.empty() || client.models.size() > k_max_patterns) {
    table.context().error(models->value.place,
                          fmt::format("`models` takes from 1 to {} patterns; write [\"*\"] or leave it out to "
                                      "allow all",
                                      k_max_patterns));
  }
}

void read_client_budget(TableReader& owner, const Config& config, Client& client) {
  with_table(owner, "budget", [&](TableReader& table) {
    Client::Budget& budget = client.budget;
    set(budget.usd_per_day, table.number("usd_per_day", {k_least_usd, k_most_usd}));
    set(budget.usd_per_month, table.number("usd_per_month", {k_least_usd, k_most_usd}));
    Context& context = table.context();
    if (owner.find("budget")->value.members.empty()) {
      context.error(table.place(), fmt::format("{} says nothing; write usd_per_day, usd_per_month or both, such as "
                                               "{{ usd_per_month = 200 }}",
                                               table.where()));
      return;
    }
    if (budget.usd_per_day && budget.usd_per_month && *budget.usd_per_day > *budget.usd_per_month) {
      context.warning(table.place_of("usd_per_day"),
                      "`usd_per_day` is more than `usd_per_month`, so it never ends anything");
    }
    if (!config.redis) {
      context.warning(table.place(),
                      fmt::format("without [redis] a restart forgets what {} has spent, and each replica counts by "
                                  "itself; add [redis] to have the budget kept",
                                  owner.where()));
    }
  });
}

}  // namespace

bool is_label(std::string_view name) {
  return name.size() <= k_max_name &&
         std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

std::optional<std::string> usable_key(Context& context, const Text& key) {
  std::string_view text = key.value;
  const bool is_marked = text.starts_with(k_digest_prefix);
  if (is_marked) text.remove_prefix(k_digest_prefix.size());
  const bool is_digest = text.size() == k_digest_digits && is_hex(text);
  if (is_marked && !is_digest) {
    context.error(key.place, R"("sha256:" is followed by 64 hex digits; `printf %s "$KEY" | sha256sum` prints them)");
    return std::nullopt;
  }
  if (is_digest && !is_marked) {
    // `openssl rand -hex 32` makes keys that look just like digests.
    context.warning(key.place,
                    "`key` has 64 hex digits and is taken for the SHA-256 of the key; write \"sha256:\" in front "
                    "to say so, or use a key of another length if this is the key itself");
  }
  if (is_digest) return lower(text);
  if (std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; })) return std::string(text);
  context.error(key.place, "`key` must be one line of visible ASCII characters without blanks; write the key alone");
  return std::nullopt;
}

void read_clients(TableReader& top, Config& config) {
  Names names("[[client]]");
  for (const Node* node : top.tables("client")) {
    TableReader table(top.context(), *node, "[[client]]");
    Client client;
    read_client_name(table, names, client);
    read_client_key(table, config, client);
    read_client_models(table, client);
    set(client.rate, read_rate(table));
    read_client_budget(table, config, client);
    for (const std::string_view key : {"concurrency", "queue"}) {
      table.refuse(key,
                   "belongs to a [[model]], whose callers take turns; to limit one client, write rate = "
                   "{ requests_per_minute = … }");
    }
    table.finish();
    config.clients.push_back(std::move(client));
  }
}

}  // namespace outrigger::config
