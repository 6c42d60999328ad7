#include "proxy/target_name.h"

#include <algorithm>

#include "chat/digest.h"
#include "obs/utf8.h"

namespace outrigger::proxy {
namespace {

// The digest's share of a long name. Longer ones are cut to more than a short one may have, so none can be taken for another.
constexpr std::size_t k_digits = 16;
constexpr std::size_t k_cut = k_target_name_max - k_digits - 1;
constexpr std::size_t k_whole = k_cut - 3;  // a cut may take three bytes more, to end between characters

void append_escape(std::string& to, char c) {
  constexpr char digits[] = "0123456789ABCDEF";
  to += '%';
  to += digits[static_cast<unsigned char>(c) >> 4];
  to += digits[static_cast<unsigned char>(c) & 15];
}

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Could what begins here be taken for one of our escapes?
bool looks_escaped(std::string_view text) {
  return text.size() > 2 && text[0] == '%' && is_hex_digit(text[1]) && is_hex_digit(text[2]);
}

// C0, DEL, and C1 as UTF-8 has it.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first < ' ' || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

std::string target_name(std::string_view upstream, std::string_view model) {
  std::string name(upstream);
  if (model.empty()) return name;
  name += ':';
  // As almost all are.
  const bool is_plain = std::ranges::all_of(model, [](char c) { return c >= ' ' && c <= '~' && c != '%'; });
  if (is_plain && name.size() + model.size() <= k_whole) return name.append(model);
  for (std::string_view rest = model; !rest.empty() && name.size() <= k_target_name_max;) {
    const std::size_t length = obs::utf8_length(rest);
    const std::string_view character = rest.substr(0, length > 0 ? length : 1);
    if (length == 0 || is_control(character) || looks_escaped(rest)) {
      for (const char c : character) append_escape(name, c);
    } else {
      name += character;
    }
    rest.remove_prefix(character.size());
  }
  if (name.size() <= k_whole) return name;
  name.resize(obs::utf8_prefix(name, k_cut).size());
  return name.append("~").append(chat::sha256_hex(model).substr(0, k_digits));
}

void append_header_safe(std::string& to, std::string_view name) {
  const auto is_visible = [](char c) { return c >= '!' && c <= '~'; };
  if (std::ranges::all_of(name, is_visible)) {
    to += name;
    return;
  }
  for (const char c : name) {
    if (is_visible(c)) {
      to += c;
    } else {
      append_escape(to, c);
    }
  }
}

}  // namespace outrigger::proxy
