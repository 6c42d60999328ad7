// Where code stands in a text, in the manner of Markdown but erring towards code: what is taken for code is left as it is,
// which can cost a hit and never makes one.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace outrigger::chat {

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// In order, apart from each other:
//   fenced blocks (``` or ~~~) from the line that opens to the line that closes, or to the end of the text;
//   lines indented by four blanks or a tab;
//   `inline code` inside a paragraph, with as many backticks after it as before.
// Blanks after a closing fence or after the whole text, and the line end after an indented line, are not part of it.
std::vector<Span> code_spans(std::string_view text);

}  // namespace outrigger::chat
