// Every link in the documents leads to a file that is there, and to a heading of it.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Bytes of the UTF-8 character that begins with `first`.
std::size_t length_of(unsigned char first) { return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

// Punctuation outside of ASCII, as far as the documents have it: "…", "—", "。", "：", "（".
bool is_punctuation(std::string_view character) {
  return character.starts_with("\xE2\x80") || character.starts_with("\xE2\x81") || character.starts_with("\xE3\x80") ||
         character.starts_with("\xEF\xBC") || character == "\xC2\xB7";
}

// As GitHub makes anchors: lower case, blanks become dashes, punctuation goes.
std::string anchor(std::string_view heading) {
  std::string result;
  for (std::size_t at = 0; at < heading.size();) {
    const std::size_t length = length_of(static_cast<unsigned char>(heading[at]));
    const std::string_view character = heading.substr(at, length);
    at += length;
    const char c = character.front();
    if (length > 1) {
      if (!is_punctuation(character)) result += character;
    } else if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
      result += c;
    } else if (c == ' ') {
      result += '-';
    }
  }
  return result;
}

struct Document {
  std::set<std::string> anchors;
  std::vector<std::string> links;
};

Document read(const fs::path& path) {
  static const std::regex k_heading("#{1,6} +(.*)");
  static const std::regex k_link(R"(\]\(([^()\s]+)\))");
  static const std::regex k_code("`[^`]*`");
  Document document;
  std::map<std::string, int> seen;
  std::ifstream file(path);
  bool is_code = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) is_code = !is_code;
    if (is_code) continue;
    if (std::smatch match; std::regex_match(line, match, k_heading)) {
      const std::string own = anchor(match[1].str());
      const int before = seen[own]++;
      document.anchors.insert(before == 0 ? own : own + "-" + std::to_string(before));
    }
    const std::string text = std::regex_replace(line, k_code, "");
    for (std::sregex_iterator match(text.begin(), text.end(), k_link), end; match != end; ++match) {
      document.links.push_back((*match)[1]);
    }
  }
  return document;
}

bool is_elsewhere(std::string_view link) { return link.starts_with("http://") || link.starts_with("https://"); }

}  // namespace

TEST_CASE("anchors are made as GitHub makes them") {
  CHECK(anchor("`[[model]] queue.depth`") == "model-queuedepth");
  CHECK(anchor("In front of Dify's own API") == "in-front-of-difys-own-api");
  CHECK(anchor("1. 启动") == "1-启动");
  CHECK(anchor("4. FAQ 机器人：命中更多") == "4-faq-机器人命中更多");
}

TEST_CASE("every link in the documents leads somewhere") {
  const fs::path root = OUTRIGGER_SOURCE_DIR;
  std::map<fs::path, Document> documents;
  for (const char* folder : {".", "docs", "src", "bench", "deploy", "helm"}) {
    for (auto entry = fs::recursive_directory_iterator(root / folder); entry != fs::recursive_directory_iterator();
         ++entry) {
      // Of the top only its own files: below lie build directories.
      if (std::string_view(folder) == "." && entry->is_directory()) entry.disable_recursion_pending();
      if (entry->path().extension() != ".md") continue;
      const fs::path path = fs::canonical(entry->path());
      documents[path] = read(path);
    }
  }
  REQUIRE(documents.size() > 8);
  int links = 0;
  for (const auto& [path, document] : documents) {
    for (const std::string& link : document.links) {
      if (is_elsewhere(link)) continue;
      CAPTURE(fs::relative(path, root).string(), link);
      const std::size_t hash = std::min(link.find('#'), link.size());
      const fs::path target = hash == 0 ? path : path.parent_path() / link.substr(0, hash);
      const bool is_there = fs::exists(target);
      CHECK(is_there);
      ++links;
      if (hash == link.size() || !is_there) continue;
      const auto found = documents.find(fs::canonical(target));
      REQUIRE(found != documents.end());
      CHECK(found->second.anchors.contains(link.substr(hash + 1)));
    }
  }
  CHECK(links > 100);
}
