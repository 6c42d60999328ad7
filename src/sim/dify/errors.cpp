#include "sim/dify/errors.h"

#include <fmt/format.h>

#include <array>

#include "sim/dify/form.h"
#include "sim/json.h"

namespace outrigger::sim_dify {
namespace {

struct Usual {
  int status;
  std::string_view code, message;
};

constexpr std::array k_by_status{
    Usual{400, "completion_request_error", k_provider_failure},
    Usual{401, "unauthorized", "Access token is invalid"},
    Usual{403, "forbidden", "You don't have the permission to access the requested resource."},
    Usual{404, "not_found", "The requested URL was not found on the server."},
    Usual{405, "method_not_allowed", "The method is not allowed for the requested URL."},
    Usual{413, "file_too_large", "File size exceeded."},
    Usual{415, "unsupported_file_type", "File type not allowed."},
    Usual{416, "requested_range_not_satisfiable", "The server cannot provide the requested range."},
    Usual{429, "too_many_requests", "Too many requests. Please try again later."},
    Usual{500, "internal_server_error", "Internal Server Error"},
    Usual{502, "bad_gateway", "Bad Gateway"},
    Usual{503, "service_unavailable", "Service Unavailable"},
};

constexpr std::array k_by_code{
    Usual{429, "rate_limit_error", "Rate Limit Error"},
    Usual{400, "provider_quota_exceeded", "Your quota for the model provider has been exhausted."},
    Usual{400, "provider_not_initialize", "No valid model provider credentials found."},
    Usual{400, "app_unavailable", "App unavailable, please check your app configurations."},
    Usual{400, "bad_request", "The browser (or proxy) sent a request that this server could not understand."},
};

Usual usual(int status, std::string_view code) {
  for (const Usual& row : k_by_code) {
    if (row.code == code) return row;
  }
  for (const Usual& row : k_by_status) {
    if (row.status == status) return row;
  }
  return {status, "internal_server_error", "Internal Server Error"};
}

}  // namespace

std::string error_body(int status, std::string_view code, std::string_view message) {
  const Usual known = usual(status, code);
  return fmt::format(R"({{"code":{},"message":{},"status":{}}})",
                     sim_provider::json_quoted(code.empty() ? known.code : code),
                     sim_provider::json_quoted(message.empty() ? known.message : message), status);
}

sim_provider::Script answer_error(int status, std::string_view code, std::string_view message) {
  sim_provider::Script script = sim_provider::whole(status, "application/json", error_body(status, code, message));
  if (status == 401) script.head->headers.add("www-authenticate", "Bearer realm=\"api\"");
  return script;
}

}  // namespace outrigger::sim_dify
