// Every way in which a request can fail, with everything that depends on it, in one table (error.cpp).
// The same word stands in the code, the log, the metric and the error body that a client gets.
#pragma once

#include <string>
#include <string_view>

namespace outrigger {

enum class ErrorCode : unsigned char {
  // The client's own fault, or the edge's limits.
  bad_request,   // malformed HTTP
  unauthorized,  // no client key, or an unknown one
  forbidden,     // this client key may not do this
  not_found,     // no such path at the admin door, no such upstream
  method_not_allowed,
  request_timeout,  // head or body came too slowly
  body_too_large,
  header_too_large,
  client_gone,           // the client hung up; evidence against nobody
  queue_full,            // too many wait for this model
  queue_wait,            // it would have to wait, or has waited, for longer than it may
  client_rate_limited,   // this client has used its requests or tokens of this minute
  client_budget_spent,   // this client has used its budget
  client_price_unknown,  // this client has a budget, and nobody knows what the request costs
  // Ours.
  overloaded,  // a limit of this process is reached
  draining,    // the process is going down
  internal,
  // The upstream's.
  dns_failed,
  connect_refused,
  connect_failed,  // unreachable, no route, ...
  connect_timeout,
  proxy_refused,  // the CONNECT proxy on the way out said no
  tls_failed,
  upstream_reset,            // connection broke before the answer began
  upstream_cut,              // connection broke after the answer began, or the answer ended early
  upstream_protocol,         // not HTTP, wrong lengths, broken chunking, endless headers
  upstream_status,           // it answered with an error of its own
  upstream_error_in_answer,  // a 200 with an error inside
  first_token_timeout,
  stall_timeout,  // too long between two tokens
  total_timeout,
  no_target,  // every target is resting, shut or unfit
  unfit,      // no target can take what is asked, whatever its state
  // Not failures of a request.
  cancelled,
  bad_config,
  io_failed,  // local: cannot listen, cannot read a file
};

enum class LogLevel : unsigned char { debug, info, warning, error };

struct ErrorTraits {
  std::string_view name;     // snake_case, equal to the enumerator
  int status;                // HTTP status for a client that has not had a byte yet; 0 = no answer is possible
  std::string_view type;     // OpenAI's "type" member
  std::string_view message;  // for end users: short, no host names, no secrets
  bool retryable;            // may another attempt be made, as long as no byte reached the client?
  bool against_target;       // is it evidence against the upstream?
  LogLevel level;
};

const ErrorTraits& traits(ErrorCode code);

// `detail` is for operators (log, admin door). It may name hosts and ports but never holds a secret, a prompt or an answer.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string detail;
};

}  // namespace outrigger
