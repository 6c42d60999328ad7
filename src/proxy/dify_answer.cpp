// The answering half of DifyFlow: how what a backend says reaches the client, and how a request ends.
#include <algorithm>

#include "providers/dify/notices.h"
#include "proxy/dify_door.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_own = "x-outrigger-";

bool is_own(std::string_view name) {
  return name.size() > k_own.size() && http::equal_ignoring_case(name.substr(0, k_own.size()), k_own);
}

void add_retry_after(http::Headers& headers, Duration wait) {
  const auto whole = std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
  headers.set("Retry-After", std::to_string(whole.count()));
}

}  // namespace

bool DifyFlow::is_stream() const {
  const auto type = head_.headers.get("content-type");
  return type && type->starts_with("text/event-stream");
}

void DifyFlow::on_call_head(http::ResponseHead head) {
  head_ = std::move(head);
  // A key that Dify does not know may be anybody's invention: no series of its own.
  if (head_.status == 401 && app_ == nullptr && !label_.empty()) label_ = "unknown";
  const bool is_watched_stream = head_.status == 200 && is_stream();
  is_held_ = watch_ && !is_watched_stream && head_.content_length.value_or(0) <= k_hold_max;
  if (is_held_) return;
  if (watch_ && !is_watched_stream) watch_->note_answer(providers::Signal{});
  begin_relay();
}

void DifyFlow::on_call_body(const Bytes& data) {
  if (is_held_) {
    held_.append(data.view());
    if (held_.size() <= k_hold_max) return;
    is_held_ = false;
    watch_->note_answer(providers::Signal{});
    begin_relay();
    return write(Bytes::copy(std::exchange(held_, {})));
  }
  if (watch_ && is_stream()) {
    watch_->on_stream(data.view());
    note_first_event();
  }
  write(data);
}

void DifyFlow::note_first_event() {
  if (first_event_ != MonoTime{} || !watch_->has_spoken()) return;
  first_event_ = watch_->spoke_at();
  call_->note_event();
}

void DifyFlow::begin_relay() {
  state_ = State::answering;
  status_ = head_.status;
  // Nothing is sent again from here on, and a stream may be a long and quiet one.
  body_ = {};
  run_.canonical = {};
  run_.query = {};
  first_byte_ = door_.world().loop.now();
  http::BodyLength length = http::BodyLength::streamed();
  // A stream of a run keeps no announced length: an error event of ours may have to follow.
  if (head_.content_length && !head_.chunked && !(watch_ && is_stream())) {
    length = http::BodyLength::known(*head_.content_length);
  }
  exchange_.respond(answer_head(), length);
}

http::ResponseHead DifyFlow::answer_head() const {
  http::ResponseHead head;
  head.status = head_.status;
  head.reason = head_.reason;
  head.headers = head_.headers;
  http::remove_hop_by_hop(head.headers);
  head.headers.remove_if(
      [](std::string_view name) { return is_own(name) || http::equal_ignoring_case(name, "content-length"); });
  add_own_headers(head.headers);
  return head;
}

void DifyFlow::write(const Bytes& data) {
  sent_bytes_ += data.size();
  exchange_.write(data);
  if (exchange_.unsent() <= k_unsent_max || waiting_for_drain_) return;
  waiting_for_drain_ = true;
  if (call_ != nullptr) call_->read_body(false);
  watch_client();
}

void DifyFlow::on_drained() {
  if (!std::exchange(waiting_for_drain_, false)) return;
  send_timer_.cancel();
  if (call_ != nullptr) call_->read_body(true);
}

// A client that takes something, however little, is alive.
void DifyFlow::watch_client() {
  send_timer_ = door_.world().loop.after(k_send_timeout, [this, before = exchange_.unsent()] {
    if (exchange_.unsent() < before) return watch_client();
    exchange_.abort();
    on_client_gone();
  });
}

void DifyFlow::on_call_end() {
  call_.reset();
  if (is_held_) return end_held();
  door_.metrics().count_attempt(served_by_, head_.status < 400 ? "ok" : "status_" + std::to_string(head_.status));
  exchange_.finish();
  finish(outcome_of_answer());
}

// An answer that is no stream, whole: what does it say, and is it the last word?
void DifyFlow::end_held() {
  const auto header = [this](std::string_view name) { return head_.headers.get(name); };
  const providers::Signal signal = providers::dify::read_answer(head_.status, header, held_, door_.world().loop.wall_now());
  said_ = signal.kind;
  const std::string outcome = head_.status < 400 ? (said_ == providers::SignalKind::ok ? "ok" : signal.code)
                                                 : "status_" + std::to_string(head_.status);
  door_.metrics().count_attempt(served_by_, outcome);
  if (said_ == providers::SignalKind::rate && reads_whole_) {
    // Dify's word for "not begun". The client need not hear it as long as there is time.
    watch_.reset();
    held_.clear();
    is_held_ = false;
    state_ = State::waiting;
    return admission_->note_too_many(step_, signal.retry_after);
  }
  watch_->note_answer(signal);
  watch_->let_go();
  state_ = State::answering;
  status_ = head_.status;
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = held_.size();
  exchange_.respond_whole(answer_head(), Bytes::copy(held_));
  finish(outcome_of_answer());
}

