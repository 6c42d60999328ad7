// The course of things, as /api/history and the live stream tell it. Members that are zero are left out.
#pragma once

#include <string>

#include "obs/history.h"

namespace outrigger::admin {

// {"span","step_seconds","from","points":[…],"models":[{"name","points"}…],"routes":[…]}, on one line.
std::string to_json(const obs::History::View& view, obs::History::Span span);
// {"at","point":{…}}, on one line.
std::string to_json(const obs::History::Finished& step);

}  // namespace outrigger::admin
