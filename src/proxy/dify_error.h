// Errors of ours in Dify's shape: {"code","message","status"}. Dify shows the message to end users word for word.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace outrigger::proxy {

// Dify's own word where it has one (`too_many_requests` tells its clients to wait and try again); else ours.
std::string_view dify_error_code(ErrorCode code);
std::string dify_error_body(ErrorCode code);
// The same as an event inside a stream, with its blank line.
std::string dify_error_event(ErrorCode code);

}  // namespace outrigger::proxy
