// Flow: one client request at the llm door, from its head to the last byte of its answer.
//
//   reading ──body──► judging ──► answering ──► finished
//      │                 └ (in the pool when large)
//      └ not understood: the body streams through ──► answering
//        (of a client that may not ask for everything only when enough has come to see which model it names)
//
// In `answering` the answer comes from a stored entry (hit, stale), from a Fill that others may share (miss, coalesced), or from
// one of its own (bypass, observe). What it does with a Fill depends on the two forms:
//   relay    the bytes as they come, each piece at once: streams of the form asked for, everything passed through
//   adapt    the same, event by event, with the usage chunk added or left out
//   hold     a blocking answer is delivered when it is whole, so that a failure can still become a proper error
//   convert  the other form than the one that the Fill asked for: rendered from the complete answer
//
// Owned by its Exchange. finish() is the only exit and writes the access log.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "obs/access_log.h"
#include "proxy/fills.h"
#include "proxy/judge.h"
#include "proxy/request_trace.h"

namespace outrigger::proxy {

class LlmDoor;

class Flow final : public http::ExchangeHandler, private FillReader {
 public:
  Flow(LlmDoor& door, http::Exchange& exchange);
  ~Flow() override;

  // Called once by the door, before anything else.
  void begin();

  void on_body(std::string_view data) override;
  void on_body_end() override;
  void on_drained() override;
  void on_client_gone() override;

 private:
  enum class State : unsigned char { reading, judging, answering, finished };
  enum class Mode : unsigned char { undecided, relay, adapt, hold, convert };

  // Answer bytes may pile up to here before the recording is left to hold the rest.
  static constexpr std::size_t k_unsent_max = 256 * 1024;
  // Bodies that are understood are parsed on the loop up to here (about 0.2 ms), above it in the pool.
  static constexpr std::size_t k_parse_on_loop = 256 * 1024;
  // Pass-through bodies up to here are read as a whole first, so that a dead pooled connection costs the client nothing.
  static constexpr std::uint64_t k_replay_max = 64 * 1024;
  // A client that takes no byte for so long is given up (nginx's send_timeout).
  static constexpr Duration k_send_timeout = 60s;

  void on_fill() override;
  [[nodiscard]] std::uint64_t position() const override { return position_; }
  void on_cut_off() override;
  void on_upload_drained() override;

  [[nodiscard]] bool is_admitted();
  [[nodiscard]] std::size_t held_before_streaming() const;
  void stream_held();
  void upload(std::string_view data);
  [[nodiscard]] bool name_model();
  [[nodiscard]] bool may_ask_for(std::string_view model) const;
  void pass_through(bool streamed);
  void decide(chat::Request request);
  void bypass(chat::BypassReason reason);
  void answer_from_cache();
  void answer_embeddings();
  [[nodiscard]] bool is_servable(const cache::Entry& entry) const;
  [[nodiscard]] bool may_serve_expired(const cache::Entry& entry) const;
  [[nodiscard]] bool is_too_old(const cache::Entry& entry) const;  // for this client's max-age
  void join_or_lead(cache::EntryPtr stale, std::unique_ptr<EmbeddingBatch> batch);
  [[nodiscard]] FillOrder order_for(bool storing) const;
  void ask_for_usage(FillOrder& order) const;
  void follow(Fill& fill);
  void leave_fill();

  void serve_entry(const cache::EntryPtr& entry, CacheResult result, bool saves = true);
  void serve_expired(const cache::EntryPtr& entry);
  void serve_found();
  void serve_assembled(const EmbeddingBatch& batch, const Bytes& body, CacheResult result);
  void serve_converted();
  void serve_held();
  void begin_relay();
  [[nodiscard]] bool is_about_another() const;
  void choose_mode();
  void pump();
  [[nodiscard]] std::uint64_t write_events(std::uint64_t to);
  void add_usage();
  void on_fill_ended();
  void go_alone();
  [[nodiscard]] bool is_refused_to_another() const;
  [[nodiscard]] bool is_over_for_another() const;
  void ask_anew();
  void book_shared();
  void watch_client();
  void on_client_stuck();
  [[nodiscard]] http::ResponseHead answer_head() const;

  void answer_error(ErrorCode code);
  [[nodiscard]] chat::Endpoint spoken() const;
  void fail_stream(ErrorCode code);
  void send(const Bytes& data);
  // What was sent last ended with a blank line, or nothing was sent.
  [[nodiscard]] bool is_between_events() const;
  [[nodiscard]] std::string_view rendered_head(std::string_view content_type, const cache::Entry* entry);
  void add_own_headers(http::Headers& headers) const;
  void book_saving(const providers::Usage& usage);
  void finish(Outcome outcome);
  void log_access(Outcome outcome);

  // What is told of it in traces: flow_trace.cpp.
  [[nodiscard]] CallTrace call_trace(const Chain& chain) const;
  void end_trace(Outcome outcome);
  [[nodiscard]] std::string trace_id() const;

  LlmDoor& door_;
  http::Exchange& exchange_;
  std::shared_ptr<const Snapshot> snapshot_;
  State state_ = State::reading;
  Mode mode_ = Mode::undecided;
  Destination destination_;
  const config::Client* client_ = nullptr;
  std::shared_ptr<ClientAccount> account_;  // of client_; null: it has none
  std::optional<ClientRefusal> refusal_;    // it may not go on
  std::string body_;
  Judgement judgement_;
  chat::Key key_{};  // of judgement_.identity, once memory has not answered
  bool streams_body_ = false;
  std::size_t hold_until_ = 0;  // so much of a body that streams is kept in body_ before it is passed on
  std::unique_ptr<io::Work> understanding_;

  Fill* fill_ = nullptr;
  bool leads_ = false;
  std::uint64_t position_ = 0;
  std::size_t next_event_ = 0;
  std::uint64_t token_events_ = 0;
  Bytes like_;  // a token event of this stream, as the pattern for a usage event
  bool sent_usage_ = false;
  std::string tail_;  // the last three bytes sent
  bool waiting_for_drain_ = false;
  io::Timer send_timer_;

  CacheResult result_ = CacheResult::bypass;
  std::optional<chat::BypassReason> bypass_;
  ErrorCode error_ = ErrorCode::internal;
  bool failed_ = false;
  bool refused_ = false;
  int status_ = 0;
  int attempts_ = 0;
  std::vector<Tried> tried_;
  std::vector<std::string_view> losses_;
  Duration waited_{};  // in queues
  std::string served_by_;
  std::string request_id_;
  std::uint64_t request_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  providers::Usage usage_;
  double saved_usd_ = 0;
  std::uint64_t saved_tokens_ = 0;
  Spent spent_;
  std::unique_ptr<RequestTrace> trace_;  // null: it is not traced
  MonoTime started_{};
  MonoTime first_byte_{};
  Duration own_time_{};
};

}  // namespace outrigger::proxy
