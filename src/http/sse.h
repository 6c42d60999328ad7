// Server-sent events (the WHATWG's text/event-stream): finding where events end in a flow of pieces, and reading one. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::http {

// Finds the ends of events. A line ends with CR LF, LF or CR; an event ends with an empty line. Empty lines before an event
// belong to it. However the flow is split into pieces, the ends are found at the same places: after a CR at the end of a piece
// the next byte decides, so an event that ends with a lone CR is seen one byte late.
class SseSplitter {
 public:
  // Looks at `data`, which follows all that was looked at before. The size of the front part of `data` with which an event
  // ends (0: it had ended before `data`), or nothing when none ends here and all of `data` has been looked at. After an end,
  // call again with the rest.
  std::optional<std::size_t> next(std::string_view data);
  // Does nothing of an unfinished event stand between the last end and the end of what was looked at?
  [[nodiscard]] bool at_boundary() const { return !has_content_ || (line_is_empty_ && after_cr_); }

 private:
  bool has_content_ = false;   // a line of the current event that is not empty has begun
  bool line_is_empty_ = true;  // of the current line, or with after_cr_: of the line that the CR ended
  bool after_cr_ = false;      // the last byte was a CR: an LF would belong to it
};

struct SseEvent {
  std::string_view event;  // empty: "message"
  std::string_view id;
  std::string data;           // the data lines, joined with LF
  bool has_data = false;      // a data line was there, be it empty
  bool comment_only = false;  // nothing but comments and empty lines: a keep-alive
};

// Reads one event as SseSplitter cut it. The views point into `text`.
SseEvent parse_event(std::string_view text);

}  // namespace outrigger::http
