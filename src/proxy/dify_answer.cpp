// The answering half of DifyFlow: how what a backend says reaches the client, and how a request ends.
#include <algorithm>

#include "providers/dify/notices.h"
#include "providers/json_doc.h"
#include "proxy/dify_door.h"
#include "proxy/dify_flow.h"
#include "proxy/target_name.h"

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
  if (head.status == 101) return open_tunnel(std::move(head));
  state_ = State::answering;
  status_ = head.status;
  note_app(head);
  // A stream may be a long and quiet one.
  run_.canonical = {};
  run_.query = {};
  judgement_.identity = {};
  asked_ = {};
  if (fill_ != nullptr && fill_->would_have_hit()) result_ = CacheResult::observe;
  if (info_) note_info(head);
  if (upload_) upload_->on_answer(status_);
  first_byte_ = door_.world().loop.now();
  if (whole) {
    if (swap_) whole = Bytes::copy(swap_->feed(whole->view()) + swap_->rest());
    sent_bytes_ = whole->size();
    exchange_.respond_whole(answer_head(std::move(head)), *whole);
    return finish(outcome_of_answer());
  }
  http::BodyLength length = http::BodyLength::streamed();
  // A stream of a run keeps no announced length: an error event of ours may have to follow.
  if (head.content_length && !head.chunked && !pursuit()->is_stream())
    length = http::BodyLength::known(*head.content_length);
  exchange_.respond(answer_head(std::move(head)), length);
}

