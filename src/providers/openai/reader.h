// Readers of answers as they pass: a stream's, which sees every event, and a blocking one's, which waits for the end.
//
//   StreamReader:  reading --error--> failed --.
//                  reading --not understood--> relayed only: events go on, nothing is kept
//                  reading --[DONE]--> done: later events are none of ours
//   A body that begins with `{` is no stream, whatever its content type said: it is read as a blocking one.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/openai/chunk.h"
#include "providers/openai/pieces.h"
#include "providers/openai/verdict.h"
#include "providers/sse.h"

namespace outrigger::providers::openai {

// What both readers gather.
struct Gathered {
  PieceWriter pieces;
  std::string model;
  std::optional<UsageTold> usage;
  bool error = false;
  bool not_understood = false;

  // Takes what `chunk` holds, unless it is of no use any more.
  void take(Chunk& chunk);
  std::expected<Answer, chat::NoStoreReason> conclude(Form form, bool streamed, Ending ending);
};

class BlockingReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

  explicit BlockingReader(Form form) : form_(form) {}
  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override;
  [[nodiscard]] bool saw_error() const override { return gathered_.error; }

 private:
  Form form_;
  std::string body_;
  std::vector<Event> events_;  // stays empty
  Gathered gathered_;
};

class StreamReader final : public AnswerReader {
 public:
  // A reader of a million events has been fooled: the longest answers have some 100,000 tokens.
  static constexpr std::size_t k_events_max = std::size_t{1} << 20;

  explicit StreamReader(Form form) : form_(form) {}
  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override;
  [[nodiscard]] bool saw_error() const override;

 private:
  EventKind take(const SseEvent& event);
  EventKind kind_of_chunk();
  // How the body ended, once what stood there without a blank line is taken as well.
  // `unterminated`: the last event, where it is whole but for its blank line.
  Ending end(std::optional<Event>& unterminated);

  Form form_;
  SseSplitter splitter_;
  Chunk chunk_;
  std::vector<Event> events_;
  Gathered gathered_;
  std::unique_ptr<BlockingReader> blocking_;
  Opening opening_;
  bool had_delta_ = false;  // text came in deltas, so a closing summary only repeats it
  bool done_ = false;
};

}  // namespace outrigger::providers::openai
