// Fill: one answer being fetched, for everybody who waits for it. It looks into the second cache tier, calls upstream, records
// what comes, judges whether it may be stored, and lets its readers pull from the recording, each from where it stands.
//
//   looking_up ──found fresh──────────────────────────────► complete (found() set)
//       │ not found
//   calling ──head──► answering ──end──► complete
//       └────── error ──────┴─ error ──► failed          (or complete with a stale answer, when one is at hand and no
//                                                         reader has had a byte)
//
// Whom it calls, how often and in which order is its Pursuit's business: what comes from there is an answer worth having, or the
// end of all hope.
//
// A Fill belongs to Fills, not to the request that began it: that client may leave and the others go on. When the last reader
// leaves, the call upstream is cancelled. Requests that share nothing (pass-through, bypass) have a Fill of their own.
//
// Back-pressure. While the recording may still become a stored answer it is kept whole, up to max_entry. Otherwise only a
// window is kept: the source is paused while the slowest reader is more than k_window behind, and a reader who holds up others
// in this way for k_patience is cut off.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/store.h"
#include "proxy/bill.h"
#include "proxy/embedding_batch.h"
#include "proxy/pursuit.h"
#include "proxy/recording.h"

namespace outrigger::proxy {

class Fill;
class Fills;

// A reader pulls: it is told that something changed and looks for itself. It may detach in the call.
class FillReader {
 public:
  virtual void on_fill() = 0;
  // How far it has read the recording; what lies before the slowest reader may be forgotten.
  [[nodiscard]] virtual std::uint64_t position() const = 0;
  // It held up others for too long and is cut off; it is detached already.
  virtual void on_cut_off() = 0;
  // The source's send buffer is empty again (for the reader that uploads).
  virtual void on_upload_drained() = 0;

 protected:
  ~FillReader() = default;
};

struct FillOrder {
  PursuitOrder call;
  bool include_usage = false;  // asked of the upstream

  // Set when the answer may be stored.
  struct Storing {
    chat::Key key{};
    std::string identity;
    cache::Meta meta;  // stored_at and tokens are filled in at the end
    std::uint64_t max_entry = 0;
    std::uint32_t prompt_tokens_estimate = 0;
    UsagePolicy usage = UsagePolicy::original;
  };
  std::optional<Storing> storing;
  bool look_up = false;     // ask the second tier first
  bool serve_found = true;  // false: observe mode, only note that it would have been a hit
  std::optional<Duration> max_age;
  Duration while_revalidating{};  // how long past its time what the second tier has is served all the same
  cache::EntryPtr stale;          // for when the upstream fails
  cache::EntryPtr fixed;          // what the operator wants to be said when nothing else is left; null: the error is
  std::unique_ptr<EmbeddingBatch> batch;
  std::shared_ptr<ClientAccount> payer;  // whose money a call upstream is; null: nobody's in particular
};

class Fill final : public PursuitHandler {
 public:
  enum class State : unsigned char { looking_up, calling, answering, complete, failed };
  static constexpr std::size_t k_window = 256 * 1024;  // a few round trips' worth of a fast link
  static constexpr Duration k_patience = 5s;
  // What is held of an answer that is not to be stored (and of a whole embeddings batch), to look into it or to deliver it in one.
  static constexpr std::uint64_t k_unstored_max = 8u << 20;
  static constexpr std::uint64_t k_batch_max = 64u << 20;

  Fill(Fills& owner, FillOrder order);
  ~Fill();
  Fill(const Fill&) = delete;
  Fill& operator=(const Fill&) = delete;

  void attach(FillReader& reader);
  void detach(FillReader& reader);  // destroys the Fill later, if nobody is left
  // A reader that was behind has caught up: the source may go on.
  void reader_advanced();

  // The upload of the request that began it.
  void write_body(const Bytes& data) {
    uploaded_ += data.size();
    pursuit_->write_body(data);
  }
  void end_body() { pursuit_->end_body(); }
  [[nodiscard]] bool uploading() const { return pursuit_ != nullptr && pursuit_->is_running(); }
  [[nodiscard]] std::size_t upload_unsent() const { return pursuit_->unsent(); }
  // It is asked upstream at this moment, or answered: it does not wait for that.
  [[nodiscard]] bool has_turn() const { return state_ == State::answering || uploading(); }

  [[nodiscard]] State state() const { return state_; }
  // The stored answer that ended the search; null: the answer came from upstream, or is assembled().
  [[nodiscard]] const cache::EntryPtr& found() const { return found_; }
  // What found() is, or assembled() without an answer from upstream: fresh; just past its time, so that somebody should fetch it anew;
  // past its time, in place of an upstream that fails; or the operator's fixed words, in place of that.
  enum class Kind : unsigned char { fresh, expired, stale, fixed };
  [[nodiscard]] Kind found_kind() const { return found_kind_; }
  [[nodiscard]] bool would_have_hit() const { return would_have_hit_; }

  // From `answering` on.
  [[nodiscard]] const http::ResponseHead& head() const { return head_; }
  [[nodiscard]] bool answered_as_stream() const { return sse_; }
  // The stream's connection broke when its answer had ended, maybe within the blank line that follows the last event.
  [[nodiscard]] bool broke_after_end() const { return broke_after_end_; }
  [[nodiscard]] const Recording& recording() const { return recording_; }
  // Readers may read up to here: whole events of an understood stream, so that an error of ours can follow cleanly.
  [[nodiscard]] std::uint64_t readable() const;
  [[nodiscard]] const std::vector<providers::Event>* events() const { return reader_ ? &reader_->events() : nullptr; }
  // The recording is complete so far and will stay so: a blocking answer can be held until it is whole.
  [[nodiscard]] bool kept_whole() const { return kept_whole_; }

