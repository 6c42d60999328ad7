// conf/outrigger.toml as its tests see it: settings and headers, commented or not.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::config::test {

struct Line {
  std::string text;
  bool commented = false;
  bool example = false;
  bool header = false;
};

inline bool is_setting(std::string_view text) {
  const std::size_t equals = text.find(" = ");
  return equals != std::string_view::npos && equals > 0 &&
         text.substr(0, equals).find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

// "[cache]", "[[model]]", with or without a remark behind it.
inline bool is_header(std::string_view text) {
  const std::size_t open = text.find_first_not_of('[');
  if (open == 0 || open == std::string_view::npos) return false;
  const std::size_t close = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz", open);
  return close > open && close != std::string_view::npos && text[close] == ']';
}

// The reference's settings and table headers, in order; prose and blank lines are left out.
inline std::vector<Line> reference_lines() {
  std::ifstream stream(std::string(OUTRIGGER_SOURCE_DIR) + "/conf/outrigger.toml");
  REQUIRE(stream);
  std::vector<Line> lines;
  for (std::string text; std::getline(stream, text);) {
    Line line;
    line.commented = text.starts_with("# ");
    line.text = line.commented ? text.substr(2) : text;
    line.example = line.text.ends_with("# example");
    line.header = is_header(line.text);
    if (line.header || is_setting(line.text)) lines.push_back(line);
  }
  return lines;
}

}  // namespace outrigger::config::test
