#include "providers/dify/notices.h"

#include "providers/json_object.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::string_view k_busy = "too_many_requests";
constexpr std::string_view k_away = "service_unavailable";

void write(JsonObject& object, const Notice& notice) {
  object.string("code", notice.code);
  object.string("message", notice.message);
  object.number("status", static_cast<std::uint64_t>(notice.status < 0 ? 0 : notice.status));
}

}  // namespace

Notice notice(ErrorCode code) {
  const ErrorTraits& error = traits(code);
  switch (code) {
    case ErrorCode::queue_full:
      return {429, k_busy, "Too many requests are waiting for this app. Please try again in a moment."};
    case ErrorCode::queue_wait:
      return {429, k_busy, "This app is busy. Please try again later."};
    case ErrorCode::overloaded:
      return {503, k_away, error.message};
    case ErrorCode::draining:
      return {503, k_away, error.message};
    case ErrorCode::no_target:
    case ErrorCode::dns_failed:
    case ErrorCode::connect_refused:
    case ErrorCode::connect_failed:
    case ErrorCode::tls_failed:
    case ErrorCode::proxy_refused:
      return {503, k_away, "The service is not available at the moment. Please try again later."};
    case ErrorCode::connect_timeout:
    case ErrorCode::first_token_timeout:
      return {504, "gateway_timeout", "The service did not begin to answer in time."};
    case ErrorCode::stall_timeout:
      return {504, "gateway_timeout", "The service stopped in the middle of its answer."};
    case ErrorCode::total_timeout:
      return {504, "gateway_timeout", error.message};
    case ErrorCode::upstream_reset:
      return {502, "bad_gateway", "The service closed the connection without an answer."};
    case ErrorCode::upstream_cut:
      return {502, "bad_gateway", "The service's answer broke off."};
    case ErrorCode::upstream_protocol:
      return {502, "bad_gateway", "The service's answer was not valid."};
    case ErrorCode::upstream_status:
    case ErrorCode::upstream_error_in_answer:
      return {502, "bad_gateway", "The service reported an error."};
    case ErrorCode::unauthorized:
      return {401, "unauthorized", "Access token is missing or not known here."};
    case ErrorCode::forbidden:
      return {403, "forbidden", "This access token may not do that."};
    case ErrorCode::internal:
      return {500, "internal_server_error", error.message};
    case ErrorCode::bad_config:
    case ErrorCode::io_failed:
      return {500, "internal_server_error", "Something went wrong inside the proxy."};
    default:
      // The edge's own refusals: their names are Dify's way of naming such, too.
      return {error.status, error.name, error.message};
  }
}

Notice minted_notice(IdKind kind) {
  constexpr std::string_view k_code = "not_found";
  switch (kind) {
    case IdKind::conversation:
      return {404, k_code,
              "This conversation began with an answer from the cache: it has no history and cannot be continued."};
    case IdKind::run:
      return {404, k_code, "This answer came from the cache: there is no record of a workflow run for it."};
    case IdKind::task:
      return {404, k_code, "This answer came from the cache: there is nothing to stop."};
    default:
      return {404, k_code, "This answer came from the cache: feedback, suggestions and history are not available for it."};
  }
}

std::string error_body(const Notice& notice) {
  std::string text;
  {
    JsonObject object(text);
    write(object, notice);
  }
  return text;
}

std::string error_event(const Notice& notice) {
  std::string text = "data: ";
  {
    JsonObject object(text);
    object.string("event", "error");
    write(object, notice);
  }
  text += "\n\n";
  return text;
}

}  // namespace outrigger::providers::dify
