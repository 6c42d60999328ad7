// Base64 (RFC 4648 §4), for Basic authorization.
#pragma once

#include <string>
#include <string_view>

namespace outrigger {

std::string base64(std::string_view bytes);

}  // namespace outrigger
