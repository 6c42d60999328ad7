// What Dify's answers say: of the backend that gave them, of the app, or of who asked. Dify reports a provider's failure as a 400,
// as an event in a stream of status 200, or as a run that has failed; so the status alone says little. Pure; total.
//
//   rate        `too_many_requests`: no run has begun; may be waited out and asked again
//   quota       `rate_limit_error`, `provider_quota_exceeded`: passed on as it is
//   credential  the app's key is wrong, or the app's provider has no valid credentials. The app's trouble, not the backend's
//   health      5xx, `completion_request_error`, an `error` event, a run that has failed
//   client_fault, ok: evidence of nothing
//
// `code` is Dify's own word, so that a door can tell an ill backend (`internal_server_error`, or none) from an app whose model
// provider is ill (`completion_request_error`, `workflow_failed`).
#pragma once

#include <string_view>

#include "core/time.h"
#include "providers/signals.h"

namespace outrigger::providers::dify {

// Of an answer's head and body: all of it, or its beginning. Of a 2xx only a blocking body is read, and only up to
// providers::k_error_body_max; a stream's events go through read_event, or answer.h does both.
Signal read_answer(int status, const HeaderLookup& header, std::string_view body, WallTime now);

// Of the data of one event of a run's stream; or of a whole blocking body, which is like one. Most are `ok`.
Signal read_event(std::string_view data);

// `code` if it is one of the words that are known here, else "other": for labels, of which there may be only so many.
std::string_view known_code(std::string_view code);

// A run that ended without success (workflow_finished, or `data` of a blocking answer).
inline constexpr std::string_view k_workflow_failed = "workflow_failed";

}  // namespace outrigger::providers::dify
