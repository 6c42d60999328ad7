#include "proxy/fills.h"

#include <vector>

#include "cache/purge.h"

namespace outrigger::proxy {

Fills::Fills(io::World world, cache::Store& store, http::Client& client, Lanes& lanes, Metrics& metrics)
    : store_(store), calling_{world, client, lanes, metrics} {}

Fills::~Fills() = default;

Fill* Fills::joinable(const chat::Key& key) {
  const auto found = joinable_.find(key);
  return found != joinable_.end() ? found->second : nullptr;
}

Fill& Fills::start(FillOrder order, bool shared) {
  OR_CHECK(!shared || order.storing);
  auto fill = std::make_unique<Fill>(*this, std::move(order));
  Fill& started = *fill;
  all_.emplace(&started, std::move(fill));
  if (shared) joinable_[started.order().storing->key] = &started;
  started.start();
  return started;
}

void Fills::forget(const cache::PurgeFilter& filter) {
  for (const auto& [pointer, fill] : all_) {
    const std::optional<FillOrder::Storing>& storing = fill->order().storing;
    if (!storing || (!fill->order().batch && !cache::matches(filter, storing->key, storing->meta))) continue;
    fill->forget();
    close(*fill);
  }
}

void Fills::abandon_all(ErrorCode code) {
  std::vector<Fill*> under_way;
  for (const auto& [pointer, fill] : all_) under_way.push_back(pointer);
  for (Fill* fill : under_way) {
    if (all_.contains(fill)) fill->abandon(code);
  }
}

void Fills::close(Fill& fill) {
  if (!fill.order().storing) return;
  const auto found = joinable_.find(fill.order().storing->key);
  if (found != joinable_.end() && found->second == &fill) joinable_.erase(found);
}

void Fills::retire(Fill& fill) {
  close(fill);
  const auto found = all_.find(&fill);
  OR_CHECK(found != all_.end());
  fill.let_go();
  calling_.world.loop.retire(std::move(found->second));
  all_.erase(found);
}

}  // namespace outrigger::proxy
