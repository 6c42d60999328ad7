#include "net/uv_error.h"

#include <uv.h>

namespace outrigger::net {

Error uv_failure(ErrorCode code, std::string_view doing, int status) {
  std::string detail(doing);
  detail.append(": ").append(uv_strerror(status));
  return Error{code, std::move(detail)};
}

ErrorCode connect_code(int status) {
  switch (status) {
    case UV_ECONNREFUSED:
      return ErrorCode::connect_refused;
    case UV_ETIMEDOUT:
      return ErrorCode::connect_timeout;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOBUFS:
    case UV_EADDRNOTAVAIL:  // no local port is free
      return ErrorCode::overloaded;
    default:
      return ErrorCode::connect_failed;
  }
}

}  // namespace outrigger::net
