#include "providers/openai/cuts.h"

#include <array>

namespace outrigger::providers::openai {
namespace {

// 。！？； and the ideographic comma's heavier kin; they need no blank after them.
constexpr std::array<std::string_view, 4> k_wide_ends{"\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f", "\xef\xbc\x9b"};

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Does a sentence end with the character at [begin, end)?
bool ends_sentence(std::string_view text, std::size_t begin, std::size_t end) {
  const std::string_view character = text.substr(begin, end - begin);
  if (character == "\n") return end == text.size() || text[end] != '\n';
  for (const std::string_view wide : k_wide_ends) {
    if (character == wide) return true;
  }
  const bool blank = character == " ";
  return blank && begin > 0 && std::string_view(".!?;").contains(text[begin - 1]);
}

}  // namespace

std::string_view first_cut(std::string_view text) {
  std::size_t after_blank = 0;
  std::size_t begin = 0;
  for (std::size_t characters = 0; begin < text.size() && characters < k_cut_characters_max; ++characters) {
    std::size_t end = begin + 1;
    while (end < text.size() && continues_character(text[end])) ++end;
    if (ends_sentence(text, begin, end)) return text.substr(0, end);
    if (text[begin] == ' ') after_blank = end;
    begin = end;
  }
  if (begin < text.size() && after_blank > 0) return text.substr(0, after_blank);
  return text.substr(0, begin);
}

}  // namespace outrigger::providers::openai
