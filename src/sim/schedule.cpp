#include "sim/schedule.h"

#include <utility>

namespace outrigger::sim_provider {

Schedule::Schedule(std::vector<Fault> faults, MonoTime start) : start_(start) {
  for (Fault& fault : faults) entries_.push_back({std::move(fault)});
}

bool Schedule::in_time(const Fault& fault, MonoTime now) const {
  Duration elapsed = now - start_ - fault.at;
  if (elapsed < 0s) return false;
  if (!fault.length) return true;
  if (fault.repeat && *fault.repeat > 0s) elapsed %= *fault.repeat;
  return elapsed < *fault.length;
}

const Fault* Schedule::match(std::string_view path, std::string_view model, MonoTime now, Rng& rng) {
  const std::string_view endpoint = endpoint_name(path);
  const Fault* found = nullptr;
  for (Entry& entry : entries_) {
    const Fault& fault = entry.fault;
    if (!fault.path.empty() && endpoint_name(fault.path) != endpoint) continue;
    if (!model_fits(fault.model, model)) continue;
    ++entry.seen;
    const bool counted = entry.seen >= fault.requests.first && entry.seen <= fault.requests.last;
    if (found != nullptr || !counted || entry.seen % fault.every != 0 || !in_time(fault, now)) continue;
    if (fault.probability >= 1 || rng.chance(fault.probability)) found = &fault;
  }
  return found;
}

bool Schedule::refuses(MonoTime now) const {
  for (const Entry& entry : entries_) {
    const Fault& fault = entry.fault;
    const Fault::Range all;
    const bool timed_only = fault.path.empty() && fault.model.empty() && fault.every == 1 && fault.probability >= 1 &&
                            fault.requests.first == all.first && fault.requests.last == all.last;
    if (fault.refuse && timed_only && in_time(fault, now)) return true;
  }
  return false;
}

void Schedule::restart(MonoTime start) {
  start_ = start;
  for (Entry& entry : entries_) entry.seen = 0;
}

}  // namespace outrigger::sim_provider
