// DifyFlow: one client request at the dify door, from its head to the last byte of its answer.
//
//   reading ──its body is there, or another one begins──► asking ──head──► answering ──► finished
//      └── a conversation that the cache began ──► resolving ──┘
//
// Whatever passes is passed as it is: bodies of any size piece by piece both ways, a stream's events as they come. A run's body in
// JSON is read whole, up to [limits] body, because it says who asks, how and what.
//
// What is asked of Dify comes by a DifyPursuit of its own, or by a DifyFill that others may share. Whoever began the fill hears Dify
// itself, as from a pursuit; the others are told what it keeps. dify_flow.cpp has the asking, dify_cached.cpp what the cache answers
// or has made up, dify_answer.cpp the answering.
//
// A request for a WebSocket is no run and passes at once. If the backend agrees, DifyTunnel has both connections until the end, which
// is the end of the request here as well; any other answer is an answer like any.
//
// Owned by its Exchange. finish() is the only exit and writes the access log.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "providers/dify/call.h"
#include "providers/dify/run_request.h"
#include "providers/dify/swap.h"
#include "proxy/dify_fill.h"
#include "proxy/dify_infos.h"
#include "proxy/dify_judge.h"
#include "proxy/dify_live.h"
#include "proxy/dify_metrics.h"
#include "proxy/dify_tunnel.h"
#include "proxy/dify_uploads.h"
#include "proxy/metrics.h"
#include "proxy/request_trace.h"

namespace outrigger::proxy {

class DifyDoor;

class DifyFlow final : public http::ExchangeHandler, private DifyPursuitHandler, private DifyFillReader {
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
  enum class State : unsigned char { reading, resolving, asking, answering, finished };

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

  void on_fill() override;
  void on_stopped() override;

  // Reading and asking.
  void name_app();
  [[nodiscard]] std::optional<std::uint64_t> whose() const;
  // It could have been answered from a cache that its app has, so what came of that is counted.
  [[nodiscard]] bool counts_for_cache() const;
  [[nodiscard]] bool is_paced() const { return queue_ != providers::dify::QueueClass::never; }
  [[nodiscard]] std::string_view target() const;
  [[nodiscard]] Chain chain() const;
  void proceed();
  void route();
  void ask(Chain chain);
  [[nodiscard]] DifyPursuitOrder order(Chain chain);

  // What the cache answers.
  [[nodiscard]] const config::App::Cache& policy() const { return *caller_.app->cache; }
  [[nodiscard]] bool is_servable(const cache::Entry& entry) const;
  void answer_run(Chain chain);
  void join_or_lead(Chain chain, cache::EntryPtr stale);
  void leave_fill();
  [[nodiscard]] providers::dify::Fresh fresh() const;
  [[nodiscard]] bool serve_entry(const cache::EntryPtr& entry, CacheResult result);
  void remember_turn();
  void pump();
  void end_following();
  void go_alone();
  void book_saving(const cache::Meta& meta, double usd);
  [[nodiscard]] bool serve_info();
  void note_info(const http::ResponseHead& head);

  // What the cache has made up.
  [[nodiscard]] bool answer_minted();
  void answer_notice(providers::dify::IdKind kind);
  void on_resolved(const DifyLive::Resolved& resolved);

  // Answering.
  void note_app(const http::ResponseHead& head);
  void respond_own(int status, const Bytes& body, std::string_view content_type = "application/json");
  [[nodiscard]] http::ResponseHead answer_head(http::ResponseHead from) const;
  void write(const Bytes& data);
  void watch_client();
  void answer_error(ErrorCode code, std::optional<Duration> retry_after = {});
  void fail_answer(ErrorCode code);
  // A WebSocket: from its 101 on, until one of both sides is gone.
  void open_tunnel(http::ResponseHead head);
  void on_tunnel_over(std::optional<ErrorCode> why);
  void add_own_headers(http::Headers& headers) const;
  void finish(Outcome outcome);
  [[nodiscard]] DifyRun sum_up(Outcome outcome) const;
  void log_access(const DifyRun& run);
  // What is told of it in traces: dify_trace.cpp.
  [[nodiscard]] CallTrace call_trace() const;
  void end_trace(Outcome outcome);
  [[nodiscard]] std::string trace_id() const;
  [[nodiscard]] Outcome outcome_of_answer() const;
  // Of what this client has asked of Dify; null: nothing.
  [[nodiscard]] const DifyPursuit* pursuit() const;
  // The backend whose answer it is.
  [[nodiscard]] std::string_view served_by() const;
  void note_change();

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
  RunJudgement judgement_;
  CacheResult result_ = CacheResult::bypass;
  Bytes asked_;  // the body of a run that the cache may answer
  DifyFill* fill_ = nullptr;
  bool leads_ = false;
  bool has_gone_alone_ = false;
  struct Minted {
    providers::dify::Uuid task, message, conversation, run;
  };
  Minted minted_{};  // what a client who did not get Dify's own answer knows it by
  providers::dify::RunTeller teller_;
  std::optional<DifyUploadWatch> upload_;
  std::optional<DifyInfos::Info> info_;  // being read
  bool says_name_ = false;               // the answer is what Dify says of an app that has no name yet
  std::string info_body_;                // of either
  std::string minted_conversation_;      // as the client knows it; empty: by Dify's id
  std::string target_;                   // with Dify's id in it; empty: the client's
  std::optional<providers::dify::IdSwap> swap_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();

  std::optional<DifyTunnel> tunnel_;
  bool waiting_for_drain_ = false;
  io::Timer send_timer_;

  ErrorCode error_ = ErrorCode::internal;
  bool failed_ = false;
  int status_ = 0;
  std::string request_id_;
  std::string served_by_;  // of a stored answer
  std::uint64_t request_bytes_ = 0, sent_bytes_ = 0;
  std::optional<Duration> age_;  // of a stored answer
  double saved_usd_ = 0;
  std::uint64_t saved_tokens_ = 0;
  std::unique_ptr<RequestTrace> trace_;  // null: it is not traced
  MonoTime started_{};
  MonoTime first_byte_{};
};

}  // namespace outrigger::proxy
