#include "unit/tidy/source.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

namespace outrigger::tidy {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// Where the literal or comment that begins at `at` ends (one past it); `at` itself if none begins there.
std::size_t end_of_literal(std::string_view text, std::size_t at) {
  const auto after = [&](std::string_view mark, std::size_t from) {
    const std::size_t found = text.find(mark, from);
    return found == std::string_view::npos ? text.size() : found + mark.size();
  };
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("//")) return std::min(text.find('\n', at), text.size());
  if (rest.starts_with("/*")) return after("*/", at + 2);
  if (rest.starts_with("R\"")) {
    const std::size_t open = text.find('(', at);
    if (open == std::string_view::npos) return text.size();
    return after(")" + std::string(text.substr(at + 2, open - at - 2)) + "\"", open);
  }
  if (text[at] != '"' && text[at] != '\'') return at;
  // 1'000: a quote between digits parts them.
  if (text[at] == '\'' && at > 0 && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0) return at;
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != text[at]) end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

std::string without_literals(std::string_view text) {
  std::string code(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_literal(text, at);
    for (std::size_t i = at; i < end; ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
    at = std::max(end, at + 1);
  }
  return code;
}

}  // namespace

Source parse(std::string path, std::string_view text) {
  static const std::regex include(R"rx(^\s*#\s*include\s*([<"])([^">]+)[">])rx");
  Source source;
  source.path = std::move(path);
  source.lines = split_lines(text);
  source.code = split_lines(without_literals(text));
  for (std::size_t i = 0; i < source.lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_search(source.lines[i], match, include)) continue;
    source.includes.push_back({i + 1, match[2].str(), match[1].str() == "\""});
  }
  return source;
}

std::vector<Source> read_sources(const std::string& root, std::string_view folder) {
  std::vector<Source> sources;
  const std::filesystem::path base(root);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(base / folder)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp")) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    sources.push_back(parse(entry.path().lexically_relative(base).generic_string(), text));
  }
  std::sort(sources.begin(), sources.end(), [](const Source& left, const Source& right) { return left.path < right.path; });
  return sources;
}

}  // namespace outrigger::tidy