Outcome DifyFlow::outcome_of_answer() const {
  if (said_ == providers::SignalKind::health || (watch_ && watch_->has_failed())) return Outcome::upstream_error;
  if (status_ < 400) return Outcome::ok;
  return status_ < 500 ? Outcome::client_error : Outcome::upstream_error;
}

// ---- errors and the end ----------------------------------------------------------------------------------------------

void DifyFlow::answer_error(ErrorCode code, std::optional<Duration> retry_after) {
  failed_ = true;
  error_ = code;
  const providers::dify::Notice notice = providers::dify::notice(code);
  status_ = notice.status;
  http::ResponseHead head;
  head.status = status_;
  head.headers.add("Content-Type", "application/json");
  head.headers.add("x-should-retry", "false");
  if (code == ErrorCode::draining || code == ErrorCode::overloaded) retry_after = 1s;
  if (retry_after) add_retry_after(head.headers, *retry_after);
  add_own_headers(head.headers);
  const std::string body = providers::dify::error_body(notice);
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_whole(head, Bytes::copy(body));
  const ErrorTraits& error = traits(code);
  const Outcome own = error.status < 500 ? Outcome::client_error : Outcome::own_error;
  finish(error.against_target ? Outcome::upstream_error : own);
}

// The answer began and cannot be completed. A stream says so where an event may stand; else the connection's end does.
void DifyFlow::fail_answer(ErrorCode code) {
  failed_ = true;
  error_ = code;
  door_.metrics().count_attempt(served_by_, traits(code).name);
  if (watch_ && is_stream() && head_.status == 200 && watch_->at_boundary()) {
    const std::string event = providers::dify::error_event(providers::dify::notice(code));
    sent_bytes_ += event.size();
    exchange_.write(Bytes::copy(event));
    exchange_.finish();
  } else {
    exchange_.abort();
  }
  finish(Outcome::cut);
}

void DifyFlow::abandon(ErrorCode why) {
  if (state_ == State::finished) return;
  if (exchange_.responded()) return fail_answer(why);
  answer_error(why);
}

void DifyFlow::on_client_gone() {
  if (state_ == State::finished) return;
  stop_run();
  failed_ = true;
  error_ = ErrorCode::client_gone;
  finish(Outcome::client_gone);
}

// Dify goes on with a run whose client has left, unless it is told. Only for the one whose run it is, and only if there is one.
void DifyFlow::stop_run() {
  const bool is_run = call_kind_.kind == providers::dify::CallKind::run && call_kind_.as_written;
  if (!snapshot_->config().dify.stop_on_leave || !is_run || digest_.empty() || !watch_ || call_ == nullptr) return;
  if (watch_->has_ended() || run_.user.empty()) return;
  std::string path = stop_path(http::split_target(exchange_.request().target).path, watch_->task());
  if (path.empty()) return;
  door_.stops().stop(*chain_[step_].destination.target, std::move(sent_head_), std::move(path), run_.user);
}

void DifyFlow::add_own_headers(http::Headers& headers) const {
  const bool is_run = call_kind_.asks_model;
  headers.add("x-outrigger-cache", is_run ? "bypass; reason=cache_off" : "bypass; reason=endpoint");
  if (!served_by_.empty()) headers.add("x-outrigger-served-by", served_by_);
  headers.add("x-outrigger-attempts", std::to_string(attempts_));
  headers.add("x-outrigger-request-id", request_id_);
}

void DifyFlow::finish(Outcome outcome) {
  if (state_ == State::finished) return;
  state_ = State::finished;
  send_timer_.cancel();
  call_.reset();
  if (watch_) watch_->let_go();
  door_.remove(*this);
  // Refused in the middle of its body by the server side: on_refused() booked it.
  if (outcome == Outcome::client_gone && status_ == 0 && exchange_.responded()) return;
  door_.metrics().count_dify(label_, outcome);
  if (admission_ && !label_.empty()) door_.metrics().observe_dify_wait(label_, admission_->waited());
  if (door_.logs_access()) log_access(outcome);
}

void DifyFlow::log_access(Outcome outcome) {
  const http::RequestHead& request = exchange_.request();
  obs::AccessRecord record;
  record.time = door_.world().loop.wall_now();
  record.request_id = request_id_;
  record.door = "dify";
  record.app = label_;
  record.kind = providers::dify::name(call_kind_.kind);
  const std::string peer = exchange_.peer();
  record.peer = peer;
  record.method = request.method;
  record.path = http::split_target(request.target).path;
  record.upstream = served_by_;
  record.served_by = served_by_;
  record.cache = name(CacheResult::bypass);
  if (failed_) record.error = traits(error_).name;
  constexpr int k_client_closed_request = 499;  // nginx's word for it
  record.status = status_ == 0 && outcome == Outcome::client_gone ? k_client_closed_request : status_;
  record.attempts = attempts_;
  if (admission_) record.queued = admission_->waited();
  record.stream = run_.streaming;
  record.request_bytes = request_bytes_;
  record.response_bytes = sent_bytes_;
  record.duration = door_.world().loop.now() - started_;
  if (first_byte_ != MonoTime{}) record.first_byte = first_byte_ - started_;
  if (first_event_ != MonoTime{}) record.first_event = first_event_ - started_;
  door_.log_access(record);
}

}  // namespace outrigger::proxy
