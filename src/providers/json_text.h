// Writing JSON text. Only what no event reader can take for a line end comes out unescaped: besides JSON's own rules, U+0085,
// U+2028 and U+2029 are escaped, because clients exist that split a stream with Unicode's idea of a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace outrigger::providers {

// With the quotes. `text` should be UTF-8; bytes that are not pass through.
void append_string(std::string& to, std::string_view text);
void append_number(std::string& to, std::uint64_t number);

}  // namespace outrigger::providers
