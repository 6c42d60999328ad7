// Runner: one try within a Pursuit. It asks one target and watches the answer until it can be told apart from a failure; only
// then is the answer committed, and flows on as it comes.
//
//   asking ──good head──► watching ──first token; a whole blocking answer; more than can be held──► committed ──► over
//      │                     │
//      └─ no connection      └─ an error status, an error as the first event, cut before a token ──► failed
//
// Where there is somebody else to ask, what a stream sends before its first token (its head, a role) is held back with it: nobody
// could do anything with it, and a provider that goes silent there can still be replaced. Elsewhere the first event that is no error
// commits. All understood blocking answers are delivered whole anyway.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "providers/answer.h"
#include "providers/signals.h"
#include "proxy/attempt.h"
#include "proxy/call_trace.h"
#include "proxy/interpreter.h"
#include "proxy/lane.h"
#include "proxy/metrics.h"
#include "proxy/recording.h"

namespace outrigger::proxy {

class Lanes;

// What all that call upstream share.
struct CallContext {
  io::World world;
  http::Client& client;
  Lanes& lanes;
  Metrics& metrics;
  std::size_t held = 0;  // bytes of answers that are being watched or recorded
};

// What an upstream said when it failed, for the client to hear when nothing better comes.
struct KeptAnswer {
  http::ResponseHead head;
  Bytes body;
};

struct Failure {
  ErrorCode code = ErrorCode::internal;  // upstream_status when the upstream answered with an error of its own
  std::string detail;                    // for operators
  providers::Signal signal;              // as the target's Lane was told
  std::optional<KeptAnswer> answer;
};

// An answer that is good so far.
struct Committed {
  http::ResponseHead head;
  bool sse = false;
  Recording recording;                              // what has come
  std::unique_ptr<providers::AnswerReader> reader;  // has read it; null: nobody reads along
  // Blocking answers are complete already; on_runner_end() does not follow then.
  bool is_complete = false;
  // Of a complete one with a reader: what its finish() said.
  std::optional<std::expected<providers::Answer, chat::NoStoreReason>> verdict;
};

class Runner;

// Any of these may destroy the Runner.
class RunnerHandler {
 public:
  virtual void on_runner_failed(Runner& runner, Failure failure) = 0;
  virtual void on_committed(Runner& runner, Committed answer) = 0;
  // Of the committed one.
  virtual void on_runner_body(const Bytes& data) = 0;
  virtual void on_runner_end() = 0;
  virtual void on_runner_cut(Error error) = 0;
  virtual void on_runner_drained() = 0;

 protected:
  ~RunnerHandler() = default;
};

class Runner final : public AttemptHandler {
 public:
  // Error bodies are kept up to here; longer ones are cut.
  static constexpr std::size_t k_error_body_max = 64 * 1024;
  // So much of a stream is held back while nothing in it is known to be a token: more is no prelude, but of a kind that we do not
  // know, and goes to the client as it is.
  static constexpr std::size_t k_prelude_max = 16 * 1024;

  struct Order {
    const Target* target = nullptr;
    std::string_view name;  // "upstream:model": outlives the Runner
    config::Timeouts limits;
    AttemptRequest request;
    chat::Endpoint endpoint = chat::Endpoint::other;  // the client's
    chat::Endpoint wire = chat::Endpoint::other;      // the target's; another one: it is translated
    bool include_usage = false;                       // a translated stream shall tell it
    std::uint64_t hold_max = 0;                       // blocking answers are watched to their end up to here
    std::optional<Permit> permit;                     // nothing: passed through, so whatever has a head is committed at once
    bool holds_prelude = false;                       // of a stream, until its first token
    CallTrace trace{};                                // what is told of it
    bool is_ping = false;                             // a credential check: what it finds is not held against the target
  };
  Runner(CallContext& context, Order order, RunnerHandler& handler);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void write_body(const Bytes& data) { attempt_->write_body(data); }
  void end_body() { attempt_->end_body(); }
  [[nodiscard]] bool is_over() const { return attempt_ == nullptr; }
  [[nodiscard]] std::size_t unsent() const { return attempt_ != nullptr ? attempt_->unsent() : 0; }
  void read_body(bool on);
  void note_progress();
  void settle(std::uint64_t tokens);
  // Another one was faster; this one ends.
  void outrun();
  // What was committed is broken after all.
  void note_broken();

  [[nodiscard]] bool is_probe() const { return order_.permit && order_.permit->is_probe(); }
  [[nodiscard]] MonoTime started() const { return started_; }
  // The epoch: it has not come.
  [[nodiscard]] MonoTime first_token() const { return first_token_; }
  // The status; 0: nothing has come.
  [[nodiscard]] int answered_with() const { return answered_with_; }

 private:
  enum class State : unsigned char { asking, watching, refused, committed };

  void on_attempt_head(http::ResponseHead head) override;
  void on_attempt_body(const Bytes& data) override;
  void on_attempt_end() override;
  void on_attempt_failed(Error error) override;
  void on_attempt_drained() override;

  void note_success();
  [[nodiscard]] bool is_watched() const { return order_.permit.has_value(); }
  void keep(const Bytes& data);
  void look_at_events();
  void commit();
  void end_refused();
  void pass_refusal(const Bytes& data);
  void end_blocking();
  void end_with_error_event(const Bytes& event);
  [[nodiscard]] providers::Signal read_signal(std::string_view body) const;
  void fail_with_payload(std::string_view payload, providers::Signal signal);
  void fail_in_transit(ErrorCode code, std::string detail);
  void fail(Failure failure);

  [[nodiscard]] io::Loop& loop() const { return context_.world.loop; }

  CallContext& context_;
  Order order_;
  RunnerHandler& handler_;
  std::optional<Interpreter> interpreter_;
  std::unique_ptr<Attempt> attempt_;
  State state_ = State::asking;
  MonoTime started_{};
  MonoTime first_token_{};
  bool answered_as_stream_ = false;
  int answered_with_ = 0;
  bool has_succeeded_ = false;  // as its Permit was told
  Committed answer_;
};

}  // namespace outrigger::proxy
