// docs/metrics.md has every metric with its labels, and no other; docs/operations.md says what to do at every alert.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::set<std::string> found(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> names;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) names.insert((*match)[1]);
  return names;
}

// Each metric of the code, and the labels with which it is asked for.
std::map<std::string, std::set<std::string>> metrics_of(const fs::path& source) {
  static const std::regex k_asked(R"re(\("(outrigger_[a-z_]+)",\s*\{(\{"[a-z]+",[^;]*?\})\}\))re");
  std::map<std::string, std::set<std::string>> metrics;
  for (const auto& file : fs::recursive_directory_iterator(source)) {
    const bool is_code = file.path().extension() == ".cpp" || file.path().extension() == ".h";
    if (!is_code || file.path().string().contains("/sim/")) continue;
    const std::string text = text_of(file.path());
    for (const std::string& name : found(text, "\"(outrigger_[a-z_]+)\"")) metrics[name];
    for (std::sregex_iterator match(text.begin(), text.end(), k_asked), end; match != end; ++match) {
      metrics[(*match)[1]].merge(found((*match)[2], "\\{\"([a-z]+)\","));
    }
  }
  return metrics;
}

}  // namespace

TEST_CASE("docs/metrics.md has every metric and its labels") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  const auto metrics = metrics_of(root / "src");
  CHECK(metrics.size() > 35);
  std::size_t labels = 0;
  std::set<std::string> rows;
  std::istringstream document(text_of(root / "docs/metrics.md"));
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with("| `outrigger_")) continue;
    for (const std::string& name : found(line.substr(0, line.find(" |", 2)), "`(outrigger_[a-z_]+)`")) {
      CAPTURE(name);
      CHECK(rows.insert(name).second);
      const auto metric = metrics.find(name);
      REQUIRE(metric != metrics.end());
      for (const std::string& label : metric->second) {
        CAPTURE(label);
        CHECK(line.contains('`' + label + '`'));
        ++labels;
      }
    }
  }
  CHECK(labels > 40);
  for (const auto& [name, ignored] : metrics) {
    CAPTURE(name);
    CHECK(rows.contains(name));
  }
}

TEST_CASE("docs/operations.md says what to do at each alert") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  const auto alerts = found(text_of(root / "deploy/prometheus/alerts.yaml"), "- alert: ([A-Za-z]+)");
  CHECK(alerts.size() > 8);
  const std::string document = text_of(root / "docs/operations.md");
  const auto rows = found(document, "(Outrigger[A-Z][A-Za-z]+)");
  CHECK(rows == alerts);
}
