// Pursuit: one answer, sought along a Chain of targets. The one loop for waiting, retries, fallback and hedging: with one deadline
// and one budget, it delivers the first answer that is good, or the first failure when none comes.
//
//        ┌──────────── a failure, and something is left to try ────────────┐
//        ▼                                                                 │
//   choosing ──go──► trying (one runner; two while hedging) ──committed──► delivering ──► over
//     │   ▲
//     │   └──turn──┐    choosing finds nothing: failed, with the first target's own words
//     └──wait──► waiting (in a Lane's queue, or backing off)
//
// What may be tried when is resilience/plan; what a failure means is providers/signals; nothing is tried again once the answer is
// committed. A retry (the same target once more) draws on the budget; a fallback does not, but all tries together are capped.
// Owned by a Fill; may be destroyed in any call to its handler.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/needs.h"
#include "proxy/chain.h"
#include "proxy/lanes.h"
#include "proxy/metrics.h"
#include "proxy/runner.h"

namespace outrigger::proxy {

struct PursuitOrder {
  std::shared_ptr<const Snapshot> snapshot;  // keeps what the chain refers to alive
  Chain chain;
  http::RequestHead head;  // the client's
  std::optional<Bytes> body;
  bool streamed_body = false;
  std::optional<std::uint64_t> streamed_length;
  bool streamed_answer = false;
  bool include_usage = false;                       // a stream shall tell it
  chat::Endpoint endpoint = chat::Endpoint::other;  // other: passed through, not repeated unless it was asked too fast
  bool is_background = false;                       // goes on at the provider after its answer
  bool is_paced = true;                             // false: no Lane, no waiting; nobody knows which target it is for
  std::uint64_t hold_max = 0;                       // blocking answers are watched to their end up to here
  chat::Needs needs;
  std::string asked;  // the model, as the client named it
  // Estimated: the prompt, and the most that may be answered; 0: it is not answered in words.
  std::uint64_t prompt_tokens = 0, output_tokens = 0;
  std::string account;  // whose credential is passed on: a digest

  // How long, how often. `limits.total` holds from the start to the end of the answer, whoever gives it.
  config::Timeouts limits;
  config::Retry retry;
  std::optional<config::Hedge> hedge;
  Duration patience = 240s;  // how long the client waits for the first byte
  Duration queue_wait = 20s;

  CallTrace trace;

  // For the queue.
  std::uint64_t flow = 0;  // who asks: fairness is between these
  resilience::QueueClass queue_class = resilience::QueueClass::blocking;
  resilience::Priority priority = resilience::Priority::normal;
  std::uint64_t cost = 1;  // tokens, estimated: the prompt, and the most that may be answered
};

// One try, or the reason why there was none, for the log.
struct Tried {
  std::string target;
  std::string outcome;  // "ok", "status_503", an ErrorCode, "lost" (another was faster), "unfit_vision"
  Duration took{};
};

class PursuitHandler {
 public:
  virtual void on_answer(Committed answer) = 0;
  virtual void on_answer_body(const Bytes& data) = 0;
  virtual void on_answer_end() = 0;
  virtual void on_answer_cut(Error error) = 0;
  // Nothing good came, or will. Last call.
  virtual void on_no_answer(Failure failure) = 0;
  virtual void on_upload_drained() = 0;

 protected:
  ~PursuitHandler() = default;
};

class Pursuit final : public RunnerHandler, public Waiter {
 public:
  // `order` and `context` must outlive it. `body`: what to send, if not the order's.
  Pursuit(CallContext& context, const PursuitOrder& order, std::optional<Bytes> body, PursuitHandler& handler);
  ~Pursuit();
  Pursuit(const Pursuit&) = delete;
  Pursuit& operator=(const Pursuit&) = delete;

  // Never calls the handler at once.
  void start();

  // The upload of a request whose body streams.
  void write_body(const Bytes& data);
  void end_body();
  [[nodiscard]] std::size_t unsent() const;

