// Where a text that came in one piece is cut when it has to be streamed: after a sentence, or after some 60 characters at a
// blank if there is one, never inside a character. The text put together again is the same.
#pragma once

#include <cstddef>
#include <string_view>

namespace outrigger::providers::openai {

inline constexpr std::size_t k_cut_characters_max = 64;

// The first piece of `text`; empty only when `text` is.
std::string_view first_cut(std::string_view text);

}  // namespace outrigger::providers::openai
