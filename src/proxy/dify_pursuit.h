// DifyPursuit: one request's way to a backend of the dify door, from its turn to the last byte of the answer.
//
//   waiting (in DifyAdmission; what asks no model passes at once) ──► asking ──head──► answering ──► over
//      ▲   not sent; too many runs of the app there ──────────────────┘
//
// What passes is passed as it is. One exception: an answer to a run that is no stream is held until it is whole, up to k_hold_max,
// because only then it shows whether Dify was too busy for it, which is waited out.
//
// A request is sent a second time only if nothing of it was sent the first time, or if Dify said that it has not begun.
//
// Owned by the one whose request it is: a DifyFlow, or a DifyFill for several of them. Dropping it ends the call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "providers/dify/call.h"
#include "proxy/call_trace.h"
#include "proxy/dify_admission.h"
#include "proxy/dify_call.h"
#include "proxy/dify_chain.h"
#include "proxy/dify_watch.h"

namespace outrigger::proxy {

class DifyDoor;

// on_upload() and the beginning of an answer must not destroy the pursuit; everything else may.
class DifyPursuitHandler {
 public:
  // The answer begins; or `whole`: this is all of it, and the last call; so it is with 101, for who asked for a WebSocket
  // (take_upgraded()).
  virtual void on_answer(http::ResponseHead head, std::optional<Bytes> whole) = 0;
  virtual void on_answer_body(const Bytes& data) = 0;
  // Last calls, any of them. It ended; it broke off; there is none, and another try may succeed after `retry_after`.
  virtual void on_answer_end() = 0;
  virtual void on_answer_cut(ErrorCode code) = 0;
  virtual void on_no_answer(ErrorCode code, std::optional<Duration> retry_after) = 0;
  // A body that is sent as it comes: may it come?
  virtual void on_upload(bool on) = 0;

 protected:
  ~DifyPursuitHandler() = default;
};

// Whose request it is.
struct DifyCaller {
  const config::App* app = nullptr;  // its [[app]]; null: none
  std::string digest;                // of the app's key; empty: the call has none
  std::string label;                 // the app in metrics and the log
  std::string user;                  // empty: none is named
};

struct DifyPursuitOrder {
  std::shared_ptr<const Snapshot> snapshot;
  Chain chain;  // best first; not empty
  providers::dify::Call kind;
  providers::dify::QueueClass queue = providers::dify::QueueClass::never;
  bool streaming = false;  // of a run
  bool keep = false;       // its answer is to be stored, or told to others
  DifyCaller caller;
  CallTrace trace;
  http::RequestHead head;  // as the client sent it
  std::string peer;
  std::optional<Bytes> body;  // whole, or:
  bool streamed_body = false;
  std::optional<std::uint64_t> streamed_length;
};

class DifyPursuit final : private DifyAdmissionHandler, private DifyCallHandler {
 public:
  static constexpr std::size_t k_hold_max = 256 * 1024;

  // `door` and `handler` must outlive it.
  DifyPursuit(DifyDoor& door, DifyPursuitOrder order, DifyPursuitHandler& handler);
  DifyPursuit(const DifyPursuit&) = delete;
  DifyPursuit& operator=(const DifyPursuit&) = delete;
  ~DifyPursuit();

  // Once. May end it at once.
  void start();

  void write_body(const Bytes& data);
  void end_body();
  [[nodiscard]] std::size_t unsent() const { return call_ != nullptr ? call_->unsent() : 0; }
  // Off stops the backend, in the end.
  void read_body(bool on);
  // In on_answer() with 101: the backend's connection.
  [[nodiscard]] http::Upgraded take_upgraded() { return std::exchange(call_, nullptr)->take_upgraded(); }
  // Nobody waits for the answer any more: a run that Dify would go on with is stopped there, if the operator wants that.
  void stop_run();

  [[nodiscard]] bool is_paced() const { return order_.queue != providers::dify::QueueClass::never; }
  [[nodiscard]] int attempts() const { return attempts_; }
  // The backend that is, or was, asked last; empty: none yet.
  [[nodiscard]] const std::string& served_by() const { return served_by_; }
  // Another installation than the caller's own has answered.
  [[nodiscard]] bool is_fallback() const { return step_ >= dify_equals(*order_.snapshot); }
  [[nodiscard]] Duration waited() const { return admission_ ? admission_->waited() : Duration{}; }
  // When the answer's stream said something first (no keep-alive); the epoch: not yet.
  [[nodiscard]] MonoTime first_event() const { return first_event_; }
  [[nodiscard]] bool is_stream() const { return is_stream_; }
  // An event of ours may follow what has been passed on of a run's stream.
  [[nodiscard]] bool at_boundary() const { return is_stream_ && watch_ && watch_->at_boundary(); }
  // The same as a target; null: none yet.
  [[nodiscard]] const Target* target() const { return attempts_ > 0 ? order_.chain[step_].destination.target : nullptr; }
  // What is asked of a model, read along; null: no backend is asked.
  [[nodiscard]] const DifyWatch* watch() const { return watch_ ? &*watch_ : nullptr; }
  // What has been read of a run's answer; null: nothing yet.
  [[nodiscard]] providers::dify::RunReader* reader() { return watch_ ? watch_->reader() : nullptr; }
  [[nodiscard]] const providers::dify::RunReader* reader() const { return watch_ ? watch_->reader() : nullptr; }
  // When all of a run's 200 has come: fit for storing, or why not.
  [[nodiscard]] const std::optional<std::expected<providers::Answer, chat::NoStoreReason>>& verdict() const {
    return verdict_;
  }
  // Dify has told of a failure: its own, or its model provider's.
  [[nodiscard]] bool has_failed() const;
  [[nodiscard]] const DifyPursuitOrder& order() const { return order_; }

 private:
  void on_admitted(std::size_t step, DifyPermits permits) override;
  void on_refused(const Refusal& refusal) override;
  void on_call_head(http::ResponseHead head) override;
  void on_call_body(const Bytes& data) override;
  void on_call_end() override;
  void on_call_failed(Error error) override;
  void on_call_drained() override;

  void wait_for_turn();
  void pass_at_once();
  void send(std::size_t step);
  void note_first_event();
  void begin_answer();
  void end_held();
  void end_traced(std::string_view outcome, std::string_view problem = {});

  DifyDoor& door_;
  DifyPursuitOrder order_;
  DifyPursuitHandler& handler_;
  std::size_t step_ = 0;
  std::optional<DifyAdmission> admission_;
  std::optional<DifyWatch> watch_;
  std::unique_ptr<DifyCall> call_;
  http::RequestHead sent_head_;  // of a run, for its stop
  int attempts_ = 0;
  std::string served_by_;
  MonoTime waiting_since_{};
  std::size_t traced_ = 0;  // which attempt it is to the trace

  http::ResponseHead head_;  // of the answer
  int status_ = 0;
  bool is_stream_ = false;  // a run's, of status 200
  bool has_begun_ = false;  // the handler has the head
  bool is_held_ = false;
  std::string held_;
  bool body_sent_ = false;  // a part of a streamed request body has gone
  providers::SignalKind said_ = providers::SignalKind::ok;
  MonoTime first_event_{};
  std::optional<std::expected<providers::Answer, chat::NoStoreReason>> verdict_;
};

}  // namespace outrigger::proxy
