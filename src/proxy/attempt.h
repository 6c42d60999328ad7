// Attempt: one try to get an answer from one target. Owns the HTTP call and its clocks.
//
//   connecting/sending ──head──► answering ──end──► over
//          └───────── error or a time limit ───────┘
//
// Clocks: `first_token` from the start to the first token (streams only: a blocking answer comes as a whole), `between_tokens`
// from one to the next, `total` for everything. Whoever reads the answer says what a token is (note_progress): keep-alive
// comments are none. The connection's own limit is the pool's.
#pragma once

#include <memory>
#include <optional>

#include "config/config.h"
#include "http/client.h"
#include "io/world.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

class AttemptHandler {
 public:
  virtual void on_attempt_head(http::ResponseHead head) = 0;
  virtual void on_attempt_body(const Bytes& data) = 0;
  // Last calls, either of them.
  virtual void on_attempt_end() = 0;
  virtual void on_attempt_failed(Error error) = 0;
  // The request body's unsent bytes have gone.
  virtual void on_attempt_drained() = 0;

 protected:
  ~AttemptHandler() = default;
};

struct AttemptRequest {
  http::RequestHead head;     // the client's, already cleaned for this target (outgoing_head)
  std::optional<Bytes> body;  // whole, or:
  bool streamed_body = false;
  std::optional<std::uint64_t> streamed_length;
  bool streamed_answer = false;  // is a stream asked for?
};

// The client's head as the target shall get it: path, Host, credential, the configured extra headers, nothing hop-by-hop.
// The credential is the upstream's own key, when it has some (`key_number` picks one of several); else the client's, if
// `passes_credential`; else none.
http::RequestHead outgoing_head(const http::RequestHead& from, const Destination& destination, std::size_t key_number,
                                bool passes_credential);

class Attempt final : private http::CallHandler {
 public:
  // `handler` must outlive the Attempt, and may destroy it in any of its methods.
  Attempt(io::Loop& loop, http::Client& client, const Target& target, const config::Timeouts& limits, AttemptRequest request,
          AttemptHandler& handler);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void write_body(const Bytes& data) { call_->write_body(data); }
  void end_body() { call_->end_body(); }
  [[nodiscard]] std::size_t unsent() const { return call_->unsent(); }
  // A token has come (or a byte, where tokens cannot be told): the clocks of a stream begin anew.
  void note_progress();
  // Off: the clocks between tokens stand still, for then it is the reader who is slow.
  void read_body(bool on);

 private:
  void on_head(http::ResponseHead head) override;
  void on_body(const Bytes& data) override;
  void on_end() override;
  void on_error(Error error) override;
  void on_drained() override;
  void give_up(ErrorCode code);
  void watch_for_stall();

  io::Loop& loop_;
  config::Timeouts limits_;
  AttemptHandler& handler_;
  bool streamed_answer_;
  bool reading_ = true;
  MonoTime last_progress_{};
  io::Timer total_;
  io::Timer progress_;  // first_token, then between_tokens
  std::unique_ptr<http::Call> call_;
};

}  // namespace outrigger::proxy
