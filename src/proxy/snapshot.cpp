#include "proxy/snapshot.h"

#include <algorithm>
#include <array>
#include <span>

#include "chat/digest.h"
#include "core/base64.h"
#include "providers/dialect.h"
#include "providers/translation.h"

namespace outrigger::proxy {
namespace {

http::Origin origin_of(const config::Upstream& upstream) {
  http::Origin origin;
  origin.address = {upstream.url.host, upstream.url.port, false};
  if (upstream.url.tls) origin.tls = io::TlsClient{upstream.url.host, upstream.ca, upstream.verify};
  if (upstream.proxy) {
    http::Origin::Proxy proxy;
    proxy.address = {upstream.proxy->host, upstream.proxy->port, false};
    if (!upstream.proxy->user.empty()) {
      proxy.authorization = "Basic " + base64(upstream.proxy->user + ":" + upstream.proxy->password);
    }
    origin.proxy = proxy;
  }
  return origin;
}

// Does `path` lie below `prefix` ("/faq" holds "/faq" and "/faq/v1", not "/faqs")?
bool below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// A client's own wire where the upstream has it; else the first that it has. An upstream that says nothing has what its dialect
// has, and besides, where a client's own path leads to it, whatever is asked there: many relays speak more than OpenAI's wire.
chat::Endpoint wire_of(const config::Upstream& upstream, chat::Endpoint asked, bool is_addressed) {
  using chat::Endpoint;
  static constexpr std::array<Endpoint, 3> k_endpoints{Endpoint::chat_completions, Endpoint::responses, Endpoint::messages};
  static constexpr std::array k_openai{config::Wire::chat_completions, config::Wire::responses};
  static constexpr std::array k_anthropic{config::Wire::messages};
  if (std::ranges::find(k_endpoints, asked) == k_endpoints.end()) return asked;
  std::span<const config::Wire> wires = upstream.speaks;
  if (wires.empty()) {
    const bool is_openai = upstream.dialect == config::Dialect::openai;
    if (is_openai && is_addressed) return asked;
    wires = is_openai ? std::span<const config::Wire>(k_openai) : std::span<const config::Wire>(k_anthropic);
  }
  const auto endpoint_of = [](config::Wire wire) { return k_endpoints[static_cast<std::size_t>(wire)]; };
  const bool has_it = std::ranges::any_of(wires, [&](config::Wire wire) { return endpoint_of(wire) == asked; });
  return has_it ? asked : endpoint_of(wires.front());
}

// A client's key stands in the file as it is or as its digest.
bool is_digest(std::string_view key) {
  return key.size() == 64 && key.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Snapshot::Snapshot(std::shared_ptr<const config::Config> config) : config_(std::move(config)) {
  for (const config::Upstream& upstream : config_->upstreams) {
    const config::Url& url = upstream.url;
    targets_.push_back({&upstream, origin_of(upstream), url.authority(),
                        upstream.name + " " + (url.tls ? "https://" : "http://") + url.authority() + url.path});
  }
  // Models are not asked of a backend of the dify door, wherever it stands in the file.
  const auto is_asked = [](const Target& target) { return target.upstream->dialect != config::Dialect::dify; };
  const auto first = std::ranges::find_if(targets_, is_asked);
  if (config_->listen.dify && first != targets_.end()) first_ = static_cast<std::size_t>(first - targets_.begin());
  const auto digest_of = [](const config::Secret& key) {
    return is_digest(key.text) ? key.text : chat::sha256_hex(key.text);
  };
  for (const config::Client& client : config_->clients) clients_.emplace_back(digest_of(client.key), &client);
  for (const config::App& app : config_->apps) apps_.emplace_back(digest_of(app.key), &app);
  dify_pace_.concurrency = config_->dify.concurrency;
  dify_pace_.queue = config_->dify.queue;
  dify_pace_.breaker = config_->dify.breaker;
  std::vector<const config::Model*> models{nullptr};
  for (const config::Model& model : config_->models) models.push_back(&model);
  std::vector<const config::Route*> routes{nullptr};
  for (const config::Route& route : config_->routes) routes.push_back(&route);
  for (const config::Model* model : models) {
    for (const config::Route* route : routes) {
      policies_.emplace(std::pair(model, route),
                        config::effective(config_->cache, model != nullptr ? &model->cache : nullptr,
                                          route != nullptr ? &route->cache : nullptr));
    }
  }
}

const Target* Snapshot::target_named(std::string_view upstream) const {
  for (const Target& target : targets_) {
    if (target.upstream->name == upstream) return &target;
  }
  return nullptr;
}

void Snapshot::set_target(Destination& destination, const Target& target, std::string_view path, bool is_addressed) const {
  destination.target = &target;
  destination.place = chat::place(target.upstream->url.path, path);
  if (providers::dialect_of(destination.place.endpoint) == nullptr) destination.place.endpoint = chat::Endpoint::other;
  // The Dify wire has paths of its own.
  if (target.upstream->dialect == config::Dialect::dify) destination.place.endpoint = chat::Endpoint::other;
  destination.wire = wire_of(*target.upstream, destination.place.endpoint, is_addressed);
  if (!providers::can_translate(destination.place.endpoint, destination.wire)) destination.wire = destination.place.endpoint;
  if (destination.is_translated()) destination.wire_path = chat::path_at(target.upstream->url.path, destination.wire);
}

Destination Snapshot::destination(std::string_view target) const { return destination_at(target, {}); }

Destination Snapshot::destination(std::string_view target, const config::Model* model) const {
  if (model == nullptr || model->target.empty()) return destination(target);
  const std::string_view to = model->target.front().to;
  return destination_at(target, to.substr(0, to.find(':')));
}

Destination Snapshot::destination_at(std::string_view target, std::string_view upstream) const {
  const http::Target parts = http::split_target(target);
  Destination destination;
  destination.query = parts.query;
  const Target* chosen = nullptr;
  std::string_view prefix;
  for (const config::Route& route : config_->routes) {
    if (route.path.size() > prefix.size() && below(parts.path, route.path)) {
      destination.route = &route;
      prefix = route.path;
      chosen = target_named(route.upstream);
    }
  }
  for (const Target& candidate : targets_) {
    const std::string& name = candidate.upstream->name;
    if (destination.route == nullptr && parts.path.size() > name.size() && below(parts.path.substr(1), name)) {
      chosen = &candidate;
      prefix = parts.path.substr(0, name.size() + 1);
    }
  }
  const Target& addressed = chosen != nullptr ? *chosen : targets_[first_];
  const Target* named = upstream.empty() ? nullptr : target_named(upstream);
  const Target& target_used = named != nullptr ? *named : addressed;
  set_target(destination, target_used, parts.path.substr(prefix.size()), &target_used == &addressed);
  return destination;
}

const config::Cache& Snapshot::policy(const config::Model* model, const config::Route* route) const {
  return policies_.at({model, route});
}

std::optional<obs::TokenPrice> Snapshot::price(std::string_view model) const {
  if (const config::Model* configured = config_->model_for(model); configured != nullptr && configured->price) {
    return obs::TokenPrice{configured->price->input, configured->price->output};
  }
  return std::nullopt;
}

const config::Client* Snapshot::client_with(std::string_view credential) const {
  // Digests are compared, and all of them: how long it takes says nothing about a key.
  const std::string digest = chat::sha256_hex(credential);
  const config::Client* found = nullptr;
  for (const auto& [known, client] : clients_) {
    if (known == digest) found = client;
  }
  return found;
}

const config::App* Snapshot::app_with(std::string_view digest) const {
  for (const auto& [known, app] : apps_) {
    if (known == digest) return app;
  }
  return nullptr;
}

std::string_view presented_key(const http::Headers& headers) {
  if (const auto authorization = headers.get("authorization")) {
    constexpr std::string_view k_bearer = "bearer ";
    if (authorization->size() > k_bearer.size() &&
        http::equal_ignoring_case(authorization->substr(0, k_bearer.size()), k_bearer)) {
      return authorization->substr(k_bearer.size());
    }
    return *authorization;
  }
  for (const std::string_view name : {"x-api-key", "api-key", "x-goog-api-key"}) {
    if (const auto value = headers.get(name)) return *value;
  }
  return {};
}

}  // namespace outrigger::proxy
