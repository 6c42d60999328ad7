#include "core/error.h"

#include <array>
#include <cstddef>

namespace outrigger {
namespace {

using enum LogLevel;

constexpr std::string_view k_invalid = "invalid_request_error";
constexpr std::string_view k_auth = "authentication_error";
constexpr std::string_view k_permission = "permission_error";
constexpr std::string_view k_server = "server_error";
constexpr std::string_view k_upstream = "upstream_error";
constexpr std::string_view k_timeout = "timeout_error";
constexpr std::string_view k_rate = "rate_limit_error";

// In the order of the enumerators (checked by a test). Columns: name, status, type, message, retryable, against_target, level.
constexpr std::array k_table{
    ErrorTraits{"bad_request", 400, k_invalid, "The request is not valid HTTP.", false, false, info},
    ErrorTraits{"unauthorized", 401, k_auth, "The API key is missing or not known here.", false, false, info},
    ErrorTraits{"forbidden", 403, k_permission, "This API key may not do that.", false, false, info},
    ErrorTraits{"not_found", 404, k_invalid, "There is nothing at this path.", false, false, info},
    ErrorTraits{"method_not_allowed", 405, k_invalid, "This path does not take that method.", false, false, info},
    ErrorTraits{"request_timeout", 408, k_timeout, "The request came too slowly.", false, false, info},
    ErrorTraits{"body_too_large", 413, k_invalid, "The request body is too large.", false, false, info},
    ErrorTraits{"header_too_large", 431, k_invalid, "The request headers are too large.", false, false, info},
    ErrorTraits{"client_gone", 0, k_invalid, "The client left.", false, false, info},
    ErrorTraits{"queue_full", 429, k_rate, "Too many requests are waiting for this model. Try again in a moment.", false,
                false, warning},
    ErrorTraits{"queue_wait", 429, k_rate, "This model is busy for longer than the request can wait. Try again later.",
                false, false, warning},
    ErrorTraits{"client_rate_limited", 429, k_rate, "This API key is used too fast. Try again in a moment.", false, false,
                info},
    ErrorTraits{"client_budget_spent", 429, k_rate, "The budget of this API key is used up.", false, false, info},
    ErrorTraits{"client_price_unknown", 403, k_permission, "This API key has a budget, and the price of this is not known.",
                false, false, info},
    ErrorTraits{"overloaded", 503, k_server, "Too many requests at once. Try again in a moment.", false, false, warning},
    ErrorTraits{"draining", 503, k_server, "The service is restarting. Try again in a moment.", false, false, info},
    ErrorTraits{"internal", 500, k_server, "Something went wrong inside the proxy.", false, false, error},
    ErrorTraits{"dns_failed", 502, k_upstream, "The model provider's address cannot be found.", true, true, warning},
    ErrorTraits{"connect_refused", 502, k_upstream, "The model provider refused the connection.", true, true, warning},
    ErrorTraits{"connect_failed", 502, k_upstream, "The model provider cannot be reached.", true, true, warning},
    ErrorTraits{"connect_timeout", 504, k_upstream, "The model provider did not accept a connection in time.", true, true,
                warning},
    ErrorTraits{"proxy_refused", 502, k_upstream, "The outgoing proxy refused the connection.", true, true, warning},
    ErrorTraits{"tls_failed", 502, k_upstream, "No secure connection to the model provider could be made.", true, true,
                warning},
    ErrorTraits{"upstream_reset", 502, k_upstream, "The model provider closed the connection without an answer.", true, true,
                warning},
    ErrorTraits{"upstream_cut", 502, k_upstream, "The model provider's answer broke off.", true, true, warning},
    ErrorTraits{"upstream_protocol", 502, k_upstream, "The model provider's answer was not valid HTTP.", true, true,
                warning},
    ErrorTraits{"upstream_status", 502, k_upstream, "The model provider reported an error.", true, true, warning},
    ErrorTraits{"upstream_error_in_answer", 502, k_upstream, "The model provider reported an error.", true, true, warning},
    ErrorTraits{"first_token_timeout", 504, k_timeout, "The model provider did not begin to answer in time.", true, true,
                warning},
    ErrorTraits{"stall_timeout", 504, k_timeout, "The model provider stopped in the middle of its answer.", true, true,
                warning},
    ErrorTraits{"total_timeout", 504, k_timeout, "The answer took too long.", false, true, warning},
    ErrorTraits{"no_target", 503, k_upstream, "The model provider is not available at the moment.", false, true, warning},
    ErrorTraits{"unfit", 400, k_invalid, "No model that is set up for this can take what the request asks for.", false,
                false, warning},
    ErrorTraits{"cancelled", 0, k_server, "Cancelled.", false, false, debug},
    ErrorTraits{"bad_config", 500, k_server, "The configuration is not valid.", false, false, error},
    ErrorTraits{"io_failed", 500, k_server, "A local file or socket cannot be used.", false, false, error},
};
static_assert(k_table.size() == static_cast<std::size_t>(ErrorCode::io_failed) + 1);

}  // namespace

const ErrorTraits& traits(ErrorCode code) { return k_table[static_cast<std::size_t>(code)]; }

}  // namespace outrigger
