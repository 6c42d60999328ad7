#include "sim/received.h"

#include <fmt/format.h>

#include "core/base64.h"
#include "sim/json.h"

namespace outrigger::sim_provider {

std::string echo_json(const Received& request) {
  std::string headers;
  for (std::size_t i = 0; i < request.head.headers.size(); ++i) {
    const auto field = request.head.headers[i];
    headers += fmt::format("{}[{},{}]", i == 0 ? "" : ",", json_quoted(field.name),
                           json_quoted(is_utf8(field.value) ? field.value : std::string_view("(binary)")));
  }
  return fmt::format(R"({{"method":{},"target":{},"headers":[{}],"body_size":{},"body_sha256":"{}","body_base64":"{}"}})",
                     json_quoted(request.head.method),
                     json_quoted(is_utf8(request.head.target) ? request.head.target : "(binary)"), headers,
                     request.body_size, request.body_sha256, base64(request.body));
}

}  // namespace outrigger::sim_provider
