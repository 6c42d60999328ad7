// What libuv reports, in our words.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace outrigger::net {

// "<doing>: <the system's words>".
Error uv_failure(ErrorCode code, std::string_view doing, int status);
// The code for a connection that could not be made. A limit of this process is no evidence against the other side.
ErrorCode connect_code(int status);

}  // namespace outrigger::net
