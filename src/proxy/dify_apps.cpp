#include "proxy/dify_apps.h"

namespace outrigger::proxy {
namespace {

Lane::Settings settings_of(std::optional<std::uint32_t> limit, const config::Model& pace) {
  Lane::Settings settings;
  settings.health = {pace.breaker.failures, pace.breaker.open, pace.breaker.max_open};
  if (limit) settings.concurrency = {.kind = resilience::Concurrency::Kind::fixed, .limit = *limit};
  settings.depth = pace.queue.depth;
  return settings;
}

}  // namespace

std::shared_ptr<Lane> DifyApps::of(const std::string& backend, const std::string& who, const std::string& label,
                                   std::optional<std::uint32_t> limit, const config::Model& pace) {
  const std::string key = backend + '\n' + who;
  const bool is_current = current_ == nullptr || current_ == &pace;
  auto found = known_.find(key);
  if (found == known_.end()) {
    if (!has_place()) return nullptr;
    auto lane = std::make_shared<Lane>(world_, label, backend, settings_of(limit, pace), silent_);
    found = known_.emplace(key, Known{std::move(lane), is_current ? generation_ : 0}).first;
  }
  Known& known = found->second;
  known.label = label;
  if (is_current && known.generation != generation_) {
    known.lane->configure(settings_of(limit, pace));
    known.generation = generation_;
  }
  return known.lane;
}

bool DifyApps::has_place() {
  if (known_.size() < k_lanes_max) return true;
  auto oldest = known_.end();
  for (auto i = known_.begin(); i != known_.end(); ++i) {
    const Lane& lane = *i->second.lane;
    if (i->second.lane.use_count() > 1 || !lane.is_idle()) continue;
    if (oldest == known_.end() || lane.last_used() < oldest->second.lane->last_used()) oldest = i;
  }
  if (oldest == known_.end()) return false;
  known_.erase(oldest);
  return true;
}

void DifyApps::each(const std::function<void(const std::string& label, const Lane& lane)>& visit) const {
  for (const auto& [key, known] : known_) visit(known.label, *known.lane);
}

}  // namespace outrigger::proxy
