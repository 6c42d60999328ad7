#include "resilience/plan.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

bool can_go(const Look& look) { return look.readiness == Readiness::ready || look.readiness == Readiness::probe; }

// May it be waited for, when nothing is ready?
bool can_be_awaited(const Candidate& candidate, MonoTime now) {
  if (candidate.is_spent || candidate.was_turned_away) return false;
  const Look& look = candidate.look;
  if (look.readiness == Readiness::resting) return look.at <= now + k_wait_for_probe;
  return look.readiness == Readiness::busy || look.readiness == Readiness::paced;
}

bool is_worth_lingering(const Candidate& candidate, MonoTime now) {
  const Readiness readiness = candidate.look.readiness;
  const bool waits = readiness == Readiness::busy || readiness == Readiness::paced;
  return waits && !candidate.was_awaited && !candidate.was_turned_away && candidate.look.at <= now + k_linger;
}

void take_earlier(std::optional<MonoTime>& until, MonoTime at) { until = until ? std::min(*until, at) : at; }

}  // namespace

Choice plan(std::span<const Candidate> chain, MonoTime now, MonoTime wait_until) {
  std::optional<std::size_t> near;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].is_spent) continue;
    if (can_go(chain[i].look)) {
      if (!near) return {Choice::Kind::go, i, {}};
      return {Choice::Kind::wait, *near, std::min(now + k_linger, wait_until)};
    }
    if (!near && is_worth_lingering(chain[i], now)) near = i;
  }

  Choice soonest{Choice::Kind::none, 0, {}};
  std::optional<MonoTime> rests_until;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const Look& look = chain[i].look;
    if (look.readiness == Readiness::resting) take_earlier(rests_until, look.at);
    if (!can_be_awaited(chain[i], now)) continue;
    if (soonest.kind == Choice::Kind::none || look.at < *soonest.until) soonest = {Choice::Kind::wait, i, look.at};
  }
  if (soonest.kind == Choice::Kind::none) return {Choice::Kind::none, 0, rests_until};
  if (*soonest.until > wait_until || now >= wait_until) return {Choice::Kind::late, soonest.index, soonest.until};
  return {Choice::Kind::wait, soonest.index, wait_until};
}

std::string_view name(Readiness readiness) {
  switch (readiness) {
    case Readiness::ready:
      return "ready";
    case Readiness::probe:
      return "probe";
    case Readiness::busy:
      return "busy";
    case Readiness::paced:
      return "paced";
    case Readiness::resting:
      return "resting";
    case Readiness::shut:
      return "shut";
  }
  return "ready";
}

}  // namespace outrigger::resilience
