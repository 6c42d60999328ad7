// Dify's errors: {"code","message","status"}. Pure.
#pragma once

#include <string>
#include <string_view>

#include "sim/script.h"

namespace outrigger::sim_dify {

// Empty `code` or `message`: the status' usual one. 401 has WWW-Authenticate.
std::string error_body(int status, std::string_view code = {}, std::string_view message = {});
sim_provider::Script answer_error(int status, std::string_view code = {}, std::string_view message = {});

}  // namespace outrigger::sim_dify
