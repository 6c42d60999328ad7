// What is stored of an answer: a head, then the events in the order and the cuts in which they came; a blocking answer is one
// record. What every answer has most of takes a few bytes; everything else is kept as its JSON text.
//
// The stored form, all numbers as varints (LEB128), all texts with their length before them:
//   "ORM" version(1) checksum(8) head record*
// Keep-alives (ping) are left out, and so is the id. Reading is total: whatever stands in Redis, the result is the records or
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/answer.h"

namespace outrigger::providers::anthropic {

// Known answers stay far below it.
inline constexpr std::uint32_t k_blocks_max = 1024;

struct Record {
  enum class Kind : unsigned char {
    // A content_block_delta of which nothing else is to be said: `index`, `text`.
    text_delta = 1,
    input_json_delta,
    thinking_delta,
    signature_delta,
    block_stop,     // `index`
    message_start,  // `members` of the message, without id and usage; `usage`
    message_delta,  // `members` of the event, without type and usage; `usage`
    body,           // of a blocking answer: `members`, `usage`
    event,          // any other: its name is in `text`, its JSON in `members`
    last_one,
  };
  Kind kind = Kind::event;
  std::uint32_t index = 0;
  std::string_view text = {};
  std::string_view members = {};  // JSON text: members separated by commas, without the braces
  std::string_view usage = {};    // JSON text; empty: none was told
};

struct Head {
  bool streamed = false;
  std::string_view model = {};
  std::optional<Usage> usage = std::nullopt;
  std::uint64_t estimated_completion_tokens = 0;
};

class RecordWriter {
 public:
  void add(const Record& record);
  [[nodiscard]] std::string_view records() const { return records_; }

 private:
  std::string records_;
};

Bytes encode(const Head& head, std::string_view records);

class RecordReader {
 public:
  // Nothing unless it is whole and of this version. The views in head and records are good as long as `encoded` is.
  static std::optional<RecordReader> open(std::string_view encoded);

  [[nodiscard]] const Head& head() const { return head_; }
  // False at the end, and at the first byte that cannot be.
  bool next(Record& record);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  explicit RecordReader(std::string_view rest) : rest_(rest) {}

  Head head_;
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace outrigger::providers::anthropic
