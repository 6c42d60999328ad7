// The stored form of a run's answer, sealed (sealed.h): both forms as templates (template.h). A piece of text whose event is the one
// before it but for the text costs the text; what both forms tell (metadata, or the outputs of a workflow) is kept once.
//
//   "ORD" version(1) checksum(8) kind flags micro-usd shared body (event-flags [frame] [piece])*
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "providers/dify/call.h"

namespace outrigger::providers::dify {

struct StoredEvent {
  std::string_view frame;  // a template: an event's data
  std::string_view piece;  // JSON text of a string, for Mark::piece; may be empty
};

class EventWriter {
 public:
  void add(const StoredEvent& event);
  // Grows at its end only.
  [[nodiscard]] std::string_view text() const { return text_; }
  void clear() { *this = EventWriter(); }

 private:
  std::string text_;
  std::string last_frame_;
};

// Where a reader of an EventWriter's text stands. The text may have grown, and moved, since the last call.
class EventCursor {
 public:
  // False at the end of `text`, and at the first byte that cannot be. The views are of `text`.
  bool next(std::string_view text, StoredEvent& event);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  std::size_t at_ = 0;
  std::size_t frame_at_ = 0, frame_size_ = 0;  // of the last frame
  bool broken_ = false;
};

struct StoredHead {
  RunKind kind = RunKind::none;
  bool streamed = false;
  std::uint64_t micro_usd = 0;   // what the run has cost, in millionths of a dollar; 0: nothing is known
  std::string_view shared = {};  // a template, for Mark::shared
  std::string_view body = {};    // a template: the blocking form
};

Bytes encode(const StoredHead& head, std::string_view events);

class StoredReader {
 public:
  // Nothing unless it is whole and of this version. The views are good as long as `encoded` is.
  static std::optional<StoredReader> open(std::string_view encoded);

  [[nodiscard]] const StoredHead& head() const { return head_; }
  bool next(StoredEvent& event) { return cursor_.next(events_, event); }
  [[nodiscard]] bool broken() const { return cursor_.broken(); }

 private:
  StoredReader() = default;

  StoredHead head_;
  std::string_view events_;
  EventCursor cursor_;
};

}  // namespace outrigger::providers::dify
