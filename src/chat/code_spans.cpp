#include "chat/code_spans.h"

#include <algorithm>

namespace outrigger::chat {
namespace {

constexpr std::size_t k_fence = 3;   // backticks or tildes
constexpr std::size_t k_indent = 4;  // blanks

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), text_end_(text.find_last_not_of(" \t\r\n") + 1) {}

  std::vector<Span> run() {
    while (at_ < text_.size()) line();
    return std::move(spans_);
  }

 private:
  [[nodiscard]] std::size_t line_end(std::size_t from) const {
    const std::size_t feed = std::min(text_.find('\n', from), text_.size());
    return std::min(text_.substr(0, feed).find('\r', from), feed);
  }
  [[nodiscard]] std::size_t after_blanks(std::size_t from) const {
    while (from < text_.size() && (text_[from] == ' ' || text_[from] == '\t')) ++from;
    return from;
  }
  [[nodiscard]] std::size_t run_length(std::size_t from, char mark) const {
    return std::min(text_.find_first_not_of(mark, from), text_.size()) - from;
  }
  [[nodiscard]] bool starts_fence(std::size_t at) const {
    return at < text_.size() && (text_[at] == '`' || text_[at] == '~') && run_length(at, text_[at]) >= k_fence;
  }
  // The next backtick in [from, end), or npos. Bounded, so that many lines don't each search the whole text.
  [[nodiscard]] std::size_t backtick(std::size_t from, std::size_t end) const {
    return text_.substr(0, end).find('`', from);
  }
  void add(std::size_t begin, std::size_t end) {
    if (!spans_.empty() && begin <= spans_.back().end) {  // an indented line around inline code
      spans_.back().end = std::max(spans_.back().end, end);
    } else {
      spans_.push_back({begin, end});
    }
  }

  // One line, beginning at at_, which is a line's start.
  void line() {
    const std::size_t begin = at_;
    const std::size_t end = line_end(begin);
    const std::size_t first = after_blanks(begin);
    const std::string_view indent = text_.substr(begin, std::min(first, end) - begin);
    const bool indented = first < end && (indent.size() >= k_indent || indent.find('\t') != indent.npos);
    at_ = end + 1;
    if (first < end && text_[first] == '~' && starts_fence(first)) {
      fence(begin, end, '~', run_length(first, '~'));
    } else if (indented) {
      indented_line(begin, first, end);
    } else {
      plain(first, end, first);
    }
  }

  // A line of code may open a fence (in a list, say) whose other lines are indented less.
  void indented_line(std::size_t begin, std::size_t first, std::size_t end) {
    add(begin, std::min(end, text_end_));
    for (std::size_t at = first; (at = backtick(at, end)) != text_.npos;) {
      const std::size_t length = run_length(at, '`');
      const std::size_t close = length >= k_fence ? closing_run(at + length, end, length) : at + length;
      if (close == text_.npos) {
        fence(begin, end, '`', length);
        return;
      }
      at = close;
    }
  }

  // From `at` to `end` of a line that is not code by its indentation; spans may reach beyond the line.
  void plain(std::size_t at, std::size_t end, std::size_t first) {
    while ((at = backtick(at, end)) != text_.npos) {
      const std::size_t length = run_length(at, '`');
      std::size_t close = closing_run(at + length, end, length);
      if (close == text_.npos && length >= k_fence) {
        fence(at == first ? line_start(at) : at, end, '`', length);
        return;
      }
      if (close == text_.npos) close = closing_run_in_paragraph(at + length, length);
      if (close == text_.npos) {
        at += length;
        continue;
      }
      add(at, close);
      at = close;
      end = line_end(close);
      at_ = end + 1;
    }
  }

  [[nodiscard]] std::size_t line_start(std::size_t at) const {
    const std::size_t before = at == 0 ? text_.npos : text_.find_last_of("\r\n", at - 1);
    return before == text_.npos ? 0 : before + 1;
  }

  // The span begins at `begin`; the line that opens it ends at `end`.
  void fence(std::size_t begin, std::size_t end, char mark, std::size_t length) {
    std::size_t line = end;
    std::size_t span_end = text_.size();
    while (line < text_.size()) {
      const std::size_t start = line + 1;
      line = line_end(start);
      const std::size_t first = after_blanks(start);
      if (first >= line || text_[first] != mark) continue;
      const std::size_t closing = run_length(first, mark);
      if (closing >= length && after_blanks(first + closing) >= line) {
        span_end = first + closing;
        break;
      }
    }
    add(begin, span_end);
    at_ = line + 1;
  }

  // The end of the next run of exactly `length` backticks in [from, end).
  [[nodiscard]] std::size_t closing_run(std::size_t from, std::size_t end, std::size_t length) const {
    for (std::size_t at = from; (at = backtick(at, end)) != text_.npos;) {
      const std::size_t found = run_length(at, '`');
      if (found == length) return at + length;
      at += found;
    }
    return text_.npos;
  }

  // The same up to the paragraph's end: a blank line, a line that opens a fence, or backticks enough to open one.
  [[nodiscard]] std::size_t closing_run_in_paragraph(std::size_t from, std::size_t length) const {
    for (std::size_t at = from; at < text_.size();) {
      at = std::min(text_.find_first_of("`\n\r", at), text_.size());
      if (at == text_.size()) break;
      if (text_[at] == '`') {
        const std::size_t found = run_length(at, '`');
        if (found == length) return at + length;
        if (found >= k_fence) break;
        at += found;
        continue;
      }
      if (text_[at] == '\r' && at + 1 < text_.size() && text_[at + 1] == '\n') ++at;
      ++at;
      const std::size_t first = after_blanks(at);
      if (first == text_.size() || text_[first] == '\n' || text_[first] == '\r' || starts_fence(first)) break;
    }
    return text_.npos;
  }

  std::string_view text_;
  std::size_t text_end_;  // after it there are only blanks: outer ones, and no code
  std::size_t at_ = 0;
  std::vector<Span> spans_;
};

}  // namespace

std::vector<Span> code_spans(std::string_view text) { return Scanner(text).run(); }

}  // namespace outrigger::chat
