// Answers of our own at the dify door, in Dify's shape. Dify's clients show `message` to end users word for word: short, no host
// names, no secrets. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "providers/dify/call.h"

namespace outrigger::providers::dify {

struct Notice {
  int status = 0;         // of HTTP; 0: no answer is possible (the client left)
  std::string_view code;  // Dify's word where it has one
  std::string_view message;
};

Notice notice(ErrorCode code);

// A call about what a cached answer has not left behind at Dify: `id` was made here. A 404 in words that say why.
Notice minted_notice(IdKind kind);

// {"code","message","status"}
std::string error_body(const Notice& notice);
// The same as an event in a run's stream, with the blank line after it.
std::string error_event(const Notice& notice);

// What Dify says to a stop, whether the task still ran or not; also the answer for a task that the cache made up.
inline constexpr std::string_view k_stopped_body = R"({"result":"success"})";

}  // namespace outrigger::providers::dify