  // Of the committed answer.
  void read_body(bool on);
  void note_progress();
  // What it cost in tokens.
  void settle(std::uint64_t tokens);
  // It is broken after all.
  void note_broken();
  // It is over, or of no interest any more: the target is free for others.
  void end();
  [[nodiscard]] bool is_running() const { return !running_.empty(); }
  // Which target gave it; before that, the one that is asked first.
  [[nodiscard]] const Link& served_by() const { return order_.chain[serving_]; }

  // What was left out of the request for it, or changed, because it is asked on another wire.
  [[nodiscard]] const std::vector<std::string_view>& losses() const { return losses_; }

  [[nodiscard]] int attempts() const { return attempts_; }
  [[nodiscard]] const std::vector<Tried>& tried() const { return tried_; }
  [[nodiscard]] Duration waited() const { return waited_; }

 private:
  struct Step {
    std::shared_ptr<Lane> lane;
    bool is_unfit = false;  // for this request
    bool is_ready = false;  // `body` is what it shall be sent
    std::optional<Bytes> body = std::nullopt;
    bool is_spent = false;    // running, or tried
    bool has_failed = false;  // in a way that may pass
    bool was_awaited = false;
    bool was_turned_away = false;
  };
  struct Running {
    std::size_t step;
    std::unique_ptr<Runner> runner;
    std::size_t traced = 0;  // which attempt it is to the trace
  };
  struct Refusal {
    ErrorCode code;
    Duration retry_after;
  };

  void on_turn(Turn turn) override;
  void on_runner_failed(Runner& runner, Failure failure) override;
  void on_committed(Runner& runner, Committed answer) override;
  void on_runner_body(const Bytes& data) override { handler_.on_answer_body(data); }
  void on_runner_end() override;
  void on_runner_cut(Error error) override;
  void on_runner_drained() override { handler_.on_upload_drained(); }

  [[nodiscard]] MonoTime now() const { return context_.world.loop.now(); }
  void find_lanes();
  [[nodiscard]] std::optional<chat::UnfitReason> unfit(const Link& link) const;
  [[nodiscard]] MonoTime wait_until() const;
  [[nodiscard]] std::size_t attempts_max() const;
  [[nodiscard]] resilience::Choice choose(bool has_turn) const;
  [[nodiscard]] resilience::Choice choose_ready(bool has_turn);
  [[nodiscard]] bool make_ready(std::size_t index);
  void note_unfit(std::size_t index, std::string_view reason);
  void next(bool has_turn = false);
  bool retry_later();
  void give_up(std::optional<Refusal> refusal = {});
  void wait_at(std::size_t index, MonoTime until);
  void stop_waiting();
  void count_shed(std::size_t index, resilience::ShedReason reason);
  [[nodiscard]] AttemptRequest request_for(const Link& link, std::size_t key, std::optional<Bytes> body) const;
  void run(std::size_t index, Permit permit);
  void run_unwatched();
  [[nodiscard]] Duration time_for_try() const;
  void watch_for_hedge(const Lane& lane);
  void hedge(bool is_probe);
  void note_failure(std::size_t index, const Failure& failure);
  void note_tried(const Running& running, std::string outcome);
  void end_traced(const Running& running, std::string_view outcome);
  [[nodiscard]] std::vector<Running>::iterator running_of(const Runner& runner);

  CallContext& context_;
  const PursuitOrder& order_;
  std::optional<Bytes> body_;
  PursuitHandler& handler_;
  resilience::Ticket ticket_;  // how it stands in queues

  std::vector<Step> steps_;       // one for each link of the chain; none: passed through
  std::vector<Running> running_;  // before the steps are gone, whose lanes they use
  std::size_t serving_ = 0;
  int attempts_ = 0;
  std::uint32_t retries_ = 0;
  std::optional<Failure> first_failure_;
  std::optional<Refusal> refusal_;  // the last queue that was full
  std::optional<Duration> last_retry_after_;
  std::vector<std::string_view> losses_;
  std::vector<Tried> tried_;
  MonoTime begun_{};
  MonoTime deadline_{};

  Lane* waiting_at_ = nullptr;
  std::size_t waiting_step_ = 0;
  std::uint64_t place_ = 0;
  MonoTime waiting_since_{};
  Duration waited_{};
  io::Timer timer_;  // backing off, or about to give up
  io::Timer hedge_;
};

}  // namespace outrigger::proxy
