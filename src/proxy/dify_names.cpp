#include "proxy/dify_names.h"

#include "providers/dify/info.h"

namespace outrigger::proxy {

std::string DifyNames::of(std::string_view digest) const {
  constexpr std::size_t k_shown = 8;
  const auto found = known_.find(digest);
  if (found == known_.end()) return "unknown";
  if (!found->second.name.empty()) return found->second.name;
  return "app-" + std::string(digest.substr(0, k_shown));
}

void DifyNames::ask(std::string_view digest, const Target& target, std::string_view authorization) {
  const MonoTime now = world_.loop.now();
  auto found = known_.find(digest);
  if (found != known_.end() && (!found->second.name.empty() || now < found->second.asks_again_at)) return;
  if (found == known_.end()) {
    if (known_.size() >= k_apps_max) return;
    found = known_.emplace(digest, Known{}).first;
  }
  if (!asides_.has_place()) return;
  found->second.asks_again_at = now + k_asks_again;
  http::RequestHead head;
  head.method = "GET";
  head.target = target.upstream->url.path + "/v1/info";
  head.headers.add("Host", target.host);
  head.headers.add("Authorization", authorization);
  head.headers.add("Accept", "application/json");
  for (const auto& [name, value] : target.upstream->headers) head.headers.set(name, value.text);
  asides_.start(target, head, {}, [this, app = found->first](const Asides::Result& result) { learn(app, result.body); });
}

void DifyNames::learn(std::string_view digest, std::string_view info) {
  std::string name = providers::dify::app_name(info);
  if (name.empty()) return;
  const auto found = known_.find(digest);
  if (found != known_.end()) {
    found->second.name = std::move(name);
  } else if (known_.size() < k_apps_max) {
    known_.emplace(digest, Known{std::move(name), {}});
  }
}

}  // namespace outrigger::proxy
