// DifyWatch: what the answer to a run says of the backend and of the app, read along while it passes untouched.
//
// Dify reports a failure as a status, as an event in a stream of status 200, or as a run that has failed. What tells of the backend
// (no connection, 5xx in other words than Dify's, nothing said in time, a stream that broke) is evidence for the backend's lane.
// What tells of one app and its model provider (internal_server_error, completion_request_error, an `error` event,
// workflow_finished failed) is for the app's, and only where there is another backend to go to: elsewhere a breaker would hide the
// reason and help nobody.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "http/sse.h"
#include "io/world.h"
#include "providers/dify/signals.h"
#include "proxy/dify_admission.h"
#include "proxy/metrics.h"

namespace outrigger::proxy {

class DifyWatch {
 public:
  // Longer events are passed on and not looked at.
  static constexpr std::size_t k_event_max = 64 * 1024;

  // `backend` and `metrics` must outlive it.
  DifyWatch(io::World world, Metrics& metrics, std::string_view backend, bool has_elsewhere, DifyPermits permits);

  // Nothing was sent.
  void note_unreachable(ErrorCode why);
  // Of an answer that is no stream: `signal` is what its head and body (or the beginning of it) say.
  void note_answer(const providers::Signal& signal);
  // A piece of a stream of events.
  void on_stream(std::string_view data);
  // The answer did not come, or broke off.
  void note_cut(ErrorCode why);
  // It ended, or is not evidence of anything: the permits go back.
  void let_go();

  // A stream has said something (no keep-alive).
  [[nodiscard]] bool has_spoken() const { return has_spoken_; }
  [[nodiscard]] MonoTime spoke_at() const { return spoke_at_; }
  // Nothing of an event that is not complete stands at its end.
  [[nodiscard]] bool at_boundary() const { return splitter_.at_boundary(); }
  // The run's task, as the stream told it; empty: not yet. Letters, digits and '-' only.
  [[nodiscard]] const std::string& task() const { return task_; }
  // Dify has said that something went wrong, or it broke off.
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  // Dify has said that the run is over.
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  void look_at(std::string_view event);
  void judge(const providers::Signal& signal, bool streamed);
  [[nodiscard]] std::optional<Permit>& permit(DifyRole role) { return permits_[static_cast<std::size_t>(role)]; }

  io::World world_;
  Metrics& metrics_;
  std::string_view backend_;
  bool has_elsewhere_;
  DifyPermits permits_;
  MonoTime started_;
  MonoTime spoke_at_{};
  bool has_spoken_ = false;
  bool is_judged_ = false;
  bool has_failed_ = false;
  bool has_ended_ = false;
  http::SseSplitter splitter_;
  std::string event_;  // what has come of the current one
  bool is_long_ = false;
  std::string task_;
};

}  // namespace outrigger::proxy
