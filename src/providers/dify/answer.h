// Answers of runs: read from Dify's wire as they pass, kept, and told again to somebody else in either form. Pure.
//
//   streamed:  silence (pings) --first event--> begun --message_end, workflow_finished--> ended
//              begun --error, workflow_finished with failed--> failed
//              begun --anything that is not Dify's--> not understood: relayed only
//   blocking:  everything is known in finish()
//
// Stored is only what ended well: `message_end`, of a run with a workflow also `workflow_finished` with `succeeded`, with
// something in it, replaced by no moderation, and without files, whose links expire.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "providers/answer.h"
#include "providers/dify/call.h"
#include "providers/dify/stored.h"
#include "providers/dify/template.h"
#include "providers/json_doc.h"
#include "providers/signals.h"
#include "providers/sse.h"

namespace outrigger::providers::dify {

// What a run has cost, as Dify told it.
struct Spent {
  std::uint64_t prompt_tokens = 0;  // zero for workflows, which tell only the total
  std::uint64_t completion_tokens = 0;
  std::uint64_t total_tokens = 0;
  double price = 0;      // workflows do not tell any
  std::string currency;  // "USD"; may be empty
};

// Reads the body of a 200. Push parser: any split gives the same result. (Errors with a status of their own: signals.h.)
class RunReader final : public AnswerReader {
 public:
  static constexpr std::size_t k_kept_max = std::size_t{16} << 20;  // a longer answer is watched, and not kept
  static constexpr std::size_t k_events_max = std::size_t{1} << 20;

  // `keep`: is it to be stored, or told to others? Otherwise it is only watched: of a stream nothing is held but the event that is coming, events()
  // and Answer::encoded stay empty.
  RunReader(RunKind kind, bool streamed, bool keep) : kind_(kind), streamed_(streamed), keep_(keep) {}

  void feed(std::string_view data) override;
  [[nodiscard]] const std::vector<Event>& events() const override { return events_; }
  std::expected<Answer, chat::NoStoreReason> finish() override;
  // Workflows: the total as completion tokens.
  [[nodiscard]] std::optional<Usage> usage() const override;
  [[nodiscard]] bool saw_error() const override { return error_; }
  // A stop of this task has been asked for. Dify ends a chat that was stopped as if it were whole, so nothing of it may be kept.
  void note_stop() { unfinished_ = true; }

  // Streams: an event has come that is no keep-alive.
  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] const RunIds& ids() const { return ids_; }
  // Of the first trouble told inside the answer; else `ok`.
  [[nodiscard]] const Signal& signal() const { return signal_; }
  // That trouble was the first that was said at all.
  [[nodiscard]] bool failed_at_once() const { return failed_at_once_; }
  // Dify has said that the run is over, or waits for somebody, well or not.
  [[nodiscard]] bool is_over() const { return error_ || unfinished_ || message_ended_ || run_ended_; }
  // Streams: an event of ours could follow here.
  [[nodiscard]] bool at_boundary() const { return splitter_.at_boundary(); }
  // All of it has come, and successfully. (What comes after it is still relayed.)
  [[nodiscard]] bool ended_well() const;
  [[nodiscard]] const std::optional<Spent>& spent() const { return spent_; }

  // What it has cost, as far as Dify told it in dollars; else 0.
  [[nodiscard]] double usd() const { return spent_ && spent_->currency == "USD" ? spent_->price : 0; }

  // For RunTeller: the events kept so far, and what they share.
  [[nodiscard]] std::string_view kept() const { return kept_.text(); }
  [[nodiscard]] std::string_view shared() const { return shared_; }
  // Everything that has come is in kept().
  [[nodiscard]] bool keeps_all() const { return keep_ && understood_ && !too_large_; }

 private:
  void note(const SseEvent& event);
  EventKind take(const SseEvent& event);
  EventKind take_known(yyjson_val* root, std::string_view type);
  EventKind take_end_of_run(yyjson_val* root);
  EventKind fail(yyjson_val* root);
  void take_end_of_message(yyjson_val* root);
  void take_metadata(yyjson_val* metadata);
  void learn(yyjson_val* root);
  void keep(yyjson_val* root, std::string_view type);
  void keep_body_of(yyjson_val* end);
  void keep_blocking(yyjson_val* root);
  void keep_as_stream(yyjson_val* root, std::string_view answer);
  void add(std::string_view frame, std::string_view piece = {});
  [[nodiscard]] std::optional<chat::NoStoreReason> refusal() const;
  std::expected<Answer, chat::NoStoreReason> conclude();
  std::expected<Answer, chat::NoStoreReason> finish_blocking();
  void too_large();

  const RunKind kind_;
  const bool streamed_;
  const bool keep_;

  SseSplitter splitter_;
  std::vector<Event> events_;
  std::string body_;  // blocking
  RunIds ids_;
  Signal signal_;
  std::optional<Spent> spent_;
  std::uint64_t answer_tokens_ = 0;  // estimate
  std::string last_words_;           // the end of the answer so far: where a signed link could begin

  std::string_view mode_ = "chat";
  bool bytes_ = false, begun_ = false, error_ = false, failed_at_once_ = false, understood_ = true, replaced_ = false,
       files_ = false;
  bool too_large_ = false;
  bool says_something_ = false;                     // a piece of answer, or outputs
  bool run_open_ = false;                           // workflow_started
  bool message_ended_ = false, run_ended_ = false;  // well
  bool unfinished_ = false;                         // stopped, paused, in part

  EventWriter kept_;
  std::string shared_, frame_, piece_;
  std::string body_frame_;  // the blocking form, a template
};

// An answer on the wire for anybody, and the places where it differs for each. Ids and times have fixed widths in `text` (36
// characters, 10 digits); `user` is put in.
struct RunPlace {
  enum class Kind : unsigned char { task, message, conversation, run, time, user } kind;
  std::uint32_t offset;
};
struct RenderedRun {
  Bytes text;
  std::vector<RunPlace> places;  // in order
  double usd = 0;                // what the run has cost; 0: nothing is known
};

// The stored answer as a whole body: `stream` SSE in the original pieces, or natural ones if the answer was blocking, without
// keep-alives; else JSON. Usage and prices are zero. Nothing when `encoded` is not readable or of another kind of run.
std::optional<RenderedRun> render_run(RunKind kind, std::string_view encoded, bool stream);

using Uuid = std::array<char, 36>;
// Version 4 (RFC 9562) of two random words.
Uuid uuid_of(std::uint64_t high, std::uint64_t low);

struct Fresh {
  Uuid task, message, conversation, run;
  std::string_view user = {};  // who asks now
  std::int64_t now = 0;        // seconds since 1970
};
Bytes personalise(const RenderedRun& rendered, const Fresh& fresh);

// Tells a run to somebody else while it is still being read, event by event, a failure told inside it, too.
class RunTeller {
 public:
  // What `reader`, a keeping one of a stream and the same each time, has kept since the last call, as render_run() would write it;
  // empty: nothing new.
  Bytes next(const RunReader& reader, const Fresh& fresh);

 private:
  EventCursor cursor_;
};

}  // namespace outrigger::providers::dify
