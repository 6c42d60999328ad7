// Snapshot: the configuration, made ready for requests: origins, targets and cache policies worked out once instead of per
// request. Immutable; a Flow keeps the one that it began with, so a reload never changes a request under way.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/endpoint.h"
#include "config/config.h"
#include "http/client.h"
#include "obs/prices.h"

namespace outrigger::proxy {

// An upstream, ready to be called.
struct Target {
  const config::Upstream* upstream = nullptr;
  http::Origin origin;
  std::string host;      // Host field
  std::string identity;  // name and URL: part of every cache key
};

// Where a request at the llm door goes.
struct Destination {
  const Target* target = nullptr;
  const config::Route* route = nullptr;  // null: none
  chat::Place place;                     // what is asked, in the client's words
  // What the target is asked on: the client's own endpoint, or another into which requests are translated.
  chat::Endpoint wire = chat::Endpoint::other;
  std::string wire_path;  // of that other one
  std::string_view query;

  [[nodiscard]] bool is_translated() const { return wire != place.endpoint; }
  // To send it to.
  [[nodiscard]] const std::string& path() const { return is_translated() ? wire_path : place.path; }
  // For what is not understood: it goes as it is, even to a target that does not speak its wire.
  void pass_untranslated() { wire = place.endpoint; }
};

class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const config::Config> config);

  [[nodiscard]] const config::Config& config() const { return *config_; }
  // `target` is the request target; the result keeps views into it. `/<route>/…` and `/<upstream>/…` choose, the longest
  // route first; anything else goes to the first upstream.
  [[nodiscard]] Destination destination(std::string_view target) const;
  // The same once the model is known: a [[model]] with a `target` sends its requests to that upstream, whatever the path said.
  // Of a weighted list it is the first, whichever a request then goes to: they stand for each other, so they share answers.
  [[nodiscard]] Destination destination(std::string_view target, const config::Model* model) const;
  // The same at the upstream of that name.
  [[nodiscard]] Destination destination_at(std::string_view target, std::string_view upstream) const;
  [[nodiscard]] const std::vector<Target>& targets() const { return targets_; }
  // [cache] with what the model and the route override.
  [[nodiscard]] const config::Cache& policy(const config::Model* model, const config::Route* route) const;
  // What the operator says that a model costs; nothing: the built-in table holds.
  [[nodiscard]] std::optional<obs::TokenPrice> price(std::string_view model) const;
  // The client that a credential belongs to; null: unknown. Only meaningful when there are [[client]]s.
  [[nodiscard]] const config::Client* client_with(std::string_view credential) const;
  // The [[app]] whose key has that SHA-256 (hex); null: none.
  [[nodiscard]] const config::App* app_with(std::string_view digest) const;
  // [dify] in the form in which a target's pace is written everywhere else.
  [[nodiscard]] const config::Model& dify_pace() const { return dify_pace_; }

  // The target of that name; null: none.
  [[nodiscard]] const Target* target_named(std::string_view upstream) const;

 private:
  // The place of a request whose path, without its prefix, is `path`. `is_addressed`: the path itself leads to that target.
  void set_target(Destination& destination, const Target& target, std::string_view path, bool is_addressed) const;

  std::shared_ptr<const config::Config> config_;
  std::vector<Target> targets_;  // in the order of config().upstreams
  std::size_t first_ = 0;        // where requests go that name none
  std::map<std::pair<const config::Model*, const config::Route*>, config::Cache> policies_;
  std::vector<std::pair<std::string, const config::Client*>> clients_;  // SHA-256 of the key, in hex
  std::vector<std::pair<std::string, const config::App*>> apps_;        // the same
  config::Model dify_pace_;
};

// The bearer token or API key that a request carries ("Authorization: Bearer x", "x-api-key", "api-key"); empty: none.
std::string_view presented_key(const http::Headers& headers);

}  // namespace outrigger::proxy
