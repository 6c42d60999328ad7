// [[upstream]]: where requests go, through which proxy, and with whose keys.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/proxy_env.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

constexpr std::array<std::string_view, 3> k_dialects{"openai", "anthropic", "dify"};
constexpr std::size_t k_max_name = 64;

constexpr std::array<std::string_view, 3> k_credential_headers{"authorization", "x-api-key", "api-key"};

std::optional<Dialect> dialect_named(std::string_view text) {
  for (std::size_t i = 0; i < k_dialects.size(); ++i) {
    if (k_dialects[i] == text) return static_cast<Dialect>(i);
  }
  return std::nullopt;
}

constexpr std::array<std::string_view, 3> k_wires{"chat/completions", "responses", "messages"};

bool is_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return name.size() <= k_max_name && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || c == '-' || c == '_' || c == '.'; });
}

void read_name(TableReader& table, Upstream& upstream, Names& names, bool only_one) {
  const auto name = table.literal("name");
  if (!name) {
    // A lone upstream is never asked for by its name.
    if (only_one) upstream.name = "upstream";
    if (!only_one && table.find("name") == nullptr) {
      table.context().error(table.place(),
                            R"([[upstream]] needs a `name`, because there are several; write one such as "relay")");
    }
    return;
  }
  table.rename(fmt::format("[[upstream]] `{}`", name->value));
  upstream.name = name->value;  // refused or not: what names it elsewhere need not be reported as well
  if (!is_name(name->value)) {
    table.context().error(name->place,
                          fmt::format("`name` takes letters, digits, `-`, `_` and `.`, begins with a letter or digit "
                                      "and has at most {} of them; write one such as \"relay\"",
                                      k_max_name));
  } else if (is_api_word(name->value)) {
    table.context().error(name->place,
                          fmt::format("`name` cannot be \"{0}\", because paths of the API begin with /{0}; write another "
                                      "such as \"relay\"",
                                      name->value));
  } else {
    names.add(table.context(), *name, "name");
  }
}

