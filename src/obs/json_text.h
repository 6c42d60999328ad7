// A text as it stands between a JSON string's quotation marks: for those who write a line or a span without a JSON library.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::obs {

// Appends at most `limit` bytes of `text`, escaped. What is not UTF-8 becomes U+FFFD.
void append_json_text(std::string& out, std::string_view text, std::size_t limit);

}  // namespace outrigger::obs
