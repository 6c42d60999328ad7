// DifyFill: one run at Dify for everybody who asks the same. It looks into the second cache tier, has the run made, stores the answer
// if it may be stored, and tells it to the others in their own form, with ids of their own.
//
//   looking_up ──found fresh──────────────────────► complete (found() set)
//       │ not found
//   asking ──head──► answering ──end──► complete
//       └── error ──────┴── error ────► failed     (or complete with a stale answer, when there is one and nobody has had a byte)
//
// The one who began it, the leader, is served as if it were alone: byte by byte what Dify says, with Dify's ids, because the run, its
// conversation and its task are that one's. The others follow: streams event by event (RunTeller), whole answers when it is complete.
//
// Owned by DifyFills. The leader may leave and the others go on; when the last one leaves, the run is stopped.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/store.h"
#include "proxy/dify_pursuit.h"

namespace outrigger::proxy {

class DifyFills;

// May leave in either call.
class DifyFillReader {
 public:
  // Something has changed: look for yourself.
  virtual void on_fill() = 0;
  // Its task has been stopped: it has heard the last.
  virtual void on_stopped() = 0;

 protected:
  ~DifyFillReader() = default;
};

struct DifyFillOrder {
  DifyPursuitOrder run;
  chat::Key key{};
  std::string identity;
  cache::Meta meta;  // stored_at and tokens are filled in at the end
  std::uint64_t max_entry = 0;
  bool look_up = false;     // ask the second tier first
  bool serve_found = true;  // false: observe mode, only note that it would have been a hit
  std::optional<Duration> max_age;
  cache::EntryPtr stale;  // for when Dify fails
};

class DifyFill final : private DifyPursuitHandler {
 public:
  enum class State : unsigned char { looking_up, asking, answering, complete, failed };

  // `leader` is told on_fill() of what was found; everything that Dify says, `handler` hears.
  DifyFill(DifyFills& owner, DifyFillOrder order, DifyFillReader& leader, DifyPursuitHandler& handler);
  DifyFill(const DifyFill&) = delete;
  DifyFill& operator=(const DifyFill&) = delete;

  // Once, when the leader knows of it. May end it at once.
  void begin();
  // `task`: by which it knows the run.
  void follow(DifyFillReader& reader, std::string task);
  void leave(DifyFillReader& reader);
  // The leader takes no more for now.
  void hold(bool on);

  [[nodiscard]] State state() const { return state_; }
  // The stored answer that ended the search; null: the answer comes from Dify. Not fresh: in place of a failure.
  [[nodiscard]] const cache::EntryPtr& found() const { return found_; }
  [[nodiscard]] bool is_stale() const { return is_stale_; }
  [[nodiscard]] bool would_have_hit() const { return would_have_hit_; }

  // From `answering` on: a stream, as far as it has been read; null: none, or it is not to be told to others.
  [[nodiscard]] const providers::dify::RunReader* reader() const;
  // When `complete`: the answer, ready to be told in either form; null: it cannot be.
  [[nodiscard]] const cache::EntryPtr& entry() const { return entry_; }
  // When `complete`: an answer that is no run's but an error, for everybody.
  struct Refusal {
    int status = 0;
    std::string content_type;
    Bytes body;
  };
  [[nodiscard]] const std::optional<Refusal>& refusal() const { return refusal_; }
  // When `failed`.
  [[nodiscard]] ErrorCode error() const { return error_; }
  [[nodiscard]] const std::optional<Duration>& retry_after() const { return retry_after_; }

  // All but its run, which is the pursuit's once it is asked for.
  [[nodiscard]] const DifyFillOrder& order() const { return order_; }
  [[nodiscard]] const CallTrace& trace() const { return pursuit_ != nullptr ? pursuit_->order().trace : order_.run.trace; }
  // The digest of the app's key.
  [[nodiscard]] const std::string& app() const { return app_; }
  [[nodiscard]] const DifyPursuit* pursuit() const { return pursuit_.get(); }
  // A change or a purge: what was asked before is not stored after it, and what was stored before does not stand in for it.
  void forget() {
    storing_forbidden_ = true;
    order_.stale = nullptr;
  }
  // A client wants that task stopped. True: that is done, for it was one of several who wait for the run. False: it is another's, or
  // Dify has to be told.
  [[nodiscard]] bool stop(std::string_view task);
  // What the run has cost, as far as Dify told it.
  [[nodiscard]] double usd() const;

 private:
  friend class DifyFills;
  // Nobody waits for it any more.
  void let_go();

  void on_answer(http::ResponseHead head, std::optional<Bytes> whole) override;
  void on_answer_body(const Bytes& data) override;
  void on_answer_end() override;
  void on_answer_cut(ErrorCode code) override;
  void on_no_answer(ErrorCode code, std::optional<Duration> retry_after) override;
  void on_upload(bool on) override;

  void on_looked_up(cache::Store::Found found);
  void ask();
  [[nodiscard]] bool serve_stale();
  void end(State how);
  void judge();
  void refuse_storing(chat::NoStoreReason reason);
  void control_flow();
  void notify();

  DifyFills& owner_;
  DifyFillOrder order_;
  const std::string app_;
  State state_ = State::looking_up;
  DifyFillReader* leader_;       // null: left
  DifyPursuitHandler* handler_;  // the leader's
  struct Follower {
    DifyFillReader* reader;  // null: left during notify()
    std::string task;
  };
  std::vector<Follower> followers_;
  bool notifying_ = false;
  bool held_ = false;

  std::unique_ptr<io::Pending> lookup_;
  std::unique_ptr<DifyPursuit> pursuit_;
  WallTime asked_{};
  cache::EntryPtr found_;
  bool is_stale_ = false;
  bool would_have_hit_ = false;
  cache::EntryPtr entry_;
  std::optional<Refusal> refusal_;
  bool storing_forbidden_ = false;
  ErrorCode error_ = ErrorCode::internal;
  std::optional<Duration> retry_after_;
};

}  // namespace outrigger::proxy
