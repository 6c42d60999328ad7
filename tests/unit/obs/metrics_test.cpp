#include "obs/metrics.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>

namespace outrigger::obs {
namespace {

TEST_CASE("metrics are exposed in the order of their families and labels") {
  Registry registry;
  registry.declare_counter("b_total", "Requests.");
  registry.declare_gauge("a_up", "Is it up?");
  registry.counter("b_total", {{"model", "z"}, {"result", "hit"}}).add();
  registry.counter("b_total", {{"model", "a"}, {"result", "miss"}}).add(2.5);
  registry.gauge("a_up").set(-1);
  CHECK(registry.expose() ==
        "# HELP b_total Requests.\n"
        "# TYPE b_total counter\n"
        "b_total{model=\"a\",result=\"miss\"} 2.5\n"
        "b_total{model=\"z\",result=\"hit\"} 1\n"
        "# HELP a_up Is it up?\n"
        "# TYPE a_up gauge\n"
        "a_up -1\n");
}

TEST_CASE("the same labels lead to the same series, and its handle stays valid") {
  Registry registry;
  registry.declare_counter("x_total", "x");
  Counter& first = registry.counter("x_total", {{"m", "a"}});
  for (int i = 0; i < 300; ++i) registry.counter("x_total", {{"m", std::to_string(i)}}).add();
  first.add(7);
  CHECK(&registry.counter("x_total", {{"m", "a"}}) == &first);
  CHECK(registry.counter("x_total", {{"m", "a"}}).value() == 7);
}

TEST_CASE("a family may be declared again as what it is") {
  Registry registry;
  registry.declare_counter("x_total", "x");
  registry.counter("x_total").add();
  registry.declare_counter("x_total", "x");
  CHECK(registry.counter("x_total").value() == 1);
}

TEST_CASE("a gauge that is dropped is not told any more, and its siblings are") {
  Registry registry;
  registry.declare_gauge("x", "x");
  registry.gauge("x", {{"m", "a"}}).set(1);
  registry.gauge("x", {{"m", "b"}}).set(2);
  registry.drop_gauge("x", {{"m", "a"}});
  registry.drop_gauge("x", {{"m", "never there"}});
  CHECK_FALSE(registry.expose().contains("x{m=\"a\"}"));
  CHECK(registry.expose().contains("x{m=\"b\"} 2\n"));
  CHECK(registry.gauge("x", {{"m", "a"}}).value() == 0);
}

TEST_CASE("label values are escaped, cut and made valid UTF-8") {
  struct Row {
    std::string value, printed;
  };
  const Row rows[] = {{"a\"b", "a\\\"b"},
                      {"a\\b", "a\\\\b"},
                      {"a\nb", "a\\nb"},
                      {"模型", "模型"},
                      {"\xff", "\xef\xbf\xbd"},
                      {"a\xe6\xa8", "a\xef\xbf\xbd\xef\xbf\xbd"},
                      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
                      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                      {std::string(128, 'a'), std::string(128, 'a')},
                      {std::string(129, 'a'), std::string(128, 'a')},
                      {std::string(127, 'a') + "模", std::string(127, 'a')},
                      {"", ""}};
  for (const Row& row : rows) {
    INFO(row.value);
    Registry registry;
    registry.declare_gauge("g", "");
    registry.gauge("g", {{"m", row.value}}).set(1);
    CHECK(registry.expose() == "# HELP g \n# TYPE g gauge\ng{m=\"" + row.printed + "\"} 1\n");
  }
}

TEST_CASE("help is escaped") {
  Registry registry;
  registry.declare_gauge("g", "a\\b\nc");
  CHECK(registry.expose() == "# HELP g a\\\\b\\nc\n# TYPE g gauge\n");
}

TEST_CASE("a family holds at most 500 series; what comes later falls together as \"other\"") {
  Registry registry;
  registry.declare_counter("x_total", "x");
  for (std::size_t i = 0; i < Registry::k_max_series - 1; ++i) {
    registry.counter("x_total", {{"model", std::to_string(i)}, {"by", "hit"}}).add();
  }
  Counter& last = registry.counter("x_total", {{"model", "498"}, {"by", "hit"}});
  CHECK(last.value() == 1);
  Counter& other = registry.counter("x_total", {{"model", "new"}, {"by", "hit"}});
  CHECK(&other == &registry.counter("x_total", {{"model", "newer"}, {"by", "stale"}}));
  other.add(3);
  const std::string text = registry.expose();
  CHECK(text.find("x_total{model=\"other\",by=\"other\"} 3\n") != std::string::npos);
  std::size_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  CHECK(lines == Registry::k_max_series + 2);
  CHECK(&registry.counter("x_total", {{"model", "498"}, {"by", "hit"}}) == &last);
}

TEST_CASE("a histogram counts up to and with each bound") {
  Registry registry;
  registry.declare_histogram("h_seconds", "h", {0.1, 1, 2.5});
  Histogram& histogram = registry.histogram("h_seconds", {{"door", "llm"}});
  for (const double value : {0.05, 0.1, 0.100001, 1.0, 2.0, 3.0}) histogram.observe(value);
  CHECK(registry.expose() ==
        "# HELP h_seconds h\n"
        "# TYPE h_seconds histogram\n"
        "h_seconds_bucket{door=\"llm\",le=\"0.1\"} 2\n"
        "h_seconds_bucket{door=\"llm\",le=\"1\"} 4\n"
        "h_seconds_bucket{door=\"llm\",le=\"2.5\"} 5\n"
        "h_seconds_bucket{door=\"llm\",le=\"+Inf\"} 6\n"
        "h_seconds_sum{door=\"llm\"} 6.250001\n"
        "h_seconds_count{door=\"llm\"} 6\n");
}

TEST_CASE("a histogram without labels has only its bounds") {
  Registry registry;
  registry.declare_histogram("h", "h", {1});
  registry.histogram("h").observe(0.5);
  CHECK(registry.expose().ends_with("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.5\nh_count 1\n"));
}

TEST_CASE("what is not a number does not spoil a histogram") {
  const std::vector<double> bounds{1};
  Histogram histogram(bounds);
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  CHECK(histogram.count() == 0);
  CHECK(histogram.sum() == 0);
}

TEST_CASE("a quantile is interpolated inside its bucket") {
  const std::vector<double> bounds{1, 2, 4};
  Histogram histogram(bounds);
  CHECK(histogram.quantile(0.5) == 0);
  for (int i = 0; i < 10; ++i) histogram.observe(1.5);
  CHECK(histogram.quantile(0.5) == Catch::Approx(1.5));
  CHECK(histogram.quantile(1.0) == Catch::Approx(2.0));
  for (int i = 0; i < 10; ++i) histogram.observe(3);
  CHECK(histogram.quantile(0.5) == Catch::Approx(2.0));
  CHECK(histogram.quantile(0.75) == Catch::Approx(3.0));
  for (int i = 0; i < 80; ++i) histogram.observe(100);
  CHECK(histogram.quantile(0.99) == Catch::Approx(4.0));
  CHECK(histogram.quantile(0.0) == Catch::Approx(1.0));
}

TEST_CASE("numbers are printed as Prometheus reads them") {
  struct Row {
    double value;
    std::string_view printed;
  };
  const Row rows[] = {{0, "0"},
                      {3, "3"},
                      {1234567890123, "1234567890123"},
                      {0.1, "0.1"},
                      {-0.25, "-0.25"},
                      {1e300, "1e+300"},
                      {std::numeric_limits<double>::infinity(), "+Inf"},
                      {-std::numeric_limits<double>::infinity(), "-Inf"},
                      {std::numeric_limits<double>::quiet_NaN(), "NaN"}};
  for (const Row& row : rows) {
    Registry registry;
    registry.declare_gauge("g", "");
    registry.gauge("g").set(row.value);
    CHECK(registry.expose() == "# HELP g \n# TYPE g gauge\ng " + std::string(row.printed) + "\n");
  }
}

TEST_CASE("hooks run before each exposition, in the order in which they came") {
  Registry registry;
  registry.declare_gauge("g", "");
  int runs = 0;
  registry.before_scrape([&] { registry.gauge("g").set(++runs); });
  registry.before_scrape([&] { registry.gauge("g").add(0.5); });
  CHECK(registry.expose().ends_with("g 1.5\n"));
  CHECK(registry.expose().ends_with("g 2.5\n"));
}

}  // namespace
}  // namespace outrigger::obs
