// In which form does a scraper want the metrics? (RFC 9110 §12.5.1, as far as it matters here.) Pure.
#pragma once

#include <string_view>

namespace outrigger::admin {

// `accept`: the Accept fields, joined. OpenMetrics only for those who name it in a version that is written here (0.0.1, 1.0.0, or
// none), and not if they would rather have plain text.
bool prefers_open_metrics(std::string_view accept);

}  // namespace outrigger::admin
