// Readers of answers as they pass: a stream's, which sees every event, and a blocking one's, which waits for the end.
//
//   StreamReader:  reading --error, response.failed--> failed --.
//                  reading --not understood--> relayed only: events go on, nothing is kept
//                  reading --response.completed, response.incomplete--> done: later events are none of ours
//   A body that begins with `{` is no stream, whatever its content type said: it is read as a blocking one.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/answer.h"
#include "providers/json_doc.h"
#include "providers/responses/stored.h"
#include "providers/sse.h"

namespace outrigger::providers::responses {

// What both readers gather.
struct Gathered {
  EventWriter events;
  std::string id;                                // the answer's own
  std::string response;                          // the final object, a template
  std::optional<chat::NoStoreReason> judgement;  // of the final object
  std::string model, usage_json;
  std::optional<Usage> usage;
  std::uint64_t estimated_completion_tokens = 0;
  bool has_final = false;
  bool error = false;
  bool not_understood = false;

  void take_final(yyjson_val* object);
  // Some relays leave the output of the final object empty: it is what the items were that the stream has told whole.
  void take_final(yyjson_val* object, const std::map<std::uint64_t, std::string>& items);
  // Nothing more is kept.
  void give_up();
  std::expected<Answer, chat::NoStoreReason> conclude(bool streamed);
};

class BlockingReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override { return gathered_.usage; }
  [[nodiscard]] bool saw_error() const override { return gathered_.error; }

 private:
  std::string body_;
  std::vector<Event> events_;  // stays empty
  Gathered gathered_;
};

class StreamReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_events_max = std::size_t{1} << 20;

  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  [[nodiscard]] std::optional<Usage> usage() const override { return blocking_ ? blocking_->usage() : gathered_.usage; }
  [[nodiscard]] bool saw_error() const override { return blocking_ ? blocking_->saw_error() : gathered_.error; }

 private:
  EventKind take(const SseEvent& event);
  EventKind take_known(yyjson_val* root, std::string_view type);
  void keep(yyjson_val* root, std::string_view type);
  // Deltas belong to items that have begun.
  [[nodiscard]] bool is_in_order(yyjson_val* root, std::string_view type);

  SseSplitter splitter_;
  std::vector<Event> events_;
  Gathered gathered_;
  std::unique_ptr<BlockingReader> blocking_;
  std::vector<bool> items_;                           // by output_index: has begun
  std::map<std::uint64_t, std::string> whole_items_;  // by output_index: JSON of those that are complete
  std::string frame_, delta_, object_;                // room for keep()
  Opening opening_;
};

}  // namespace outrigger::providers::responses