void read_url(TableReader& table, Upstream& upstream) {
  const auto text = table.text("url");
  if (!text) {
    if (table.find("url") == nullptr) {
      table.context().error(table.place(),
                            fmt::format(R"({} needs a `url` such as "https://api.example.com/v1")", table.where()));
    }
    return;
  }
  std::string error;
  auto url = parse_url(text->value, error);
  if (url && (!url->user.empty() || !url->password.empty())) {
    error = R"(a user or password has no place here; write the credential in keys = ["env:NAME"])";
    url.reset();
  }
  if (!url) {
    table.context().error(text->place,
                          fmt::format("`url` cannot be used: {}",
                                      text->problem(error, "an http(s) URL such as \"https://api.example.com/v1\"")));
    return;
  }
  if (const std::string endpoint = cut_endpoint(url->path); !endpoint.empty()) {
    table.context().warning(text->place,
                            fmt::format("`url` ends with the endpoint {}, which was cut off, because requests bring it "
                                        "along; write \"{}://{}{}\"",
                                        endpoint, url->tls ? "https" : "http", url->authority(), url->path));
  }
  upstream.url = std::move(*url);
}

void read_keys(TableReader& table, Upstream& upstream) {
  for (const Text& key : table.texts("keys", false)) {
    const bool usable = std::all_of(key.value.begin(), key.value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    const bool is_new = std::none_of(upstream.keys.begin(), upstream.keys.end(),
                                     [&](const Secret& earlier) { return earlier.text == key.value; });
    if (usable && is_new) {
      upstream.keys.push_back(key.secret());
    } else if (usable) {
      // Twice the requests of the others for one key is hardly meant, but it works.
      table.context().warning(key.place, "`keys` holds this key already; it counts once, so take one of the two out");
    } else if (lower(key.value).starts_with("bearer ")) {
      table.context().error(key.place, "a key stands without \"Bearer\" in front; write the key alone");
    } else {
      table.context().error(key.place, "a key is one line of visible ASCII characters without blanks; write the key alone");
    }
  }
}

void read_speaks(TableReader& table, Upstream& upstream) {
  const auto texts = table.texts("speaks", true);
  for (const Text& text : texts) {
    const auto found = std::find(k_wires.begin(), k_wires.end(), text.value);
    if (found == k_wires.end()) {
      table.wrong_word("speaks", text, k_wires);
      continue;
    }
    const auto wire = static_cast<Wire>(found - k_wires.begin());
    if (std::find(upstream.speaks.begin(), upstream.speaks.end(), wire) == upstream.speaks.end()) {
      upstream.speaks.push_back(wire);
    } else {
      table.context().warning(text.place, fmt::format("`speaks` names \"{}\" already; take one of the two out", text.value));
    }
  }
  if (upstream.dialect == Dialect::dify && !upstream.speaks.empty()) {
    table.context().error(texts.front().place,
                          "`speaks` is about wires on which models are asked, and dialect = \"dify\" has none of them; "
                          "take one of the two out");
  }
}

// The configuration's own proxy, else the environment's; "off" goes directly whatever the environment says.
void read_proxy(TableReader& table, Upstream& upstream) {
  const auto written = table.text("proxy");
  std::string error;
  if (written && written->value == "off") return;
  if (written) {
    upstream.proxy = parse_proxy(written->value, error);
    if (!upstream.proxy) {
      table.context().error(written->place, fmt::format("`proxy` cannot be used: {}",
                                                        written->problem(error, "one such as \"http://proxy:3128\"")));
    }
    return;
  }
  if (upstream.url.host.empty()) return;
  const auto variable = proxy_from_environment(upstream.url, table.context().environment());
  if (!variable) return;
  upstream.proxy = parse_proxy(variable->value, error);
  if (!upstream.proxy) {
    table.context().error(table.place(),
                          fmt::format("the proxy that the environment variable {} names for {} cannot be used: {}; or "
                                      "write proxy = \"off\" to go there directly",
                                      variable->name, upstream.url.host, error));
  }
}

bool is_credential_header(std::string_view lower_name) {
  return std::find(k_credential_headers.begin(), k_credential_headers.end(), lower_name) != k_credential_headers.end();
}

std::string header_problem(std::string_view name, std::string_view value, const Upstream& upstream) {
  if (is_credential_header(lower(name)) && !upstream.keys.empty())
    return "would contradict `keys`; write only one of the two";
  return field_problem(name, value);
}

void read_headers(TableReader& table, Upstream& upstream) {
  upstream.headers = config::read_headers(
      table, [&](std::string_view name, std::string_view value) { return header_problem(name, value, upstream); });
}

void read_tls(TableReader& table, Upstream& upstream) {
  if (const auto ca = read_ca(table, "ca")) upstream.ca = ca->value;
  set(upstream.verify, table.boolean("verify"));
  if (!upstream.verify) {
    table.context().warning(table.place_of("verify"),
                            fmt::format("the certificate of {} is not checked, so whoever sits between can "
                                        "read the keys; `ca` with its root certificate is safer",
                                        upstream.url.host));
  }
}

// Dify's clients bring the /v1 of its service API along, and its console has none.
void cut_version(TableReader& table, Upstream& upstream) {
  constexpr std::string_view k_version = "/v1";
  if (upstream.dialect != Dialect::dify || !upstream.url.path.ends_with(k_version)) return;
  upstream.url.path.resize(upstream.url.path.size() - k_version.size());
  table.context().warning(
      table.place_of("url"),
      fmt::format("`url` ends with /v1, which was cut off, because clients bring it along; write \"{}://{}{}\"",
                  upstream.url.tls ? "https" : "http", upstream.url.authority(), upstream.url.path));
}

Upstream read_upstream(TableReader& table, Names& names, bool only_one) {
  Upstream upstream;
  read_name(table, upstream, names, only_one);
  read_url(table, upstream);
  set(upstream.dialect, table.choice<Dialect>("dialect", dialect_named, k_dialects));
  cut_version(table, upstream);
  read_speaks(table, upstream);
  read_keys(table, upstream);
  read_proxy(table, upstream);
  read_headers(table, upstream);
  read_tls(table, upstream);
  table.refuse("key", "is a list here; write keys = [\"env:NAME\"]");
  table.finish();
  return upstream;
}

}  // namespace

bool has_credential(const Upstream& upstream) {
  return !upstream.keys.empty() || std::any_of(upstream.headers.begin(), upstream.headers.end(),
                                               [](const auto& header) { return is_credential_header(lower(header.first)); });
}

std::string_view name(Wire wire) { return k_wires[static_cast<std::size_t>(wire)]; }

std::string_view name(Dialect dialect) { return k_dialects[static_cast<std::size_t>(dialect)]; }

void read_upstreams(TableReader& top, Config& config) {
  const auto tables = top.tables("upstream");
  // A dify door alone has a backend of its own.
  if (tables.empty() && top.find("upstream") == nullptr && !config.listen.dify) {
    top.context().error({},
                        "there is no [[upstream]]; write one:  [[upstream]]  name = \"relay\"  "
                        "url = \"https://api.example.com/v1\"");
  }
  Names names("[[upstream]]");
  for (const Node* node : tables) {
    TableReader table(top.context(), *node, "[[upstream]]");
    config.upstreams.push_back(read_upstream(table, names, tables.size() == 1));
  }
}

}  // namespace outrigger::config