  // When `complete`.
  [[nodiscard]] const std::optional<Bytes>& assembled() const { return assembled_; }  // embeddings: put together from parts
  [[nodiscard]] const std::optional<providers::Answer>& answer() const { return answer_; }
  [[nodiscard]] const cache::EntryPtr& entry() const { return entry_; }  // what was stored
  [[nodiscard]] std::optional<chat::NoStoreReason> not_stored() const { return not_stored_; }
  [[nodiscard]] std::optional<providers::Usage> usage() const;

  // When `failed`; and when found_kind() is stale or fixed, unless refusal() tells why.
  [[nodiscard]] const Error& error() const { return error_; }
  // What the upstream itself said of the failure, as JSON, when it hid it in a 200.
  [[nodiscard]] const std::optional<Bytes>& error_payload() const { return error_payload_; }
  // Why its payer may not spend more, when that is the reason why it has failed, or why what was found is stale.
  [[nodiscard]] const std::optional<ClientRefusal>& refusal() const { return refusal_; }
  // When another try may succeed, if that is known.
  [[nodiscard]] const std::optional<Duration>& retry_after() const { return retry_after_; }

  [[nodiscard]] const FillOrder& order() const { return order_; }
  // The target that answered, as "upstream:model"; before that, the one that is asked first.
  [[nodiscard]] const std::string& served_by() const;
  [[nodiscard]] int attempts() const { return attempts_ + (pursuit_ ? pursuit_->attempts() : 0); }
  // All tries so far, in the order in which they ended.
  [[nodiscard]] std::vector<Tried> tried() const;
  // What was left out of the request for the target that was asked on another wire, or changed.
  [[nodiscard]] std::vector<std::string_view> losses() const {
    return pursuit_ ? pursuit_->losses() : std::vector<std::string_view>();
  }
  // What it has cost so far.
  [[nodiscard]] Spent spent() const;
  [[nodiscard]] Duration waited() const { return waited_ + (pursuit_ ? pursuit_->waited() : Duration{}); }
  [[nodiscard]] bool has_readers() const { return !readers_.empty(); }
  // A purge meant it: what was asked before is not stored after that, and what was stored before does not stand in for it.
  void forget() {
    storing_forbidden_ = true;
    order_.stale = nullptr;
    if (order_.batch) order_.batch->drop_stale();
  }
  // Ends it for all its readers, each of whom is told in its own way.
  void abandon(ErrorCode code);

 private:
  friend class Fills;
  void start();
  // Nobody reads it any more. It may die after everything around it has died, so it keeps nothing that leads there.
  void let_go();
  void on_looked_up(cache::Store::Found found);
  [[nodiscard]] bool is_servable(const cache::Entry& entry, WallTime now) const;
  [[nodiscard]] bool is_recent_enough(const cache::Entry& entry, WallTime now) const;
  void call_upstream();
  void on_refused();
  void on_answer(Committed answer) override;
  void on_answer_body(const Bytes& data) override;
  void on_answer_end() override;
  void on_answer_cut(Error error) override;
  void on_no_answer(Failure failure) override;
  void on_upload_drained() override;

  void end_answer(std::optional<std::expected<providers::Answer, chat::NoStoreReason>> verdict);
  bool serve_instead(const Failure& failure);
  [[nodiscard]] bool serve_stale();
  void end_with_words(KeptAnswer answer);
  void fail(Error error);
  void note_progress();
  void complete_batch();
  void accept_batch();
  void ask_for_everything();
  [[nodiscard]] bool limit_recording(bool is_complete);
  [[nodiscard]] bool judge_answer(std::expected<providers::Answer, chat::NoStoreReason> verdict);
  void store_answer(const providers::Answer& answer);
  void enter(State next);
  void stop_keeping_whole();
  [[nodiscard]] providers::Usage used_so_far() const;
  void settle_bill();
  void refuse_storing(chat::NoStoreReason reason);
  void control_flow();
  void drop_slowest();
  void notify();

  Fills& owner_;
  FillOrder order_;
  State state_ = State::looking_up;
  std::vector<FillReader*> readers_;  // null: left during notify()
  bool notifying_ = false;

  std::unique_ptr<io::Pending> lookup_;
  std::unique_ptr<Pursuit> pursuit_;
  Bill bill_;
  // Of pursuits before this one.
  int attempts_ = 0;
  std::vector<Tried> tried_;
  Duration waited_{};
  std::uint64_t uploaded_ = 0;  // bytes
  io::Timer patience_;
  bool source_paused_ = false;

  http::ResponseHead head_;
  bool is_answered_ = false;  // head_ is that of an answer
  bool sse_ = false;
  bool broke_after_end_ = false;
  std::size_t events_seen_ = 0;
  bool kept_whole_ = false;
  bool storing_forbidden_ = false;
  Recording recording_;
  std::unique_ptr<providers::AnswerReader> reader_;
  bool is_count_final_ = false;  // what the provider counted is all of an answer that came to its end
  std::optional<providers::Answer> answer_;
  std::optional<Bytes> assembled_;
  cache::EntryPtr entry_;
  cache::EntryPtr found_;
  Kind found_kind_ = Kind::fresh;
  bool would_have_hit_ = false;
  std::optional<chat::NoStoreReason> not_stored_;
  Error error_;
  std::optional<Bytes> error_payload_;
  std::optional<Duration> retry_after_;
  std::optional<ClientRefusal> refusal_;
  io::Timer refused_;
};

}  // namespace outrigger::proxy
