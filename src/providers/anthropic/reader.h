// Readers of answers as they pass: a stream's, which sees every event, and a blocking one's, which waits for the end.
//
//   StreamReader:  reading --error--> failed --.
//                  reading --not understood--> relayed only: events go on, nothing is kept
//                  reading --message_stop--> done: later events are none of ours
//   A block:       absent --content_block_start--> open --content_block_stop--> closed; anything else is not understood
//   A body that begins with `{` is no stream, whatever its content type said: it is read as a blocking one.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/anthropic/event.h"
#include "providers/anthropic/stored.h"
#include "providers/json_doc.h"
#include "providers/sse.h"

namespace outrigger::providers::anthropic {

// What both readers gather.
struct Gathered {
  RecordWriter records;
  std::string model;
  std::string stop_reason;
  UsageTold usage;
  std::string text;  // all that the model wrote, for an estimate of tokens
  bool says_something = false;
  bool error = false;
  bool not_understood = false;
  bool bad_input = false;  // of a call: never became a JSON object

  void keep(const Record& record);
  void misunderstood();
  // A whole input of a call.
  void take_input(yyjson_val* input);
  // What a block holds when it begins, or all of it. False when it is not of a known shape.
  bool take_block(yyjson_val* block, BlockType type);
  std::expected<Answer, chat::NoStoreReason> conclude(bool streamed, bool whole);
};

class BlockingReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override { return gathered_.usage.counts(); }
  [[nodiscard]] bool saw_error() const override { return gathered_.error; }

 private:
  void read(yyjson_val* root);

  std::string body_;
  std::vector<Event> events_;  // stays empty
  Gathered gathered_;
};

class StreamReader final : public AnswerReader {
 public:
  // A reader of a million events has been fooled: the longest answers have some 100,000 tokens.
  static constexpr std::size_t k_events_max = std::size_t{1} << 20;

  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override;
  [[nodiscard]] bool saw_error() const override;

 private:
  struct Block {
    enum class Phase : unsigned char { absent, open, closed } phase = Phase::absent;
    BlockType type = BlockType::other;
    bool has_input = false;  // told when the block began
    std::string input;       // of a call, so far
  };

  EventKind take(const SseEvent& event);
  EventKind take_known(EventType type, yyjson_val* root, std::string_view name);
  EventKind message_start(yyjson_val* root);
  EventKind block_start(yyjson_val* root);
  EventKind block_delta(yyjson_val* root);
  EventKind block_stop(yyjson_val* root);
  EventKind message_delta(yyjson_val* root);
  EventKind message_stop(yyjson_val* root);
  void keep_event(std::string_view name, yyjson_val* root);
  // The open block that the event is of; null, and not understood, when there is none.
  Block* open_block(yyjson_val* root, std::uint32_t& index);
  EventKind misunderstood() {
    gathered_.misunderstood();
    // A reader gets it all the same, and must not be called stalled while such things come.
    return EventKind::token;
  }

  SseSplitter splitter_;
  std::vector<Event> events_;
  Gathered gathered_;
  std::vector<Block> blocks_;  // by index
  std::size_t open_blocks_ = 0;
  std::unique_ptr<BlockingReader> blocking_;
  Opening opening_;
  bool started_ = false;  // message_start has come
  bool done_ = false;     // message_stop has
};

}  // namespace outrigger::providers::anthropic
