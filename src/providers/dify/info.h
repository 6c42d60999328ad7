// What Dify says of an app in GET /v1/info. Pure; total.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::providers::dify {

inline constexpr std::size_t k_app_name_max = 64;  // bytes; what is longer is cut

// The app's name, fit for a label and a line: no control characters, no blanks at its ends. Empty: it says none.
std::string app_name(std::string_view info);

}  // namespace outrigger::providers::dify
