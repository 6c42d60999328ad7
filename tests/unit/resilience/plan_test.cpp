// Which target to try, and which to wait for, as tables.
#include "resilience/plan.h"

#include <catch2/catch_test_macros.hpp>

#include <vector>

namespace outrigger::resilience {
namespace {

using enum Readiness;
using Kind = Choice::Kind;

constexpr MonoTime k_now{100s};
constexpr MonoTime k_patient = k_now + 20s;

Candidate in(Readiness readiness, Duration wait = 0s) { return {.look = {readiness, k_now + wait}}; }
Candidate spent(Candidate candidate) {
  candidate.is_spent = true;
  return candidate;
}
Candidate awaited(Candidate candidate) {
  candidate.was_awaited = true;
  return candidate;
}

Candidate turned_away(Candidate candidate) {
  candidate.was_turned_away = true;
  return candidate;
}

struct Case {
  const char* what;
  std::vector<Candidate> chain;
  Kind kind;
  std::size_t index = 0;
  std::optional<Duration> until = {};  // from now
  MonoTime wait_until = k_patient;
};

TEST_CASE("the plan for a chain") {
  const std::vector<Case> cases{
      {"the first that is ready", {in(ready), in(ready)}, Kind::go, 0},
      {"a probe is as good", {in(probe), in(ready)}, Kind::go, 0},
      {"past one that rests", {in(resting, 1s), in(ready)}, Kind::go, 1},
      {"past one that is shut", {in(shut), in(probe)}, Kind::go, 1},
      {"past one that is spent", {spent(in(ready)), in(ready)}, Kind::go, 1},
      {"a busy one is lingered for", {in(busy), in(ready)}, Kind::wait, 0, k_linger},
      {"a paced one that opens just in time is lingered for", {in(paced, k_linger), in(ready)}, Kind::wait, 0, k_linger},
      {"a paced one that opens a moment later is not", {in(paced, k_linger + 1ns), in(ready)}, Kind::go, 1},
      {"lingering happens once", {awaited(in(busy)), in(ready)}, Kind::go, 1},
      {"the first of two near ones is lingered for", {in(paced, 100ms), in(busy), in(ready)}, Kind::wait, 0, k_linger},
      {"nobody lingers for a spent one", {spent(in(busy)), in(ready)}, Kind::go, 1},
      {"lingering ends with the request's own time", {in(busy), in(ready)}, Kind::wait, 0, 50ms, k_now + 50ms},
      {"a lone busy one is waited for", {in(busy)}, Kind::wait, 0, 20s},
      {"a lone paced one is waited for", {in(paced, 20s)}, Kind::wait, 0, 20s},
      {"but not when it opens too late", {in(paced, 20s + 1ns)}, Kind::late, 0, 20s + 1ns},
      {"the soonest is waited for", {in(paced, 9s), in(paced, 3s), in(paced, 5s)}, Kind::wait, 1, 20s},
      {"the better of two as soon", {in(paced, 3s), in(paced, 3s)}, Kind::wait, 0, 20s},
      {"no time left", {in(busy)}, Kind::late, 0, 0s, k_now},
      {"a probe that is near is waited for", {in(resting, k_wait_for_probe)}, Kind::wait, 0, 20s},
      {"one that is not near is none", {in(resting, k_wait_for_probe + 1ns)}, Kind::none, 0, k_wait_for_probe + 1ns},
      {"when to come again: the first that wakes", {in(resting, 30s), in(resting, 8s), in(shut)}, Kind::none, 0, 8s},
      {"a spent one that rests tells, too", {spent(in(resting, 5s))}, Kind::none, 0, 5s},
      {"one that turned it away is taken when it is ready", {in(resting, 9s), turned_away(in(ready))}, Kind::go, 1},
      {"but not waited for", {turned_away(in(busy)), in(paced, 3s)}, Kind::wait, 1, 20s},
      {"nor lingered for", {turned_away(in(busy)), in(ready)}, Kind::go, 1},
      {"nor when nothing else is left", {turned_away(in(busy)), in(resting, 9s)}, Kind::none, 0, 9s},
      {"everything is shut", {in(shut), in(shut)}, Kind::none, 0},
      {"everything is spent", {spent(in(ready)), spent(in(busy))}, Kind::none, 0},
      {"an empty chain", {}, Kind::none, 0},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    const Choice choice = plan(c.chain, k_now, c.wait_until);
    CHECK(choice.kind == c.kind);
    CHECK(choice.index == c.index);
    std::optional<MonoTime> until;
    if (c.until) until = k_now + *c.until;
    CHECK(choice.until == until);
  }
}

TEST_CASE("a spent candidate's look does not count for going or waiting") {
  for (const Readiness readiness : {ready, probe, busy, paced, resting, shut}) {
    CHECK(plan(std::vector{spent(in(readiness))}, k_now, k_patient).kind == Kind::none);
  }
}

}  // namespace
}  // namespace outrigger::resilience
