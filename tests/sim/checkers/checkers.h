// Checkers: what must be true of a History, and of the program when everybody has gone. They know nothing of the schedule.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/actors/node.h"
#include "sim/history.h"
#include "sim/world/sim_redis.h"

namespace outrigger::sim {

using Complaints = std::vector<std::string>;

// Every request has one end, and it is an answer that the provider gave in full to the same question of somebody who may share, or
// a proper error, or a connection that is visibly broken.
void check_answers(const History& history, Complaints& complaints);
// What came from the cache was fit for it, young enough, and not older than a purge.
void check_cached(const History& history, Duration longest_ttl, Duration longest_stale, Complaints& complaints);
// Who shared an answer got the same as the others; who did not want to share got one of his own.
void check_sharing(const History& history, Complaints& complaints);
// Every answer with an id stands in the access log once, as what it was.
void check_log(const History& history, const std::vector<std::unique_ptr<Node>>& nodes, Complaints& complaints);
// In calm times everything succeeds, within `bound`.
void check_calm(const History& history, Duration bound, Complaints& complaints);

// While it runs: nothing grows without bound.
void check_bounds(Node& node, Complaints& complaints);
// When all clients have gone and all limits of idleness have passed.
void check_rest(SimWorld& world, const std::vector<std::unique_ptr<Node>>& nodes, SimRedis* redis, Complaints& complaints);

// "request 17 (chat stream Q3 key-1 via /v1/chat/completions): ..."
std::string describe(const Request& request);

}  // namespace outrigger::sim
