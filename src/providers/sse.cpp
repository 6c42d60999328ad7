#include "providers/sse.h"

#include <utility>

namespace outrigger::providers {
namespace {

constexpr std::string_view k_byte_order_mark = "\xef\xbb\xbf";

// Between events a stream may be quiet for an hour, and there are many.
void forget(std::string& text) {
  text.clear();
  if (text.capacity() > SseSplitter::k_kept_max) text.shrink_to_fit();
}

}  // namespace

std::optional<SseEvent> SseSplitter::next(std::string_view& bytes) {
  if (handed_out_) {
    handed_out_ = open_ = has_data_ = false;
    comment_only_ = true;
    forget(name_);
    forget(data_);
  }
  while (!bytes.empty() && !overflowed_) {
    const std::size_t line_end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, line_end);
    if (line_end == std::string_view::npos) {
      position_ += part.size();
      bytes = {};
      line_ += part;
      if (line_.size() + data_.size() > k_event_size_max) overflow();
      return std::nullopt;
    }
    position_ += line_end + 1;
    bytes.remove_prefix(line_end + 1);
    // The limit looks at the whole line, whether it came at once or in parts.
    if (line_.size() + part.size() + data_.size() > k_event_size_max) {
      overflow();
      break;
    }
    std::string_view line = line_.empty() ? part : std::string_view(line_ += part);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (std::exchange(at_start_, false) && line.starts_with(k_byte_order_mark)) line.remove_prefix(k_byte_order_mark.size());
    const bool blank = line.empty();
    if (!blank) take_line(line);
    forget(line_);
    if (blank && open_) return hand_out();
  }
  bytes = {};
  return std::nullopt;
}

std::optional<SseEvent> SseSplitter::rest() {
  if (overflowed_) return std::nullopt;
  std::string_view nothing;
  next(nothing);
  const std::string line = std::exchange(line_, {});
  std::string_view last = line;
  if (last.ends_with('\r')) last.remove_suffix(1);
  if (at_start_ && last.starts_with(k_byte_order_mark)) last.remove_prefix(k_byte_order_mark.size());
  if (!last.empty()) take_line(last);
  if (!open_) return std::nullopt;
  return hand_out();
}

void SseSplitter::take_line(std::string_view line) {
  open_ = true;
  if (line.front() == ':') return;
  comment_only_ = false;
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    name_ = value;
  } else if (field == "data") {
    if (has_data_) data_ += '\n';
    has_data_ = true;
    data_ += value;
  }
}

void SseSplitter::overflow() {
  overflowed_ = true;
  std::exchange(line_, {});
  std::exchange(data_, {});
}

SseEvent SseSplitter::hand_out() {
  handed_out_ = true;
  return {.name = name_, .data = data_, .has_data = has_data_, .comment_only = comment_only_, .end = position_};
}

}  // namespace outrigger::providers
