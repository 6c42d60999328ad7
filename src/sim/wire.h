// The chat completions' and completions' forms of a Reply: one JSON body, or the JSON texts of a stream's events. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/events.h"
#include "sim/reply.h"

namespace outrigger::sim_provider {

// What is fresh in every answer.
struct Stamp {
  std::string id;  // the part after "chatcmpl-", "msg_", ...; tool calls take theirs from it
  std::int64_t created = 0;
};

// "2026-01-31T12:00:00", UTC, of Unix seconds.
std::string utc_text(std::int64_t seconds);

struct Form {
  bool chat = true;  // or the older completions
  bool logprobs = false;
  bool usage = true;
  std::string_view model;
};

std::string blocking_body(const Reply& reply, const Form& form, const Stamp& stamp);

// One event each, in order: opening, thoughts, text or calls, finish, usage (when form.usage). Without [DONE].
std::vector<StreamEvent> stream_events(const Reply& reply, const Form& form, const Stamp& stamp);

}  // namespace outrigger::sim_provider
