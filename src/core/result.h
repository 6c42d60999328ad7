// Result<T>: a value or an Error. The type is owned here so that its implementation can change in one place.
// std::expected of g++ 12 has no monadic calls (and_then, transform): do not use them.
#pragma once

#include <expected>
#include <utility>

#include "core/error.h"

namespace outrigger {

template <class T, class E = Error>
using Result = std::expected<T, E>;

inline std::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
  return std::unexpected(Error{code, std::move(detail)});
}

}  // namespace outrigger