// Has Dify taken the key of an app that the configuration does not name? 502 to 504 are said by somebody before it.
void DifyFlow::note_app(const http::ResponseHead& head) {
  using providers::dify::CallKind;
  const bool asks_for_app = call_kind_.kind == CallKind::run || call_kind_.kind == CallKind::app_info;
  if (caller_.app != nullptr || caller_.digest.empty() || !asks_for_app || status_ == 401 || status_ >= 502) return;
  says_name_ = call_kind_.info == providers::dify::InfoKind::info && status_ == 200 && !head.headers.get("content-encoding");
  const std::string_view authorization = exchange_.request().headers.get("authorization").value_or("");
  if (!says_name_ && pursuit()->target() != nullptr) {
    door_.names().ask(caller_.digest, *pursuit()->target(), authorization);
  }
  caller_.label = door_.names().of(caller_.digest);
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

void DifyFlow::on_answer_body(const Bytes& data) {
  if (info_ || says_name_) {
    info_body_.append(data.view());
    if (info_body_.size() > DifyInfos::k_body_max) {
      info_.reset();
      says_name_ = false;
    }
  }
  if (upload_) upload_->on_answer_body(data.view());
  write(swap_ ? Bytes::copy(swap_->feed(data.view())) : data);
}

void DifyFlow::write(const Bytes& data) {
  if (data.empty()) return;
  sent_bytes_ += data.size();
  exchange_.write(data);
  if (exchange_.unsent() <= k_unsent_max || waiting_for_drain_) return;
  waiting_for_drain_ = true;
  if (pursuit_ != nullptr) pursuit_->read_body(false);
  if (fill_ != nullptr && leads_) fill_->hold(true);
  watch_client();
}

void DifyFlow::on_drained() {
  if (!std::exchange(waiting_for_drain_, false)) return;
  send_timer_.cancel();
  if (pursuit_ != nullptr) return pursuit_->read_body(true);
  if (fill_ == nullptr) return;
  if (leads_) return fill_->hold(false);
  on_fill();
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
  if (swap_) write(Bytes::copy(swap_->rest()));
  if (upload_) upload_->on_answer_end();
  if (says_name_) {
    door_.names().learn(caller_.digest, info_body_);
    caller_.label = door_.names().of(caller_.digest);
  }
  // Without an announced length an end may be a cut.
  if (info_ && providers::JsonDoc::read(info_body_).root() != nullptr) {
    info_->body = Bytes::copy(info_body_);
    door_.infos().put(caller_.digest, exchange_.request().target, std::move(*info_));
  }
  exchange_.finish();
  finish(outcome_of_answer());
}

void DifyFlow::on_answer_cut(ErrorCode code) { fail_answer(code); }

void DifyFlow::on_no_answer(ErrorCode code, std::optional<Duration> retry_after) { answer_error(code, retry_after); }

Outcome DifyFlow::outcome_of_answer() const {
  if (pursuit() != nullptr && pursuit()->has_failed()) return Outcome::upstream_error;
  return outcome_of(status_);
}

// ---- WebSockets ------------------------------------------------------------------------------------------------------

void DifyFlow::open_tunnel(http::ResponseHead head) {
  state_ = State::answering;
  status_ = head.status;
  first_byte_ = door_.world().loop.now();
  http::Upgraded backend = pursuit_->take_upgraded();
  tunnel_.emplace(door_.world().loop, exchange_.upgrade(answer_head(std::move(head)), http::k_web_socket),
                  std::move(backend), door_.dify_metrics().sockets(),
                  [this](std::optional<ErrorCode> why) { on_tunnel_over(why); });
}

void DifyFlow::on_tunnel_over(std::optional<ErrorCode> why) {
  if (!why) return on_answer_end();
  if (*why != ErrorCode::client_gone) return fail_answer(*why);
  exchange_.abort();
  on_client_gone();
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
  finish(outcome_of(code));
}

// The answer began and cannot be completed. A stream says so where an event may stand; else the connection's end does.
void DifyFlow::fail_answer(ErrorCode code) {
  failed_ = true;
  error_ = code;
  // Whoever follows a shared run has whole events only.
  const bool is_following = fill_ != nullptr && !leads_;
  if (is_following || (pursuit() != nullptr && pursuit()->at_boundary())) {
    if (swap_) exchange_.write(Bytes::copy(swap_->rest()));
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

// An answer of ours, or one that was kept.
void DifyFlow::respond_own(int status, const Bytes& body, std::string_view content_type) {
  state_ = State::answering;
  status_ = status;
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = body.size();
  http::ResponseHead head;
  head.status = status;
  head.headers.add("Content-Type", content_type);
  if (status >= 400) head.headers.add("x-should-retry", "false");
  add_own_headers(head.headers);
  exchange_.respond_whole(head, body);
  finish(outcome_of_answer());
}

const DifyPursuit* DifyFlow::pursuit() const {
  if (pursuit_ != nullptr) return pursuit_.get();
  return fill_ != nullptr && leads_ ? fill_->pursuit() : nullptr;
}

std::string_view DifyFlow::served_by() const {
  if (!served_by_.empty()) return served_by_;
  const DifyPursuit* asked = fill_ != nullptr ? fill_->pursuit() : pursuit_.get();
  return asked != nullptr ? std::string_view(asked->served_by()) : std::string_view();
}

void DifyFlow::add_own_headers(http::Headers& headers) const {
  std::string cache(name(result_));
  if (result_ == CacheResult::bypass) {
    cache.append("; reason=").append(chat::name(judgement_.bypass.value_or(chat::BypassReason::endpoint)));
  }
  headers.add("x-outrigger-cache", cache);
  std::string by;
  append_header_safe(by, served_by());
  if (!by.empty()) headers.add("x-outrigger-served-by", by);
  headers.add("x-outrigger-attempts", std::to_string(pursuit() != nullptr ? pursuit()->attempts() : 0));
  headers.add("x-outrigger-request-id", request_id_);
  if (age_) headers.add("Age", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*age_).count()));
}

bool DifyFlow::counts_for_cache() const {
  return call_kind_.kind == providers::dify::CallKind::run && caller_.app != nullptr && caller_.app->cache;
}

void DifyFlow::finish(Outcome outcome) {
  if (state_ == State::finished) return;
  state_ = State::finished;
  send_timer_.cancel();
  alive_.reset();
  if (tunnel_) {
    request_bytes_ = tunnel_->from_client();
    sent_bytes_ = tunnel_->from_backend();
    tunnel_.reset();
  }
  door_.remove(*this);
  note_change();
  // Refused in the middle of its body by the server side: on_refused() booked it.
  if (outcome != Outcome::client_gone || status_ != 0 || !exchange_.responded()) {
    door_.dify_metrics().count_request(caller_.label, outcome);
    if (is_paced() && pursuit() != nullptr && !caller_.label.empty()) {
      door_.dify_metrics().observe_wait(caller_.label, pursuit()->waited(), pursuit()->order().trace.exemplar());
    }
    if (counts_for_cache()) {
      door_.metrics().of_model(caller_.label).cache[static_cast<std::size_t>(result_)]->add();
    }
    const DifyRun run = sum_up(outcome);
    if (call_kind_.asks_model && pursuit() != nullptr) door_.dify_metrics().count_run(run, door_.world().loop.now());
    if (trace_) end_trace(outcome);
    if (door_.logs_access()) log_access(run);
  }
  leave_fill();
  pursuit_.reset();
}

// A change that Dify has made, or may have made: what was answered before is old.
void DifyFlow::note_change() {
  using providers::dify::Touches;
  if (call_kind_.touches == Touches::nothing || pursuit_ == nullptr || pursuit_->attempts() == 0 || status_ >= 400) return;
  const bool is_own = call_kind_.touches == Touches::own_app && !caller_.digest.empty();
  // Of an app without a cache nothing is kept but what describes it.
  if (is_own && (caller_.app == nullptr || !caller_.app->cache)) return door_.infos().forget(caller_.digest);
  const bool settles = call_kind_.touches == Touches::dataset || call_kind_.touches == Touches::all;
  door_.note_change(is_own ? std::string_view(caller_.digest) : std::string_view(), settles);
}

DifyRun DifyFlow::sum_up(Outcome outcome) const {
  DifyRun run;
  run.app = caller_.label;
  run.kind = call_kind_.run;
  run.outcome = outcome;
  run.backend = served_by();
  if (const DifyWatch* watch = pursuit() != nullptr ? pursuit()->watch() : nullptr) {
    const providers::dify::RunReader* answer = watch->reader();
    run.took = door_.world().loop.now() - watch->started();
    if (pursuit()->first_event() != MonoTime{}) run.first_event = pursuit()->first_event() - watch->started();
    if (watch->signal().kind != providers::SignalKind::ok) run.code = providers::dify::known_code(watch->signal().code);
    if (answer != nullptr && answer->spent()) {
      run.usage = answer->usage();
      run.price = answer->spent()->price;
      run.currency = answer->spent()->currency;
    }
  }
  if (run.code.empty() && failed_ && error_ != ErrorCode::client_gone) run.code = traits(error_).name;
  return run;
}

void DifyFlow::log_access(const DifyRun& run) {
  const http::RequestHead& request = exchange_.request();
  obs::AccessRecord record;
  record.time = door_.world().loop.wall_now();
  record.request_id = request_id_;
  const std::string trace = trace_id();
  record.trace_id = trace;
  record.door = "dify";
  record.app = caller_.label;
  record.kind = providers::dify::name(call_kind_.kind);
  const std::string peer = exchange_.peer();
  record.peer = peer;
  record.method = request.method;
  record.path = http::split_target(request.target).path;
  record.upstream = served_by();
  record.served_by = served_by();
  if (pursuit() != nullptr) {
    record.attempts = pursuit()->attempts();
    record.queued = pursuit()->waited();
    if (pursuit()->first_event() != MonoTime{}) record.first_event = pursuit()->first_event() - started_;
  }
  record.cache = name(result_);
  if (judgement_.bypass) record.cache_reason = chat::name(*judgement_.bypass);
  record.counts_for_cache = counts_for_cache();
  record.saved_usd = saved_usd_;
  record.saved_tokens = saved_tokens_;
  const providers::Usage usage = run.usage.value_or(providers::Usage{});
  record.prompt_tokens = usage.prompt_tokens;
  record.completion_tokens = usage.completion_tokens;
  record.price = run.price;
  record.currency = run.currency;
  if (failed_) record.error = traits(error_).name;
  record.outcome = name(run.outcome);
  constexpr int k_client_closed_request = 499;  // nginx's word for it
  record.status = status_ == 0 && run.outcome == Outcome::client_gone ? k_client_closed_request : status_;
  record.stream = run_.streaming;
  record.request_bytes = request_bytes_;
  record.response_bytes = sent_bytes_;
  record.duration = door_.world().loop.now() - started_;
  if (first_byte_ != MonoTime{}) record.first_byte = first_byte_ - started_;
  door_.log_access(record);
}

}  // namespace outrigger::proxy
