#include "proxy/dify_fresh.h"

#include <algorithm>

namespace outrigger::proxy {

std::string DifyFresh::tag_of(std::string_view app) {
  if (app.empty()) return std::string(k_tag);
  constexpr std::size_t k_shown = 16;
  return std::string(k_tag) + ":" + std::string(app.substr(0, k_shown));
}

void DifyFresh::touch(std::string_view app) {
  const WallTime now = world_.loop.wall_now();
  if (app.empty()) {
    all_touched_ = now;
    touched_.clear();
  } else {
    touched_.insert_or_assign(std::string(app), now);
  }
  purge(tag_of(app));
}

bool DifyFresh::is_current(std::string_view app, WallTime asked) const {
  const auto found = touched_.find(app);
  return asked > (found != touched_.end() ? std::max(found->second, all_touched_) : all_touched_);
}

void DifyFresh::purge(const std::string& tag) {
  Purge& purge = purges_[tag];
  if (purge.rest.pending()) {
    purge.again = true;
    return;
  }
  store_.purge({.tag = tag}, false, [](const cache::PurgeReport&) {});
  purge.rest = world_.loop.after(k_purge_every, [this, tag] {
    const bool again = purges_[tag].again;
    purges_.erase(tag);
    if (again) this->purge(tag);
  });
}

}  // namespace outrigger::proxy
