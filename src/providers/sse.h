// SseSplitter: cuts a body of server-sent events into events, however the bytes arrive. Pure.
// Takes LF and CRLF line ends, a byte order mark, comments, and fields with or without the blank after the colon.
//
//   between events --a line--> inside an event --blank line--> event handed out, between events
//   anywhere --more than k_event_size_max bytes held--> overflowed: takes everything, hands out nothing any more
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::providers {

struct SseEvent {
  std::string_view name;  // of the `event:` line; empty when there is none
  std::string_view data;  // the `data:` lines, joined with LF
  bool has_data = false;
  bool comment_only = false;
  std::size_t end = 0;  // bytes of the body up to here, the blank line included
};

// The beginning of a body that is called a stream: one that begins with `{` is none, whatever its content type said.
class Opening {
 public:
  // Of the next piece: is this the place where that shows?
  bool shows_object(std::string_view data) {
    if (has_begun_) return false;
    const std::size_t first = data.find_first_not_of(" \t\r\n");
    has_begun_ = first != std::string_view::npos;
    return has_begun_ && data[first] == '{';
  }

 private:
  bool has_begun_ = false;  // a byte that is not blank has come
};

class SseSplitter {
 public:
  static constexpr std::size_t k_event_size_max = std::size_t{8} << 20;
  static constexpr std::size_t k_kept_max = 4096;  // of the room that an event has taken, in each of three buffers

  // Takes from the front of `bytes` what belongs to the next event. Nothing: all of `bytes` was taken and no event is
  // complete. The views are good until the next call.
  std::optional<SseEvent> next(std::string_view& bytes);
  // After the last byte: what stood there without a blank line after it, as an event. Nothing if nothing did.
  std::optional<SseEvent> rest();

  [[nodiscard]] bool overflowed() const { return overflowed_; }
  // Do the bytes taken so far end where an event may begin?
  [[nodiscard]] bool at_boundary() const { return !overflowed_ && line_.empty() && (!open_ || handed_out_); }

 private:
  void take_line(std::string_view line);
  [[nodiscard]] SseEvent hand_out();
  void overflow();

  std::string line_;  // the beginning of a line whose end has not come
  std::string name_;
  std::string data_;
  std::size_t position_ = 0;  // bytes of the body taken so far
  bool at_start_ = true;      // no line has ended yet: a byte order mark may stand here
  bool open_ = false;         // a line of an event has been seen
  bool handed_out_ = false;   // name_ and data_ belong to an event that was handed out
  bool has_data_ = false;
  bool comment_only_ = true;
  bool overflowed_ = false;
};

}  // namespace outrigger::providers
