// The dashboard: src/admin/dashboard/index.html, which is built into the program.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::admin {

std::string_view dashboard();
// Changes with the page.
const std::string& dashboard_etag();

}  // namespace outrigger::admin
