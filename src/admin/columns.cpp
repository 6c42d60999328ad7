#include "admin/columns.h"

#include <fmt/format.h>
#include "chat/unicode.h"
#include "obs/utf8.h"

namespace outrigger::admin {
namespace {

bool is_harmless(char32_t c) {
  if (c < ' ' || (c >= 0x7f && c <= 0x9f) || c == chat::k_zwj || c == chat::k_zwnj) return false;
  return !chat::is_invisible(c) && !chat::is_line_end(c);
}

std::size_t columns_of(char32_t c) { return static_cast<std::size_t>(std::max(0, chat::columns(c))); }

}  // namespace

std::string printable(std::string_view text) {
  const std::string valid = obs::valid_utf8(text);
  std::string shown;
  shown.reserve(valid.size());
  for (std::size_t at = 0; at < valid.size();) {
    const std::size_t from = at;
    const char32_t c = chat::next_code_point(valid, at);
    if (is_harmless(c)) {
      shown.append(valid, from, at - from);
    } else {
      shown += c < 0x100 ? fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c))
                         : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
    }
  }
  return shown;
}

std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) columns += columns_of(chat::next_code_point(text, at));
  return columns;
}

std::string cut(std::string_view text, std::size_t columns) {
  std::string shown = printable(text);
  if (width(shown) <= columns) return shown;
  if (columns == 0) return {};
  std::size_t taken = 0;
  std::size_t end = 0;
  for (std::size_t at = 0; at < shown.size();) {
    taken += columns_of(chat::next_code_point(shown, at));
    if (taken > columns - 1) break;
    end = at;
  }
  shown.resize(end);
  return shown + "…";
}

std::string fitted(std::string_view text, std::size_t columns, Side side) {
  std::string shown = cut(text, columns);
  const std::string space(columns - width(shown), ' ');
  return side == Side::left ? shown + space : space + shown;
}

}  // namespace outrigger::admin
