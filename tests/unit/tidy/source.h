// A source file as the style checks see it: its lines, the same lines without comments and literals, and its includes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrigger::tidy {

struct Include {
  std::size_t line = 0;  // 1-based
  std::string path;
  bool quoted = false;
};

struct Source {
  std::string path;  // from the repository's root: "src/core/bytes.h"
  std::vector<std::string> lines;
  std::vector<std::string> code;  // as many lines; comments and the insides of literals are blanks
  std::vector<Include> includes;
};

Source parse(std::string path, std::string_view text);

// All .h and .cpp files below `folder` ("src", "tests"), sorted by path.
std::vector<Source> read_sources(const std::string& root, std::string_view folder);

}  // namespace outrigger::tidy
