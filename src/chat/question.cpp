// Level `faq`: forms of the same characters, case, CJK punctuation, spaces beside CJK, punctuation at the end.
// Digits, words, negations, pronouns and particles that carry meaning (吗, 了) are not touched.
#include "chat/question.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "chat/code_spans.h"
#include "chat/unicode.h"

namespace outrigger::chat {
namespace {

constexpr std::size_t k_max_characters = 512;

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

std::u32string decoded(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) out.push_back(next_code_point(text, at));
  return out;
}

std::string encoded(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

// Code, JSON, a URL or a path: there case and punctuation are meaning. Errs towards yes.
bool is_technical(std::string_view text) {
  constexpr std::array<std::string_view, 12> k_signs{"://", "www.", "()", "==", "=>", "->",
                                                     "::",  "!=",   "&&", "||", "/*", "//"};
  if (text.find_first_of("`{}[]\\") != text.npos || !code_spans(text).empty()) return true;
  if (std::any_of(k_signs.begin(), k_signs.end(), [&](std::string_view sign) { return text.find(sign) != text.npos; }))
    return true;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const auto next = static_cast<unsigned char>(text[i + 1]);
    if ((text[i] == '/' || text[i] == '<') && (is_ascii_letter(next) || next == '/' || next == '!')) return true;
    if (text[i] == ';' && next == '\n') return true;
  }
  return false;
}

// Compatibility forms (full and half width, ligatures, squared units, ...) as their plain characters, where that loses nothing:
// 2² is not 22, ½ not 12, ① not 1, a lone diacritic not a space with a mark, a lone jamo not half a syllable.
std::string plain_forms(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    const utf8proc_property_t& property = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    const auto type = property.decomp_type;
    const bool keep = c < 0xa0 || type == 0 || type == UTF8PROC_DECOMP_TYPE_SUPER || type == UTF8PROC_DECOMP_TYPE_SUB ||
                      type == UTF8PROC_DECOMP_TYPE_FRACTION || type == UTF8PROC_DECOMP_TYPE_CIRCLE || in(c, 0x3130, 0x318f);
    std::array<utf8proc_int32_t, 32> plain{};  // the longest decomposition of Unicode has 18
    const auto size = keep ? 0
                           : utf8proc_decompose_char(
                                 static_cast<utf8proc_int32_t>(c), plain.data(), static_cast<utf8proc_ssize_t>(plain.size()),
                                 static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), nullptr);
    if (size <= 0 || (size > 1 && plain[0] == ' ')) {
      append_utf8(out, c);
      continue;
    }
    for (utf8proc_ssize_t i = 0; i < size; ++i) append_utf8(out, static_cast<char32_t>(plain[static_cast<std::size_t>(i)]));
  }
  std::string composed;
  append_nfc(composed, out);
  return composed;
}

// Letters whose case is a matter of style. Greek is not among them: there Σ and σ are two symbols of a formula.
bool has_case(char32_t c) { return is_ascii_letter(c) || in(c, 0xc0, 0x24f) || in(c, 0x400, 0x52f); }
char32_t lower(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

struct Word {
  std::u32string_view letters;
  std::u32string folded;
  bool after_digit = false;
};

std::vector<Word> words_of(std::u32string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!has_case(text[at])) continue;
    std::size_t end = at;
    while (end < text.size() && has_case(text[end])) ++end;
    Word word{.letters = text.substr(at, end - at), .folded = {}};
    std::transform(word.letters.begin(), word.letters.end(), std::back_inserter(word.folded), lower);
    std::size_t before = at;
    if (before > 0 && text[before - 1] == ' ') --before;
    word.after_digit = before > 0 && is_ascii_digit(text[before - 1]);
    words.push_back(std::move(word));
    at = end;
  }
  return words;
}

// Does case carry meaning here? "US" beside lower case is not "us"; 5 MW is not 5 mW; in "R and r" there are two of them.
bool case_matters(const std::vector<Word>& words) {
  bool any_lower = false;
  bool any_capitals = false;
  for (const Word& word : words) {
    const std::size_t small = static_cast<std::size_t>(
        std::count_if(word.letters.begin(), word.letters.end(), [](char32_t c) { return lower(c) == c; }));
    const bool is_folded = small == word.letters.size();
    any_lower = any_lower || small > 0;
    any_capitals = any_capitals || (small == 0 && word.letters.size() >= 2);
    const bool is_short = word.letters.size() <= 2;
    if (is_short && !is_folded && (word.after_digit || lower(word.letters[0]) == word.letters[0])) return true;
    for (const Word& other : words) {
      if (other.folded == word.folded && other.letters != word.letters) return true;
    }
  }
  return any_lower && any_capitals;
}

void fold_case(std::u32string& text) {
  if (case_matters(words_of(text))) return;
  for (char32_t& c : text) {
    if (has_case(c)) c = lower(c);
  }
}

char32_t plain_punctuation(char32_t c) {
  switch (c) {
    case U'。':
    case U'｡':
      return U'.';
    case U'、':
      return U',';
    case U'〜':
      return U'~';
    case U'“':
    case U'”':
    case U'„':
    case U'‟':
    case U'「':
    case U'」':
    case U'『':
    case U'』':
      return U'"';
    case U'‘':
    case U'’':
    case U'‚':
    case U'‛':
      return U'\'';
    default:
      return c;
  }
}

// Scripts that write no spaces between words. (Korean does.)
bool is_cjk(char32_t c) {
  return in(c, 0x3001, 0x30ff) || in(c, 0x3400, 0x4dbf) || in(c, 0x4e00, 0x9fff) || in(c, 0xf900, 0xfaff) ||
         in(c, 0x20000, 0x3ffff);
}

std::u32string without_loose_spaces(std::u32string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != ' ') {
      out.push_back(text[at]);
      continue;
    }
    while (at + 1 < text.size() && text[at + 1] == ' ') ++at;
    const bool beside_cjk = (!out.empty() && is_cjk(out.back())) || (at + 1 < text.size() && is_cjk(text[at + 1]));
    if (!beside_cjk) out.push_back(' ');
  }
  return out;
}

// "How?" is "How", but "5!" is not "5". A text of nothing but punctuation keeps it.
void drop_end(std::u32string& text) {
  std::size_t size = text.size();
  while (size > 0 && std::u32string_view(U".!?~,; ").find(text[size - 1]) != std::u32string_view::npos) {
    if (text[size - 1] == '!' && size > 1 && is_ascii_digit(text[size - 2])) break;
    --size;
  }
  if (size > 0) text.resize(size);
}

}  // namespace

bool is_ascii_letter(char32_t c) { return in(c, 'a', 'z') || in(c, 'A', 'Z'); }
bool is_ascii_digit(char32_t c) { return in(c, '0', '9'); }

std::optional<std::string> fold_question(std::string_view safe, Level level) {
  if (safe.size() > k_max_characters * 4) return std::nullopt;  // four bytes are the longest character
  if (safe.empty() || decoded(safe).size() > k_max_characters || is_technical(safe)) return std::nullopt;
  const std::string plain = plain_forms(safe);
  if (is_technical(plain)) return std::nullopt;  // full-width code is code
  std::u32string question = decoded(plain);
  fold_case(question);
  std::transform(question.begin(), question.end(), question.begin(), plain_punctuation);
  question = without_loose_spaces(question);
  drop_end(question);
  if (level >= Level::faq_plus) question = without_politeness(question);
  if (level >= Level::synonyms) question = without_synonyms(question);
  return encoded(question);
}

}  // namespace outrigger::chat
