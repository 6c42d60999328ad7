// What the door asks of a Pursuit for a request: worked out from the request, the configuration and nothing else.
#pragma once

#include <memory>
#include <optional>

#include "cache/entry.h"
#include "core/rng.h"
#include "proxy/judge.h"
#include "proxy/pursuit.h"

namespace outrigger::proxy {

// `rng` decides where a request without a user goes among weighted targets.
PursuitOrder call_order(std::shared_ptr<const Snapshot> snapshot, const Judgement& judgement, const http::RequestHead& head,
                        Bytes body, Rng& rng);

// What a client asks for in `x-outrigger-priority` and `x-outrigger-timeout`.
resilience::Priority priority_of(const http::Headers& headers);
std::optional<Duration> own_timeout(const http::Headers& headers);

// The fixed answer of the request's [[model]], ready to be served; null: there is none, or none of this kind.
cache::EntryPtr fixed_entry(const Judgement& judgement, WallTime now);

}  // namespace outrigger::proxy
