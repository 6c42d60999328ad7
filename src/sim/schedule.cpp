#include "sim/schedule.h"

#include <utility>

namespace outrigger::sim_provider {

Schedule::Schedule(std::vector<Fault> faults, MonoTime start) : start_(start) {
  for (Fault& fault : faults) entries_.push_back({.fault = std::move(fault), .seen = 0, .window = {}});
  restart(start);
}

bool Schedule::in_time(const Fault& fault, MonoTime now) const {
  Duration elapsed = now - start_ - fault.at;
  if (elapsed < 0s) return false;
  if (!fault.length) return true;
  if (fault.repeat && *fault.repeat > 0s) elapsed %= *fault.repeat;
  return elapsed < *fault.length;
}

const Fault* Schedule::match(const Subject& subject, MonoTime now, Rng& rng) {
  const std::string_view endpoint = endpoint_name(subject.path);
  const Fault* found = nullptr;
  for (Entry& entry : entries_) {
    const Fault& fault = entry.fault;
    if (!model_fits(endpoint_name(fault.path), endpoint)) continue;
    if (!model_fits(fault.model, subject.model)) continue;
    if (!fault.key.empty() && fault.key != subject.key) continue;
    ++entry.seen;
    const bool is_over = !entry.window || !entry.window->take(now).allowed;
    const bool counted = entry.seen >= fault.requests.first && entry.seen <= fault.requests.last;
    if (found != nullptr || !counted || !is_over || entry.seen % fault.every != 0 || !in_time(fault, now)) continue;
    if (fault.probability >= 1 || rng.chance(fault.probability)) found = &fault;
  }
  return found;
}

bool Schedule::refuses(MonoTime now) const {
  for (const Entry& entry : entries_) {
    const Fault& fault = entry.fault;
    const Fault::Range all;
    const bool timed_only = fault.path.empty() && fault.model.empty() && fault.key.empty() && !fault.over &&
                            fault.every == 1 && fault.probability >= 1 && fault.requests.first == all.first &&
                            fault.requests.last == all.last;
    if (fault.refuse && timed_only && in_time(fault, now)) return true;
  }
  return false;
}

void Schedule::restart(MonoTime start) {
  start_ = start;
  for (Entry& entry : entries_) {
    entry.seen = 0;
    entry.window.reset();
    if (entry.fault.over) entry.window.emplace(*entry.fault.over, entry.fault.within);
  }
}

}  // namespace outrigger::sim_provider
