// docs/dialects.md names all that may be lost on the way from one wire to another, and every reason why nothing can be said there.
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

// The texts in quotes within each match of `place`.
void collect(std::set<std::string>& to, const std::string& text, const std::regex& place) {
  static const std::regex k_quoted("\"([a-z_]+)\"");
  for (std::sregex_iterator match(text.begin(), text.end(), place), end; match != end; ++match) {
    const std::string found = match->str();
    for (std::sregex_iterator name(found.begin(), found.end(), k_quoted); name != end; ++name) to.insert((*name)[1]);
  }
}

}  // namespace

TEST_CASE("docs/dialects.md names every loss and every reason not to translate") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  const std::string document = text_of(root / "docs/dialects.md");
  std::set<std::string> losses;
  for (const auto& file : fs::recursive_directory_iterator(root / "src/providers")) {
    if (file.path().extension() != ".cpp") continue;
    // Losses::note, the two that call it with a name that they get, and a list of such names.
    collect(losses, text_of(file.path()), std::regex(R"((note|lose|sampling)\([^;]*;|k_lost\{[^}]*\})"));
  }
  CHECK(losses.size() > 30);
  CHECK(losses.contains("instruction_order"));
  CHECK(losses.contains("max_tool_calls"));
  std::set<std::string> reasons;
  collect(reasons, text_of(root / "src/chat/conversation.cpp"), std::regex(R"(k_names\{[^}]*\})"));
  CHECK(reasons.size() > 10);
  losses.merge(reasons);
  for (const std::string& name : losses) {
    CAPTURE(name);
    CHECK(document.contains('`' + name + '`'));
  }
}
