// DifyFlow: one client request at the dify door, from its head to the last byte of its answer.
//
//   reading ──a body that is read whole is there, or another one begins──► asking (DifyPursuit) ──► answering ──► finished
//
// What asks a model waits its turn and is watched; everything else passes at once. Whatever passes is passed as it is: bodies of any
// size piece by piece both ways, a stream's events as they come. A run's body in JSON is read whole, up to [limits] body, because it
// says who asks and how.
//
// Owned by its Exchange. finish() is the only exit and writes the access log.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "providers/dify/call.h"
#include "providers/dify/run_request.h"
#include "proxy/dify_pursuit.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class DifyDoor;

class DifyFlow final : public http::ExchangeHandler, private DifyPursuitHandler {
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
  enum class State : unsigned char { reading, asking, answering, finished };

  // Bytes may pile up to here on the way to a side that is slow, in each direction.
  static constexpr std::size_t k_unsent_max = 256 * 1024;
  // Bodies of what does not wait are read whole up to here, if they are JSON: they may say whose call it is.
  static constexpr std::uint64_t k_small_body = 64 * 1024;
  // A client that takes no byte for so long is given up (nginx's send_timeout).
  static constexpr Duration k_send_timeout = 60s;

  void on_answer(http::ResponseHead head, std::optional<Bytes> whole) override;
  void on_answer_body(const Bytes& data) override;
  void on_answer_end() override;
  void on_answer_cut(ErrorCode code) override;
  void on_no_answer(ErrorCode code, std::optional<Duration> retry_after) override;
  void on_upload(bool on) override;

  // Reading and asking.
  void name_app();
  [[nodiscard]] std::optional<std::uint64_t> whose() const;
  [[nodiscard]] bool is_paced() const { return queue_ != providers::dify::QueueClass::never; }
  void proceed();
  [[nodiscard]] DifyPursuitOrder order(Chain chain);

  // Answering.
  [[nodiscard]] http::ResponseHead answer_head(http::ResponseHead from) const;
  void write(const Bytes& data);
  void watch_client();
  void answer_error(ErrorCode code, std::optional<Duration> retry_after = {});
  void fail_answer(ErrorCode code);
  void add_own_headers(http::Headers& headers) const;
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
  DifyCaller caller_;
  bool reads_whole_ = false;
  std::string body_;
  std::unique_ptr<DifyPursuit> pursuit_;

  bool waiting_for_drain_ = false;
  io::Timer send_timer_;

  ErrorCode error_ = ErrorCode::internal;
  bool failed_ = false;
  int status_ = 0;
  std::string request_id_;
  std::uint64_t request_bytes_ = 0, sent_bytes_ = 0;
  MonoTime started_{};
  MonoTime first_byte_{};
};

}  // namespace outrigger::proxy
