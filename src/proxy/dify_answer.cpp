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

void DifyFlow::on_answer(http::ResponseHead head, std::optional<Bytes> whole) {
  state_ = State::answering;
  status_ = head.status;
  // A key that Dify does not know may be anybody's invention: no series of its own.
  if (status_ == 401 && caller_.app == nullptr && !caller_.label.empty()) caller_.label = "unknown";
  // A stream may be a long and quiet one.
  run_.canonical = {};
  run_.query = {};
  first_byte_ = door_.world().loop.now();
  if (whole) {
    sent_bytes_ = whole->size();
    exchange_.respond_whole(answer_head(std::move(head)), *whole);
    return finish(outcome_of_answer());
  }
  http::BodyLength length = http::BodyLength::streamed();
  // A stream of a run keeps no announced length: an error event of ours may have to follow.
  if (head.content_length && !head.chunked && !pursuit_->is_stream()) length = http::BodyLength::known(*head.content_length);
  exchange_.respond(answer_head(std::move(head)), length);
}

http::ResponseHead DifyFlow::answer_head(http::ResponseHead from) const {
  http::ResponseHead head;
  head.status = from.status;
  head.reason = std::move(from.reason);
  head.headers = std::move(from.headers);
  http::remove_hop_by_hop(head.headers);
  head.headers.remove_if(
      [](std::string_view name) { return is_own(name) || http::equal_ignoring_case(name, "content-length"); });
  add_own_headers(head.headers);
  return head;
}

void DifyFlow::on_answer_body(const Bytes& data) { write(data); }

void DifyFlow::write(const Bytes& data) {
  sent_bytes_ += data.size();
  exchange_.write(data);
  if (exchange_.unsent() <= k_unsent_max || waiting_for_drain_) return;
  waiting_for_drain_ = true;
  if (pursuit_ != nullptr) pursuit_->read_body(false);
  watch_client();
}

void DifyFlow::on_drained() {
  if (!std::exchange(waiting_for_drain_, false)) return;
  send_timer_.cancel();
  if (pursuit_ != nullptr) pursuit_->read_body(true);
}

// A client that takes something, however little, is alive.
void DifyFlow::watch_client() {
  send_timer_ = door_.world().loop.after(k_send_timeout, [this, before = exchange_.unsent()] {
    if (exchange_.unsent() < before) return watch_client();
    exchange_.abort();
    on_client_gone();
  });
}

void DifyFlow::on_answer_end() {
  exchange_.finish();
  finish(outcome_of_answer());
}

void DifyFlow::on_answer_cut(ErrorCode code) { fail_answer(code); }

void DifyFlow::on_no_answer(ErrorCode code, std::optional<Duration> retry_after) { answer_error(code, retry_after); }

Outcome DifyFlow::outcome_of_answer() const {
  if (pursuit_ != nullptr && pursuit_->has_failed()) return Outcome::upstream_error;
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
  if (pursuit_ != nullptr && pursuit_->at_boundary()) {
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
  if (pursuit_ != nullptr) pursuit_->stop_run();
  failed_ = true;
  error_ = ErrorCode::client_gone;
  finish(Outcome::client_gone);
}

void DifyFlow::add_own_headers(http::Headers& headers) const {
  const bool is_run = call_kind_.asks_model;
  headers.add("x-outrigger-cache", is_run ? "bypass; reason=cache_off" : "bypass; reason=endpoint");
  if (pursuit_ != nullptr && !pursuit_->served_by().empty()) headers.add("x-outrigger-served-by", pursuit_->served_by());
  headers.add("x-outrigger-attempts", std::to_string(pursuit_ != nullptr ? pursuit_->attempts() : 0));
  headers.add("x-outrigger-request-id", request_id_);
}

void DifyFlow::finish(Outcome outcome) {
  if (state_ == State::finished) return;
  state_ = State::finished;
  send_timer_.cancel();
  door_.remove(*this);
  // Refused in the middle of its body by the server side: on_refused() booked it.
  if (outcome != Outcome::client_gone || status_ != 0 || !exchange_.responded()) {
    door_.metrics().count_dify(caller_.label, outcome);
    if (is_paced() && pursuit_ != nullptr && !caller_.label.empty()) {
      door_.metrics().observe_dify_wait(caller_.label, pursuit_->waited());
    }
    if (door_.logs_access()) log_access(outcome);
  }
  pursuit_.reset();
}

void DifyFlow::log_access(Outcome outcome) {
  const http::RequestHead& request = exchange_.request();
  obs::AccessRecord record;
  record.time = door_.world().loop.wall_now();
  record.request_id = request_id_;
  record.door = "dify";
  record.app = caller_.label;
  record.kind = providers::dify::name(call_kind_.kind);
  const std::string peer = exchange_.peer();
  record.peer = peer;
  record.method = request.method;
  record.path = http::split_target(request.target).path;
  if (pursuit_ != nullptr) {
    record.upstream = pursuit_->served_by();
    record.served_by = pursuit_->served_by();
    record.attempts = pursuit_->attempts();
    record.queued = pursuit_->waited();
    if (pursuit_->first_event() != MonoTime{}) record.first_event = pursuit_->first_event() - started_;
  }
  record.cache = name(CacheResult::bypass);
  if (failed_) record.error = traits(error_).name;
  constexpr int k_client_closed_request = 499;  // nginx's word for it
  record.status = status_ == 0 && outcome == Outcome::client_gone ? k_client_closed_request : status_;
  record.stream = run_.streaming;
  record.request_bytes = request_bytes_;
  record.response_bytes = sent_bytes_;
  record.duration = door_.world().loop.now() - started_;
  if (first_byte_ != MonoTime{}) record.first_byte = first_byte_ - started_;
  door_.log_access(record);
}

}  // namespace outrigger::proxy
