// DifyFlow: one client request at the dify door, from its head to the last byte of its answer.
//
//   reading ──a body that is read whole is there, or another one begins──► (waiting: runs, in DifyAdmission) ──► asking
//      │                                       ▲  not sent; too many runs of the app there ─┘                      │ head
//      └──► finished ◄── the end, an error, the client gone ── answering ◄──────────────────────────────────────────┘
//
// What asks a model waits its turn and is watched (DifyWatch); everything else passes at once. Whatever passes is passed as it is:
// bodies of any size piece by piece both ways, a stream's events as they come. Two exceptions, both of runs: a body in JSON is read
// whole, up to [limits] body, because it says who asks and how; and an answer that is no stream is held until it is whole, up to
// k_hold_max, because only then it shows whether Dify was too busy for it, which is waited out.
//
// A request is sent a second time only if nothing of it was sent the first time, or if Dify said that it has not begun.
//
// Owned by its Exchange. finish() is the only exit and writes the access log.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "providers/dify/call.h"
#include "providers/dify/run_request.h"
#include "proxy/dify_admission.h"
#include "proxy/dify_call.h"
#include "proxy/dify_chain.h"
#include "proxy/dify_watch.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class DifyDoor;

class DifyFlow final : public http::ExchangeHandler, private DifyAdmissionHandler, private DifyCallHandler {
 public:
  DifyFlow(DifyDoor& door, http::Exchange& exchange);
  ~DifyFlow() override;

  // Called once by the door, before anything else.
  void begin();
  // The process goes down, or the like.
  void abandon(ErrorCode why);

  void on_body(std::string_view data) override;
  void on_body_end() override;
  void on_drained() override;
  void on_client_gone() override;

 private:
  enum class State : unsigned char { reading, waiting, asking, answering, finished };

  // Bytes may pile up to here on the way to a side that is slow, in each direction.
  static constexpr std::size_t k_unsent_max = 256 * 1024;
  // Bodies of what does not wait are read whole up to here, if they are JSON: they may say whose call it is.
  static constexpr std::uint64_t k_small_body = 64 * 1024;
  static constexpr std::size_t k_hold_max = 256 * 1024;
  // A client that takes no byte for so long is given up (nginx's send_timeout).
  static constexpr Duration k_send_timeout = 60s;

  void on_admitted(std::size_t step, DifyPermits permits) override;
  void on_refused(const Refusal& refusal) override;
  void on_call_head(http::ResponseHead head) override;
  void on_call_body(const Bytes& data) override;
  void on_call_end() override;
  void on_call_failed(Error error) override;
  void on_call_drained() override;

  // Reading and waiting.
  void name_app();
  [[nodiscard]] std::optional<std::uint64_t> whose() const;
  [[nodiscard]] bool is_paced() const { return queue_ != providers::dify::QueueClass::never; }
  void proceed();
  void wait_for_turn();
  void pass_at_once();
  void send(std::size_t step);

  // Answering.
  [[nodiscard]] bool is_stream() const;
  void begin_relay();
  void end_held();
  void note_first_event();
  [[nodiscard]] http::ResponseHead answer_head() const;
  void write(const Bytes& data);
  void watch_client();
  void answer_error(ErrorCode code, std::optional<Duration> retry_after = {});
  void fail_answer(ErrorCode code);
  void add_own_headers(http::Headers& headers) const;
  void stop_run();
  void finish(Outcome outcome);
  void log_access(Outcome outcome);
  [[nodiscard]] Outcome outcome_of_answer() const;

  DifyDoor& door_;
  http::Exchange& exchange_;
  std::shared_ptr<const Snapshot> snapshot_;
  State state_ = State::reading;
  providers::dify::Call call_kind_;
  providers::dify::QueueClass queue_ = providers::dify::QueueClass::never;
  providers::dify::RunRequest run_;
  const config::App* app_ = nullptr;  // its [[app]]; null: none
  std::string digest_;                // of the app's key; empty: the call has none
  std::string label_;                 // the app in metrics and the log
  bool reads_whole_ = false;
  std::string body_;

  Chain chain_;
  std::size_t step_ = 0;
  std::optional<DifyAdmission> admission_;
  std::optional<DifyWatch> watch_;
  std::unique_ptr<DifyCall> call_;
  http::RequestHead sent_head_;  // of a run, for its stop
  int attempts_ = 0;

  http::ResponseHead head_;  // of the answer
  bool is_held_ = false;
  std::string held_;
  bool body_sent_ = false;  // a part of a streamed request body has gone
  bool waiting_for_drain_ = false;
  io::Timer send_timer_;

  ErrorCode error_ = ErrorCode::internal;
  bool failed_ = false;
  providers::SignalKind said_ = providers::SignalKind::ok;
  int status_ = 0;
  std::string request_id_;
  std::string served_by_;
  std::uint64_t request_bytes_ = 0, sent_bytes_ = 0;
  MonoTime started_{};
  MonoTime first_byte_{};
  MonoTime first_event_{};
};

}  // namespace outrigger::proxy
