// How answers are sent: the waits, the framing of streams, and what faults do on the way. The same for every wire. Pure.
#pragma once

#include <string>

#include "sim/events.h"
#include "sim/fault.h"
#include "sim/script.h"
#include "sim/settings.h"

namespace outrigger::sim_provider {

// Before the first byte.
Duration first_wait(const Settings& settings, const Fault& fault);

Script streamed(Stream stream, const Settings& settings, const Fault& fault);
// A stream of this one event, and no end mark.
Script streamed_alone(Wire wire, const StreamEvent& event, const Settings& settings, const Fault& fault);

// In one piece, after the time that so many tokens take.
Script blocking(std::string body, std::uint64_t tokens, const Settings& settings, const Fault& fault);

}  // namespace outrigger::sim_provider
