#include "chat/unicode.h"

#include <utf8proc.h>

#include <cstdlib>

namespace outrigger::chat {
namespace {

const utf8proc_property_t& property(char32_t c) { return *utf8proc_get_property(static_cast<utf8proc_int32_t>(c)); }

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Unicode's Stream-Safe Text Format (UAX #15): real writing never has more marks than this on one letter.
constexpr std::size_t k_max_marks = 30;

bool has_endless_marks(std::string_view text) {
  std::size_t marks = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    marks = c >= 0x300 && property(c).combining_class != 0 ? marks + 1 : 0;
    if (marks > k_max_marks) return true;
  }
  return false;
}

// Format characters that are written on purpose: signs that span numbers, spellings, and layout that is the text.
bool is_written_format(char32_t c) {
  return in(c, 0x600, 0x605) || c == 0x6dd || c == 0x70f || in(c, 0x890, 0x891) || c == 0x8e2 || c == 0x110bd ||
         c == 0x110cd || c == 0x180e || in(c, 0x13430, 0x1345f) || in(c, 0x1bca0, 0x1bca3) || in(c, 0xe0000, 0xe007f);
}

// Scripts in which the joiners choose between letter forms, and so between words: Arabic (Persian, Urdu), Syriac, N'Ko,
// the scripts of India and South-East Asia, Mongolian.
bool has_joining_forms(char32_t c) {
  return in(c, 0x600, 0xdff) || in(c, 0x1000, 0x109f) || in(c, 0x1780, 0x18af) || in(c, 0x1900, 0x1cff) ||
         in(c, 0xa800, 0xabff) || in(c, 0xfb50, 0xfdff) || in(c, 0xfe70, 0xfefe) || in(c, 0x10a00, 0x11fff) ||
         in(c, 0x1e900, 0x1e95f);
}

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[at + i]); };
  const char32_t lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t c = 0xfffd;
  if (size == 1) {
    c = lead;
  } else if (at + size > text.size()) {  // cannot come from the JSON reader; keeps the walk inside the text all the same
    at = text.size();
    return c;
  } else if (size == 2) {
    c = (lead & 0x1f) << 6 | (byte(1) & 0x3f);
  } else if (size == 3) {
    c = (lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  } else {
    c = (lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  }
  at += size;
  return c;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ';
  return property(c).category == UTF8PROC_CATEGORY_ZS;
}

bool is_line_end(char32_t c) { return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029; }

bool is_invisible(char32_t c) {
  if (c < 0x80) return (c < 0x20 && c != '\0' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
  const auto category = property(c).category;
  if (category == UTF8PROC_CATEGORY_CC) return c != 0x85;
  return category == UTF8PROC_CATEGORY_CF && c != k_zwj && c != k_zwnj && !is_written_format(c);
}

bool joiner_matters(char32_t joiner, char32_t before, char32_t after) {
  if (has_joining_forms(before)) return true;
  const auto pictograph = [](char32_t c) { return property(c).boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC; };
  return joiner == k_zwj && before != 0 && after != 0 && pictograph(before) && pictograph(after);
}

bool extends(char32_t c) { return c >= 0x300 && property(c).boundclass == UTF8PROC_BOUNDCLASS_EXTEND; }

int columns(char32_t c) { return utf8proc_charwidth(static_cast<utf8proc_int32_t>(c)); }

bool may_compose(char32_t c) {
  if (c < 0x300 || in(c, 0x3041, 0x3096) || in(c, 0x30a1, 0x30ff) || in(c, 0x4e00, 0x9fff) || in(c, 0xac00, 0xd7a3)) {
    return false;  // stable or, as the kana and Hangul, changed only by a mark or jamo that follows
  }
  if (in(c, 0x1160, 0x11ff)) return true;  // vowels and finals of Hangul, which compose by rule and stand in no table
  const utf8proc_property_t& p = property(c);
  const bool mark =
      p.category == UTF8PROC_CATEGORY_MN || p.category == UTF8PROC_CATEGORY_MC || p.category == UTF8PROC_CATEGORY_ME;
  return mark || p.combining_class != 0 || (p.decomp_seqindex != UINT16_MAX && p.decomp_type == 0);
}

void append_nfc(std::string& out, std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  utf8proc_ssize_t size = -1;
  if (!has_endless_marks(text)) {
    size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                        &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  if (size < 0) {
    out.append(text);
  } else {
    out.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
  }
  std::free(composed);
}

}  // namespace outrigger::chat
