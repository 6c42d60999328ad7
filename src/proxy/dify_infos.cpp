#include "proxy/dify_infos.h"

#include <algorithm>

namespace outrigger::proxy {
namespace {

// A digest is hexadecimal.
std::string name_of(std::string_view app, std::string_view target) {
  std::string name(app);
  name += ' ';
  return name.append(target);
}

}  // namespace

const DifyInfos::Info* DifyInfos::find(std::string_view app, std::string_view target, Duration ttl, MonoTime now) const {
  const auto found = infos_.find(name_of(app, target));
  return found != infos_.end() && now - found->second.since <= ttl ? &found->second : nullptr;
}

void DifyInfos::put(std::string_view app, std::string_view target, Info info) {
  if (info.body.size() > k_body_max) return;
  if (infos_.size() >= k_max) {
    infos_.erase(std::ranges::min_element(infos_, {}, [](const auto& known) { return known.second.since; }));
  }
  infos_.insert_or_assign(name_of(app, target), std::move(info));
}

void DifyInfos::forget(std::string_view app) {
  std::erase_if(infos_, [app](const auto& known) { return known.first.starts_with(app); });
}

}  // namespace outrigger::proxy
