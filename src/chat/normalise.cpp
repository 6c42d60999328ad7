#include "chat/normalise.h"

#include <algorithm>
#include <cstring>

#include "chat/code_spans.h"
#include "chat/unicode.h"

namespace outrigger::chat {
namespace {

bool is_joiner(char32_t c) { return c == k_zwj || c == k_zwnj; }
bool is_blank(char32_t c) { return c == '\t' || is_line_end(c) || is_space(c) || is_invisible(c); }

// --- Is there anything to do? Most texts have their form already, so this pass is what counts. ---

using Bytes16 = unsigned char __attribute__((vector_size(16)));
using Signed16 = signed char __attribute__((vector_size(16)));
using Words2 = unsigned long long __attribute__((vector_size(16)));
constexpr std::size_t k_lanes = 16;

// ASCII that stays as it is, apart from doubled spaces.
constexpr bool is_plain_ascii(unsigned char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\0'; }

bool any(Signed16 lanes) {
  const auto words = reinterpret_cast<Words2>(lanes);
  return (words[0] | words[1]) != 0;
}

// Past whole vectors of ASCII that stays, without doubled spaces. Wants one byte more than it looks at.
std::size_t after_plain_vectors(std::string_view text, std::size_t at) {
  for (; at + k_lanes < text.size(); at += k_lanes) {
    Signed16 here;
    Signed16 next;
    std::memcpy(&here, text.data() + at, k_lanes);
    std::memcpy(&next, text.data() + at + 1, k_lanes);
    const auto doubled = (here == ' ') & (next == ' ');
    const auto below = here < 0x20;  // signed: all that is not ASCII as well
    if (!any(below | (here == 0x7f) | doubled)) continue;
    // Not one of the usual characters alone, but some controls stay too.
    const auto stays = (here == '\n') | (here == '\t') | (here == '\0');
    if (any((below & ~stays) | (here == 0x7f) | doubled)) break;
  }
  return at;
}

bool may_change(char32_t c) {
  if (c < 0x300) return c < 0xa1 || c == 0xad;  // controls, the no-break space, the soft hyphen
  return may_compose(c) || is_space(c) || is_line_end(c) || is_invisible(c) || is_joiner(c);
}

// Past one character that stays, and past the blanks after a line end; npos if the character may have to change.
std::size_t after_unchanged(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) {
    if (byte == '\n') return std::min(text.find_first_not_of(' ', at + 1), text.size());
    const bool doubled = byte == ' ' && at + 1 < text.size() && text[at + 1] == ' ';
    return is_plain_ascii(byte) && !doubled ? at + 1 : text.npos;
  }
  // Han (U+4E00 to U+9FFF) and its punctuation (U+3001 to U+3020, U+FF01 to U+FF60).
  const auto next = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (byte >= 0xe4 && byte <= 0xe9 && (byte != 0xe4 || next(1) >= 0xb8)) return at + 3;
  if (byte == 0xe3 && next(1) == 0x80 && next(2) > 0x80 && next(2) <= 0xa0) return at + 3;
  if (byte == 0xef && ((next(1) == 0xbc && next(2) > 0x80) || (next(1) == 0xbd && next(2) <= 0xa0))) return at + 3;
  return may_change(next_code_point(text, at)) ? text.npos : at;
}

// The first byte of U+5000 to U+9FFF.
bool is_common_han(char byte) {
  return static_cast<unsigned char>(byte) >= 0xe5 && static_cast<unsigned char>(byte) <= 0xe9;
}

// True when append_safe would surely not change the text.
bool is_safe_already(std::string_view text, Edges edges) {
  if (text.empty()) return true;
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  if ((edges.trim_front && blank(text.front())) || (edges.trim_back && blank(text.back()))) return false;
  for (std::size_t at = 0; at < text.size();) {
    at = after_plain_vectors(text, at);
    // As far as the vectors could not go, and on to the next ASCII.
    const std::size_t end = std::min(at + k_lanes, text.size());
    while (at < end || (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80)) {
      while (at + 3 <= text.size() && is_common_han(text[at])) at += 3;
      if (at == text.size()) return true;
      at = after_unchanged(text, at);
      if (at == text.npos) return false;
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
      if (text[at] > ' ' && text[at] < 0x7f) {
        at = keep_ascii(text, at);
        continue;
      }
      const char32_t c = next_code_point(text, at);
      if (c == '\r' && at < text.size() && text[at] == '\n') continue;
      one(c, text, at);
    }
    composed_ = composed_ || composes_;
    if (composes_) {
      append_nfc(out_, piece_);
    } else {
      out_.append(piece_);
    }
  }
  [[nodiscard]] bool composed() const { return composed_; }

 private:
  // Keeps a run of ASCII that stays as it is, from a visible character on; returns its end.
  std::size_t keep_ascii(std::string_view text, std::size_t at) {
    std::size_t end = after_plain_vectors(text, at);
    if (end == at) {
      while (end < text.size() && text[end] > ' ' && text[end] < 0x7f) ++end;
    }
    const std::string_view run = text.substr(at, end - at);
    piece_.append(run);
    before_ = base_ = static_cast<unsigned char>(run.back());
    const std::size_t line_end = run.rfind('\n');
    line_start_ = line_end != run.npos && run.find_first_not_of(" \t", line_end + 1) == run.npos;
    return end;
  }

  void one(char32_t c, std::string_view text, std::size_t at) {
    if (is_line_end(c)) {
      put('\n');
      line_start_ = true;
      return;
    }
    if (is_invisible(c)) return;
    if (is_joiner(c)) {
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
  bool composes_ = false;  // this piece has to be brought to form C
  bool composed_ = false;  // some piece had
};

// Blanks at a line's beginning that make code of it (code_spans.h).
bool makes_code(std::string_view blanks) {
  return blanks.find('\t') != blanks.npos || std::count(blanks.begin(), blanks.end(), ' ') >= 4;
}

bool has_indented_line(std::string_view text) {
  for (std::size_t at = 0; (at = text.find_first_of("\r\n", at)) != text.npos;) {
    ++at;
    const std::size_t first = std::min(text.find_first_not_of(" \t", at), text.size());
    if (first < text.size() && text[first] != '\n' && text[first] != '\r' && makes_code(text.substr(at, first - at)))
      return true;
    at = first;
  }
  return false;
}

// Blank lines go, and so does what the first line is indented by, unless that makes it code among other code.
std::string_view trim_front(std::string_view text) {
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = next_code_point(text, at);
    if (is_line_end(c)) {
      line = at;
    } else if (!is_blank(c) && !is_joiner(c)) {  // a joiner with nothing before it joins nothing
      const bool code = makes_code(text.substr(line, here - line)) && has_indented_line(text.substr(here));
      return text.substr(code ? line : here);
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

struct Cleaned {
  std::string text;
  bool settled;  // cleaning it again would surely change nothing
};

Cleaned cleaned(std::string_view text, Edges edges) {
  if (edges.trim_front) text = trim_front(text);
  std::string out;
  out.reserve(text.size());
  Cleaner cleaner(out);
  const std::vector<Span> spans = code_spans(text);
  std::size_t at = 0;
  std::size_t keep = 0;
  for (const Span& span : spans) {
    cleaner.plain(text.substr(at, span.begin - at), at == 0);
    out.append(text.substr(span.begin, span.end - span.begin));
    at = span.end;
    keep = out.size();
  }
  cleaner.plain(text.substr(at), at == 0);
  if (edges.trim_back) trim_back(out, keep);
  return {std::move(out), spans.empty() && !cleaner.composed()};
}

// The text without the outer blanks that certainly go: those at its end may stand in code that never closes.
std::string_view without_outer_blanks(std::string_view text, Edges edges) {
  if (edges.trim_front && !text.empty() && is_blank(static_cast<unsigned char>(text.front()))) text = trim_front(text);
  if (!edges.trim_back || text.empty() || !is_blank(static_cast<unsigned char>(text.back()))) return text;
  if (text.find('`') != text.npos || text.find('~') != text.npos) return text;
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

void append_safe(std::string& out, std::string_view text, Edges edges) {
  // A blank left at the end of a template is the usual thing to be changed; it alone does not need the long way.
  if (const std::string_view inner = without_outer_blanks(text, edges); is_safe_already(inner, edges)) {
    out.append(inner);
    return;
  }
  const Cleaned once = cleaned(text, edges);
  // Taking something away can change what is code (a zero-width space between backticks). Then the text stands as it came: a
  // form that is not its own form would be shared by texts that differ in more than their looks.
  const bool settled = once.settled || once.text == text || cleaned(once.text, edges).text == once.text;
  out.append(settled ? std::string_view(once.text) : text);
}

}  // namespace outrigger::chat
