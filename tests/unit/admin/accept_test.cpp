// Which form of the metrics a scraper gets.
#include "admin/accept.h"

#include <catch2/catch_test_macros.hpp>

namespace outrigger::admin {
namespace {

TEST_CASE("OpenMetrics is for those who ask for it and would not rather have plain text") {
  const std::pair<std::string_view, bool> rows[] = {
      {"", false},
      {"*/*", false},
      {"text/plain", false},
      {"application/openmetrics-text", true},
      {"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", true},
      {"application/openmetrics-text;version=0.0.1", true},
      {"application/openmetrics-text;version=2.0.0", false},
      {"application/openmetrics-text;q=0", false},
      {"application/openmetrics-text;q=rubbish", false},
      {"application/openmetrics-text;q=0.1, text/plain;q=0.5", false},
      {"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.9", true},
      // Prometheus 2.53, and 3.
      {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
       "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       true},
      {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
       "openmetrics-text;version=0.0.1;q=0.5,"
       "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       true},
      // curl and browsers.
      {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
      {",,;;=,", false}};
  for (const auto& [accept, is_open] : rows) {
    CAPTURE(accept);
    CHECK(prefers_open_metrics(accept) == is_open);
  }
}

}  // namespace
}  // namespace outrigger::admin
