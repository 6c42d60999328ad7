// Laws: what must be true of what clients got and what Difys saw. They know nothing of the trouble that there was, but for what
// Rules say.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "dify_sim/callers.h"
#include "dify_sim/tap.h"

namespace outrigger::dify_sim {

using Complaints = std::vector<std::string>;

struct Rules {
  Duration patience{};         // of the door's queue
  bool stop_on_leave = false;  // Dify is told to stop runs whose client has left
  bool links_break = false;    // between door and Dify: what a Dify wrote may be lost on its way
};

// Each request has one end: a Dify's answer, byte for byte; the beginning of one and then the door's error event, or a connection that
// is visibly broken; or the door's own refusal in Dify's shape, in time. Nobody hears of another's question.
void check_answers(const std::deque<Outcome>& outcomes, const Book& book, const Rules& rules, Complaints& complaints);
// No request was sent a second time unless Dify said that it had not begun. `runs`: what the Difys have counted.
void check_runs(const Book& book, std::uint64_t runs, Complaints& complaints);
// A run is stopped in its own user's name, only if its client has left it, and only where the operator wants that.
void check_stops(const std::deque<Outcome>& outcomes, const Book& book, const Rules& rules, Complaints& complaints);
// In calm times everything succeeds.
void check_calm(const std::deque<Outcome>& outcomes, Complaints& complaints);

// "request 17 (chat stream)"
[[nodiscard]] std::string describe(const Outcome& outcome);

}  // namespace outrigger::dify_sim
