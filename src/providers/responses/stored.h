// The stored form of an answer, sealed (sealed.h): how it was told, its usage, its response object, and of a stream its events in
// the order and the cuts in which they came, all as templates (template.h). A piece of text whose event is the one before it but
// for the text costs the text; a response object that is the one before it, or the final one, costs a byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/answer.h"

namespace outrigger::providers::responses {

struct Head {
  bool streamed = false;
  std::string_view model = {};
  std::uint64_t estimated_completion_tokens = 0;
  std::optional<Usage> usage = std::nullopt;  // as the provider counted
  std::string_view usage_json = {};           // as it told it; when `usage` is there
  std::string_view response = {};             // the final object, a template
};

struct StoredEvent {
  std::string_view name;      // its type
  std::string_view frame;     // a template
  std::string_view delta;     // JSON text for the mark; may be empty
  std::string_view response;  // a template for the mark; may be empty
  bool is_final = false;      // `response` is the head's
};

class EventWriter {
 public:
  void add(const StoredEvent& event);
  void clear() { *this = EventWriter(); }
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  std::string text_;
  std::string last_frame_;
  std::string last_response_;
};

Bytes encode(const Head& head, std::string_view events);

class StoredReader {
 public:
  // Nothing unless it is whole and of this version. The views are good as long as `encoded` is.
  static std::optional<StoredReader> open(std::string_view encoded);

  [[nodiscard]] const Head& head() const { return head_; }
  // False at the end, and at the first byte that cannot be.
  bool next(StoredEvent& event);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  explicit StoredReader(std::string_view rest) : rest_(rest) {}

  Head head_;
  std::string_view rest_;
  std::string_view last_name_, last_frame_, last_response_;
  bool broken_ = false;
};

}  // namespace outrigger::providers::responses
