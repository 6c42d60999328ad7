#include "chat/normalise.h"

#include <array>
#include <cstring>

#include "chat/code_spans.h"
#include "chat/unicode.h"

namespace outrigger::chat {
namespace {

bool is_blank(char32_t c) { return c == '\t' || is_line_end(c) || is_space(c) || is_invisible(c); }

// --- Is there anything to do? Most texts have their form already, so this pass is what counts. ---

// 16 bytes at a time with the compiler's vector types.
using Bytes16 = unsigned char __attribute__((vector_size(16)));
using Words2 = unsigned long long __attribute__((vector_size(16)));

// ASCII that stays as it is, apart from doubled spaces.
constexpr bool is_plain_ascii(unsigned char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\0'; }

// How many bytes from `at` on are certainly ASCII that stays; a multiple of 16.
std::size_t plain_ascii_blocks(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  for (; at + 17 <= text.size(); at += 16) {
    Bytes16 here;
    Bytes16 next;
    std::memcpy(&here, text.data() + at, 16);
    std::memcpy(&next, text.data() + at + 1, 16);
    const auto control = (here < 0x20) & (here != '\n') & (here != '\t') & (here != '\0');
    const auto doubled = (here == ' ') & (next == ' ');
    const auto bad = reinterpret_cast<Words2>(control | (here >= 0x7f) | doubled);
    if ((bad[0] | bad[1]) != 0) break;
  }
  return at - begin;
}

bool may_change(char32_t c) {
  if (c < 0x300) return c < 0xa1 || c == 0xad;  // controls, the no-break space, the soft hyphen
  if ((c >= 0x3001 && c <= 0x3020) || (c >= 0xff01 && c <= 0xff60)) return false;  // CJK punctuation, full width: common
  return may_compose(c) || is_space(c) || is_line_end(c) || is_invisible(c) || c == k_zwj || c == k_zwnj;
}

// True when append_safe would surely not change the text.
bool is_safe_already(std::string_view text, Edges edges) {
  if (text.empty()) return true;
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  if ((edges.trim_front && blank(text.front())) || (edges.trim_back && blank(text.back()))) return false;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      if (const std::size_t skip = plain_ascii_blocks(text, at); skip != 0) {
        at += skip;
        continue;
      }
      if (!is_plain_ascii(byte)) return false;
      if (byte == ' ' && at + 1 < text.size() && text[at + 1] == ' ') return false;
      ++at;
    } else if (byte >= 0xe5 && byte <= 0xe9) {  // U+5000 to U+9FFF: Han
      at += 3;
    } else if (may_change(next_code_point(text, at))) {
      return false;
    }
  }
  return true;
}

// --- The change itself. ---

class Cleaner {
 public:
  explicit Cleaner(std::string& out) : out_(out) {}

  // `text` is outside code. `line_start`: nothing but blanks stands before it on its line.
  void plain(std::string_view text, bool line_start) {
    piece_.clear();
    before_ = 0;
    base_ = 0;
    line_start_ = line_start;
    composes_ = false;
    for (std::size_t at = 0; at < text.size();) {
      const char32_t c = next_code_point(text, at);
      if (c == '\r' && at < text.size() && text[at] == '\n') continue;
      one(c, text, at);
    }
    if (composes_) {
      append_nfc(out_, piece_);
    } else {
      out_.append(piece_);
    }
  }

 private:
  void one(char32_t c, std::string_view text, std::size_t at) {
    if (is_line_end(c)) {
      put('\n');
      line_start_ = true;
      return;
    }
    if (is_invisible(c)) return;
    if (c == k_zwj || c == k_zwnj) {
      const char32_t after = at < text.size() ? next_code_point(text, at) : 0;
      if (joiner_matters(c, base_, after)) put(c);
      return;
    }
    if (is_space(c)) {
      if (line_start_ || c != before_) put(c);
      return;
    }
    if (c != '\t') line_start_ = false;
    if (c >= 0x300 && may_compose(c)) composes_ = true;
    put(c);
  }

  void put(char32_t c) {
    append_utf8(piece_, c);
    before_ = c;
    if (!extends(c)) base_ = c;
  }

  std::string& out_;
  std::string piece_;
  char32_t before_ = 0;  // the last character that was kept
  char32_t base_ = 0;    // the last one that no mark extends
  bool line_start_ = true;
  bool composes_ = false;
};

// Does a line after the first begin with blanks and go on with something else?
bool has_indented_line(std::string_view text) {
  bool line_start = false;
  bool indented = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (is_line_end(c)) {
      line_start = true;
      indented = false;
    } else if (c == '\t' || is_space(c)) {
      indented = line_start;
    } else if (!is_invisible(c)) {
      if (indented) return true;
      line_start = false;
    }
  }
  return false;
}

std::string_view trim_front(std::string_view text) {
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = next_code_point(text, at);
    if (is_line_end(c)) {
      line = at;
    } else if (!is_blank(c)) {
      return text.substr(here != line && has_indented_line(text.substr(here)) ? line : here);
    }
  }
  return {};
}

// Takes blanks off the end of `out`, but none before `keep`.
void trim_back(std::string& out, std::size_t keep) {
  while (out.size() > keep) {
    std::size_t start = out.size() - 1;
    while (start > keep && (static_cast<unsigned char>(out[start]) & 0xc0) == 0x80) --start;
    std::size_t at = start;
    if (!is_blank(next_code_point(out, at))) return;
    out.resize(start);
  }
}

std::string cleaned(std::string_view text, Edges edges) {
  if (edges.trim_front) text = trim_front(text);
  std::string out;
  out.reserve(text.size());
  Cleaner cleaner(out);
  std::size_t at = 0;
  std::size_t keep = 0;
  for (const Span& span : code_spans(text)) {
    cleaner.plain(text.substr(at, span.begin - at), at == 0);
    out.append(text.substr(span.begin, span.end - span.begin));
    at = span.end;
    keep = out.size();
  }
  cleaner.plain(text.substr(at), at == 0);
  if (edges.trim_back) trim_back(out, keep);
  return out;
}

}  // namespace

void append_safe(std::string& out, std::string_view text, Edges edges) {
  if (is_safe_already(text, edges)) {
    out.append(text);
    return;
  }
  const std::string once = cleaned(text, edges);
  // Taking something away can make code out of what was none (a zero-width space between backticks). Then the text stands
  // as it came: a form that is not its own form would be shared by texts that differ in more than their looks.
  const bool settled = once == text || is_safe_already(once, edges) || cleaned(once, edges) == once;
  out.append(settled ? std::string_view(once) : text);
}

}  // namespace outrigger::chat
