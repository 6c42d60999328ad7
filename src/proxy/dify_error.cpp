#include "proxy/dify_error.h"

#include <fmt/format.h>

namespace outrigger::proxy {
namespace {

std::string_view message_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::queue_full:
      return "Too many requests are waiting. Try again in a moment.";
    case ErrorCode::queue_wait:
      return "The app is busy for longer than this request can wait. Try again in a moment.";
    case ErrorCode::not_found:
    case ErrorCode::bad_request:
    case ErrorCode::body_too_large:
    case ErrorCode::header_too_large:
    case ErrorCode::request_timeout:
    case ErrorCode::method_not_allowed:
    case ErrorCode::not_implemented:
    case ErrorCode::overloaded:
    case ErrorCode::draining:
    case ErrorCode::internal:
      return traits(code).message;
    case ErrorCode::upstream_cut:
      return "The answer broke off.";
    case ErrorCode::first_token_timeout:
    case ErrorCode::stall_timeout:
    case ErrorCode::total_timeout:
      return "The service did not answer in time.";
    default:
      return "The service is not available at the moment. Try again later.";
  }
}

}  // namespace

std::string_view dify_error_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::queue_full:
    case ErrorCode::queue_wait:
      return "too_many_requests";
    case ErrorCode::bad_request:
      return "bad_request";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::method_not_allowed:
      return "method_not_allowed";
    case ErrorCode::not_implemented:
      return "not_implemented";
    case ErrorCode::body_too_large:
      return "request_entity_too_large";
    case ErrorCode::request_timeout:
      return "request_timeout";
    case ErrorCode::internal:
      return "internal_server_error";
    default:
      return traits(code).status == 504 ? "gateway_timeout" : "service_unavailable";
  }
}

std::string dify_error_body(ErrorCode code) {
  return fmt::format(R"({{"code":"{}","message":"{}","status":{}}})", dify_error_code(code), message_of(code),
                     traits(code).status);
}

std::string dify_error_event(ErrorCode code) {
  return fmt::format("data: {{\"event\":\"error\",\"code\":\"{}\",\"message\":\"{}\",\"status\":{}}}\n\n",
                     dify_error_code(code), message_of(code), traits(code).status);
}

}  // namespace outrigger::proxy
