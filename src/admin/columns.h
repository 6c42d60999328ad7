// Text for a terminal: what comes from outside made harmless, and cut or filled to columns. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::admin {

// Control characters, direction marks and all else that would move, hide or turn what a terminal shows, written as \x1b or \u202e;
// what is no UTF-8 as U+FFFD.
std::string printable(std::string_view text);

// Columns that a printable text takes: Chinese characters take two, combining marks none.
std::size_t width(std::string_view text);

enum class Side : unsigned char { left, right };
// `text`, made printable, in exactly `columns`: cut (the last one is "…" then) or filled with spaces.
std::string fitted(std::string_view text, std::size_t columns, Side side = Side::left);
// The same without filling.
std::string cut(std::string_view text, std::size_t columns);

}  // namespace outrigger::admin
