// The stored form of a run's answer, sealed (sealed.h): both forms as templates (template.h). A piece of text whose event is the one
// before it but for the text costs the text; what both forms tell (metadata, or the outputs of a workflow) is kept once.
//
//   "ORD" version(1) checksum(8) kind flags shared body (event-flags [frame] [piece])*
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
  [[nodiscard]] std::string_view text() const { return text_; }
  void clear() { *this = EventWriter(); }

 private:
  std::string text_;
  std::string last_frame_;
};

struct StoredHead {
  RunKind kind = RunKind::none;
  bool streamed = false;
  std::string_view shared = {};  // a template, for Mark::shared
  std::string_view body = {};    // a template: the blocking form
};

Bytes encode(const StoredHead& head, std::string_view events);

class StoredReader {
 public:
  // Nothing unless it is whole and of this version. The views are good as long as `encoded` is.
  static std::optional<StoredReader> open(std::string_view encoded);

  [[nodiscard]] const StoredHead& head() const { return head_; }
  // False at the end, and at the first byte that cannot be.
  bool next(StoredEvent& event);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  explicit StoredReader(std::string_view rest) : rest_(rest) {}

  StoredHead head_;
  std::string_view rest_;
  std::string_view last_frame_;
  bool broken_ = false;
};

}  // namespace outrigger::providers::dify
