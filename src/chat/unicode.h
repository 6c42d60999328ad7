// What the normalisation needs to know of Unicode, over utf8proc. Text in here is valid UTF-8: the JSON reader saw to it.
// The version of Unicode is not part of a key: it decides nothing for characters that were assigned before, and where two
// builds differ about a newer one they make different forms, which is a miss.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::chat {

// Reads the code point at `at` and moves on.
char32_t next_code_point(std::string_view text, std::size_t& at);
void append_utf8(std::string& out, char32_t c);

// Spaces that are not line ends: Unicode's Zs.
bool is_space(char32_t c);
// What starts a new line. A carriage return may be the first half of one.
bool is_line_end(char32_t c);
// Shows nothing and says nothing: byte order marks, zero-width spaces, direction marks, soft hyphens, controls. Not: what is
// part of a word's spelling in some script, tags (they spell the flags of England, Scotland and Wales, and models read them),
// the null character, tab and line ends. For the two joiners see joiner_matters.
bool is_invisible(char32_t c);
constexpr char32_t k_zwnj = 0x200c;
constexpr char32_t k_zwj = 0x200d;
// Does a joiner after `before` (0: nothing) and before `after` change what is read?
bool joiner_matters(char32_t joiner, char32_t before, char32_t after);
// Marks, skin tones and the like, which belong to the character before them.
bool extends(char32_t c);

// Columns that a terminal gives it: 0, 1 or 2.
int columns(char32_t c);

// Could Unicode's normalisation form C change a text with `c` in it? Never wrongly false.
bool may_compose(char32_t c);
// Appends `text` in form C. A text with absurdly many marks in a row stands as it is, because ordering them is quadratic.
void append_nfc(std::string& out, std::string_view text);

}  // namespace outrigger::chat
