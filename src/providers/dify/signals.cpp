#include "providers/dify/signals.h"

#include <algorithm>
#include <array>
#include <optional>

#include "providers/dify/told.h"
#include "providers/told_times.h"

namespace outrigger::providers::dify {
namespace {

struct Word {
  std::string_view code;
  SignalKind kind;
};

constexpr std::array k_words{
    Word{"too_many_requests", SignalKind::rate},
    Word{"rate_limit_error", SignalKind::quota},
    Word{"provider_quota_exceeded", SignalKind::quota},
    Word{"provider_not_initialize", SignalKind::credential},
    Word{"unauthorized", SignalKind::credential},
    Word{"forbidden", SignalKind::credential},
    Word{"completion_request_error", SignalKind::health},
    Word{"internal_server_error", SignalKind::health},
    Word{"service_unavailable", SignalKind::health},
    Word{"invalid_param", SignalKind::client_fault},
    Word{"bad_request", SignalKind::client_fault},
    Word{"app_unavailable", SignalKind::client_fault},
    Word{"not_chat_app", SignalKind::client_fault},
    Word{"not_workflow_app", SignalKind::client_fault},
    Word{"model_currently_not_support", SignalKind::client_fault},
    Word{"conversation_completed", SignalKind::client_fault},
    Word{"agent_not_published", SignalKind::client_fault},
    Word{"workflow_version_execution_not_allowed", SignalKind::client_fault},
    Word{"not_found", SignalKind::client_fault},
};

// How Dify's plugins name what the provider said, at the beginning of the message after the provider's name in brackets. What the
// provider found wrong with the request is no sign of trouble. "Rate Limit Error" stays a failure: the run has begun, and a pause
// is what the provider needs.
struct Opening {
  std::string_view phrase;
  SignalKind kind;
};
constexpr std::array k_openings{
    Opening{"Bad Request Error", SignalKind::client_fault},
    Opening{"Incorrect model credentials", SignalKind::credential},
};

SignalKind by_message(std::string_view message) {
  if (message.starts_with('[')) {
    const std::size_t end = message.find(']');
    if (end == std::string_view::npos) return SignalKind::health;
    message.remove_prefix(end + 1);
  }
  while (message.starts_with(' ')) message.remove_prefix(1);
  for (const Opening& opening : k_openings) {
    if (message.starts_with(opening.phrase)) return opening.kind;
  }
  return SignalKind::health;
}

SignalKind by_status(int status) {
  if (status == 401 || status == 403) return SignalKind::credential;
  if (status == 402) return SignalKind::quota;
  if (status == 429) return SignalKind::rate;
  if (status == 408) return SignalKind::health;  // a server's time limit, not ours
  if (status >= 400 && status < 500) return SignalKind::client_fault;
  return SignalKind::health;
}

// Never `ok`. `status`: of HTTP, or told in the stream; 0: none.
SignalKind kind_of(int status, std::string_view code, std::string_view message) {
  if (code == "completion_request_error") return by_message(message);
  const auto word = std::ranges::find(k_words, code, &Word::code);
  if (word != k_words.end()) return word->kind;
  return by_status(status);
}

Signal signal_of(const Told& told) {
  Signal signal;
  if (told.is_error) {
    signal.kind = kind_of(told.status, told.code, told.message);
    signal.code = told.code;
  } else if (told.run_failed) {
    signal.kind = SignalKind::health;
    signal.code = k_workflow_failed;
  }
  return signal;
}

}  // namespace

Signal read_answer(int status, const HeaderLookup& header, std::string_view body, WallTime now) {
  if (status >= 100 && status < 400) {
    const bool whole = status >= 200 && status < 300 && body.size() <= k_error_body_max;
    return whole ? read_event(body) : Signal{};
  }
  Signal signal;
  const Told told = read_told(body.substr(0, k_error_body_max));
  signal.kind = kind_of(status, told.code, told.message);
  signal.code = told.code;
  if (const auto text = header("retry-after")) {
    const std::optional<Duration> wait = read_retry_after(*text, now);
    if (wait && *wait > 0s) signal.retry_after = wait;
  }
  return signal;
}

std::string_view known_code(std::string_view code) {
  if (code == k_workflow_failed) return k_workflow_failed;
  const auto word = std::ranges::find(k_words, code, &Word::code);
  return word != k_words.end() ? word->code : "other";
}

Signal read_event(std::string_view data) { return signal_of(read_told(data)); }

}  // namespace outrigger::providers::dify
