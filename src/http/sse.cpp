#include "http/sse.h"

namespace outrigger::http {

std::optional<std::size_t> SseSplitter::next(std::string_view data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    const char c = data[i];
    if (after_cr_) {
      after_cr_ = false;
      const bool ended = line_is_empty_ && has_content_;
      line_is_empty_ = true;
      const std::size_t end = c == '\n' ? i + 1 : i;
      if (ended) {
        has_content_ = false;
        return end;
      }
      if (c == '\n') continue;
    }
    if (c == '\r') {
      after_cr_ = true;
    } else if (c == '\n') {
      if (line_is_empty_ && has_content_) {
        has_content_ = false;
        return i + 1;
      }
      line_is_empty_ = true;
    } else {
      line_is_empty_ = false;
      has_content_ = true;
    }
  }
  return std::nullopt;
}

namespace {

// Takes the first line off the front, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos) {
    text = {};
    return line;
  }
  text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  return line;
}

}  // namespace

SseEvent parse_event(std::string_view text) {
  SseEvent event;
  bool has_field = false;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty() || line.starts_with(':')) continue;
    has_field = true;
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
      if (event.has_data) event.data += '\n';
      event.data += value;
      event.has_data = true;
    } else if (name == "event") {
      event.event = value;
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
      event.id = value;
    }
  }
  event.comment_only = !has_field;
  return event;
}

}  // namespace outrigger::http
