// OpenMetrics: what differs from Prometheus' own text form, and exemplars. tests/wire has the official parser read it.
#include <catch2/catch_test_macros.hpp>

#include "obs/metrics.h"

namespace outrigger::obs {
namespace {

TEST_CASE("a counter's family goes without the suffix of its samples, and units are told") {
  Registry registry;
  registry.declare_counter("a_total", "Says \"a\".");
  registry.declare_counter("odd", "Has no suffix.");
  registry.declare_gauge("b_bytes", "b");
  registry.counter("a_total", {{"x", "y"}}).add(2);
  registry.counter("odd").add();
  registry.gauge("b_bytes").set(3);
  CHECK(registry.expose_open_metrics() ==
        "# HELP a Says \\\"a\\\".\n# TYPE a counter\na_total{x=\"y\"} 2\n"
        "# HELP odd Has no suffix.\n# TYPE odd counter\nodd_total 1\n"
        "# HELP b_bytes b\n# TYPE b_bytes gauge\n# UNIT b_bytes bytes\nb_bytes 3\n# EOF\n");
  CHECK(registry.expose().find("# HELP a_total Says \"a\".") != std::string::npos);
}

TEST_CASE("each bucket names the trace of its last observation that had one") {
  Registry registry;
  registry.declare_histogram("h_seconds", "h", {0.5, 1});
  Histogram& histogram = registry.histogram("h_seconds", {{"m", "x"}});
  const auto at = [](std::int64_t millis) { return WallTime(std::chrono::milliseconds(millis)); };
  histogram.observe(0.25, {{1, 2}, at(1000)});
  histogram.observe(0.3, {{3, 4}, at(1'700'000'000'125)});
  histogram.observe(0.2);
  histogram.observe(7, {{5, 6}, at(2000)});
  CHECK(registry.expose_open_metrics() ==
        "# HELP h_seconds h\n# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n"
        "h_seconds_bucket{m=\"x\",le=\"0.5\"} 3 # {trace_id=\"00000000000000030000000000000004\"} 0.3 1700000000.125\n"
        "h_seconds_bucket{m=\"x\",le=\"1.0\"} 3\n"
        "h_seconds_bucket{m=\"x\",le=\"+Inf\"} 4 # {trace_id=\"00000000000000050000000000000006\"} 7 2.000\n"
        "h_seconds_sum{m=\"x\"} 7.75\nh_seconds_count{m=\"x\"} 4\n# EOF\n");
  // Nothing of it in the other form.
  CHECK(registry.expose().find("trace_id") == std::string::npos);
  CHECK(registry.expose().find("le=\"1\"") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::obs
