// docs/troubleshooting.md has a row for every reason and every error by its name, and none for what there is not.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
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

// From one text to another, which must both be there.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t begin = text.find(from);
  INFO(from);
  REQUIRE(begin != std::string::npos);
  const std::size_t end = text.find(to, begin + from.size());
  return text.substr(begin, end == std::string::npos ? end : end - begin);
}

// All that the first group of `pattern` matches.
std::set<std::string> found(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> names;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) names.insert((*match)[1]);
  return names;
}

// "\n| `name` | status |"
constexpr const char* k_row = "\n\\| `([a-z_0-9]+)` \\|";

}  // namespace

TEST_CASE("docs/troubleshooting.md has every reason, complaint and error, and no other") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  const std::string document = text_of(root / "docs/troubleshooting.md");
  const std::string reasons = text_of(root / "src/chat/reasons.cpp");
  const std::string errors = text_of(root / "src/core/error.cpp");

  const auto bypass = found(between(reasons, "k_bypass{", "};"), "\"([a-z_]+)\"");
  CHECK(bypass.size() > 15);
  CHECK(found(between(document, "## Every reason by name", "### Why an answer"), k_row) == bypass);

  const auto not_kept = found(between(reasons, "k_no_store{", "};"), "\"([a-z_]+)\"");
  CHECK(not_kept.size() > 10);
  CHECK(found(between(document, "### Why an answer was not kept", "## Every error"), k_row) == not_kept);

  const auto complaints = found(text_of(root / "src/admin/verdict.cpp"), "say\\(\\s*\"([a-z_]+)\"");
  CHECK(complaints.size() > 10);
  CHECK(found(between(document, "## What the dashboard complains of", "\n## "), k_row) == complaints);

  const auto codes = found(errors, "ErrorTraits\\{\"([a-z_]+)\"");
  CHECK(codes.size() > 30);
  const std::string table = between(document, "## Every error by name", "\n## ");
  CHECK(found(table, k_row) == codes);

  // The status that a row tells is the table's.
  const std::regex traits("ErrorTraits\\{\"([a-z_]+)\", ([0-9]+)");
  for (std::sregex_iterator match(errors.begin(), errors.end(), traits), end; match != end; ++match) {
    const std::string status = (*match)[2] == "0" ? " " : " " + (*match)[2].str() + " ";
    CAPTURE((*match)[1].str());
    CHECK(table.contains("| `" + (*match)[1].str() + "` |" + status + "|"));
  }
}
