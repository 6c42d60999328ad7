#include "proxy/dify_fills.h"

#include "proxy/dify_door.h"

namespace outrigger::proxy {

DifyFill* DifyFills::joinable(const chat::Key& key) {
  const auto found = joinable_.find(key);
  return found != joinable_.end() ? found->second : nullptr;
}

bool DifyFills::known_unstorable(const chat::Key& key) const { return unstorable_.has(key, door_.world().loop.now()); }

DifyFill& DifyFills::start(DifyFillOrder order, bool shared, DifyFillReader& reader, DifyPursuitHandler& handler) {
  auto fill = std::make_unique<DifyFill>(*this, std::move(order), reader, handler);
  DifyFill& started = *fill;
  all_.emplace(&started, std::move(fill));
  if (shared) joinable_[started.order().key] = &started;
  return started;
}

void DifyFills::forget(std::string_view app) {
  for (const auto& [pointer, fill] : all_) {
    if (!app.empty() && fill->app() != app) continue;
    fill->forget();
    close(*fill);
  }
}

bool DifyFills::stop(std::string_view app, std::string_view task) {
  for (const auto& [pointer, fill] : all_) {
    if (fill->app() != app) continue;
    // It may be the last who waited: nothing of this map is touched any more.
    if (fill->stop(task)) return true;
  }
  return false;
}

void DifyFills::close(DifyFill& fill) {
  const auto found = joinable_.find(fill.order().key);
  if (found != joinable_.end() && found->second == &fill) joinable_.erase(found);
}

void DifyFills::retire(DifyFill& fill) {
  close(fill);
  const auto found = all_.find(&fill);
  if (found == all_.end()) return;  // it was, while its last readers were told
  fill.let_go();
  door_.world().loop.retire(std::move(found->second));
  all_.erase(found);
}

}  // namespace outrigger::proxy
