// What the documents show of the configuration can be written: every TOML block loads, fragments with the upstreams that they speak of.
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <regex>

#include "fixture.h"
#include "unit/net/test_ca.h"

namespace outrigger::config {
namespace {

using namespace test;
namespace fs = std::filesystem;

struct Block {
  std::string file, text;
  int line = 0;
};

std::vector<Block> blocks_of(const fs::path& path) {
  std::vector<Block> blocks;
  std::ifstream stream(path);
  bool is_inside = false;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line == "```toml") {
      blocks.push_back({path.filename().string(), {}, number});
      is_inside = true;
    } else if (line.starts_with("```")) {
      is_inside = false;
    } else if (is_inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

// Values from elsewhere, in place of the reader's own: "env:NAME" is its name, a file what its line asks for.
std::string with_files(const std::string& text, const std::string& secret, const std::string& pem) {
  static const std::regex k_file("\"file:/[^\"]*\"");
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_pem = line.contains("cert = ") || line.contains("ca = ");
    result += std::regex_replace(line, k_file, fmt::format("\"file:{}\"", is_pem ? pem : secret)) + "\n";
  }
  return result;
}

Environment variables_of(const std::string& text) {
  static const std::regex k_variable("\"env:([A-Z0-9_]+)\"");
  Environment environment;
  for (std::sregex_iterator match(text.begin(), text.end(), k_variable), end; match != end; ++match) {
    environment[(*match)[1]] = "the-value-of-" + (*match)[1].str();
  }
  return environment;
}

TEST_CASE("every TOML block of the documents loads") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  std::vector<fs::path> files{root / "README.md", root / "deploy/README.md", root / "helm/outrigger/README.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  const io::TlsServer pair = outrigger::test::TestCa().issue();
  const TemporaryFile pem(pair.certificate_chain + pair.private_key);
  const TemporaryFile secret("sk-from-a-file");
  std::size_t tried = 0;
  for (const fs::path& path : files) {
    for (const Block& block : blocks_of(path)) {
      std::string text = with_files(block.text, secret.path(), pem.path());
      for (const char* name : {"openai", "relay", "official"}) {
        const bool is_named = std::regex_search(text, std::regex(fmt::format("name *= \"{}\"", name)));
        if (!is_named) text += fmt::format("[[upstream]]\nname = \"{}\"\nurl = \"https://{}.example.com/v1\"\n", name, name);
      }
      const auto loaded = load(text, variables_of(text));
      INFO(block.file << ":" << block.line << "\n" << text << all(loaded));
      CHECK(loaded.config);
      ++tried;
    }
  }
  CHECK(tried > 25);
}

}  // namespace
}  // namespace outrigger::config
