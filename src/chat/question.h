// Questions: the levels from `faq` up, for the last thing that a user said.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/policy.h"

namespace outrigger::chat {

// The folded form of a question at `level` (faq or above), or nothing if it stays at `safe`: with code, JSON, a URL or a path
// in it, or longer than 512 characters. `safe` is what append_safe made of it.
std::optional<std::string> fold_question(std::string_view safe, Level level);

// The steps of `faq+` and `synonyms`, on the characters of a text that `faq` has folded. See question_words.cpp.
std::u32string without_politeness(std::u32string_view question);
std::u32string without_synonyms(std::u32string_view question);

bool is_ascii_letter(char32_t c);
bool is_ascii_digit(char32_t c);

}  // namespace outrigger::chat
