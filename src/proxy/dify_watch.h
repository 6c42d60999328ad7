// DifyWatch: what the answer to a run says of the backend and of the app, read along while it passes untouched.
//
// Dify reports a failure as a status, as an event in a stream of status 200, or as a run that has failed. What tells of the backend
// (no connection, 5xx in other words than Dify's, nothing said in time, a stream that broke) is evidence for the backend's lane.
// What tells of one app and its model provider (internal_server_error, completion_request_error, an `error` event,
// workflow_finished failed) is for the app's, and only where there is another backend to go to: elsewhere a breaker would hide the
// reason and help nobody.
//
// What the answer says is read by one RunReader (providers/dify/answer.h), which keeps it, too, if it is to be stored.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "io/world.h"
#include "providers/dify/answer.h"
#include "providers/dify/signals.h"
#include "proxy/call_trace.h"
#include "proxy/dify_admission.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class DifyWatch {
 public:
  // What is asked of whom.
  struct Subject {
    std::string_view backend;    // must outlive the watch
    bool has_elsewhere = false;  // there is another backend
    providers::dify::RunKind kind = providers::dify::RunKind::none;
    bool keep = false;  // the answer is to be stored
    CallTrace trace{};
  };
  // `metrics` must outlive it.
  DifyWatch(io::World world, Metrics& metrics, Subject subject, DifyPermits permits);

  // Nothing was sent.
  void note_unreachable(ErrorCode why);
  // Of an answer that is no stream: `signal` is what its head and body (or the beginning of it) say. `body`: of a 200, all of it, if
  // it is known.
  void note_answer(const providers::Signal& signal, std::string_view body = {});
  // A piece of a stream of events.
  void on_stream(std::string_view data);
  // The answer did not come, or broke off.
  void note_cut(ErrorCode why);
  // It ended, or is not evidence of anything: the permits go back.
  void let_go();
  // Call once, after all of the answer has come: fit for storing, or why not. Without `keep` only the reason is of use.
  std::expected<providers::Answer, chat::NoStoreReason> finish();

  // A stream has said something (no keep-alive).
  [[nodiscard]] bool has_spoken() const { return has_spoken_; }
  [[nodiscard]] MonoTime spoke_at() const { return spoke_at_; }
  // Of the call.
  [[nodiscard]] MonoTime started() const { return started_; }
  // Of a stream: nothing of an event that is not complete stands at its end.
  [[nodiscard]] bool at_boundary() const { return !reader_ || reader_->at_boundary(); }
  // Dify has said that something went wrong, or it broke off.
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  // What the answer told first that is not `ok`.
  [[nodiscard]] const providers::Signal& signal() const { return signal_; }
  // What has been read of the answer; null: no body has come yet. A whole body is understood in finish().
  [[nodiscard]] providers::dify::RunReader* reader() { return reader_ ? &*reader_ : nullptr; }
  [[nodiscard]] const providers::dify::RunReader* reader() const { return reader_ ? &*reader_ : nullptr; }

 private:
  void judge(const providers::Signal& signal, bool streamed);
  [[nodiscard]] std::optional<Permit>& permit(DifyRole role) { return permits_[static_cast<std::size_t>(role)]; }

  io::World world_;
  Metrics& metrics_;
  Subject subject_;
  DifyPermits permits_;
  MonoTime started_;
  MonoTime spoke_at_{};
  bool has_spoken_ = false;
  bool is_judged_ = false;
  bool has_failed_ = false;
  providers::Signal signal_;
  std::optional<providers::dify::RunReader> reader_;
};

}  // namespace outrigger::proxy
