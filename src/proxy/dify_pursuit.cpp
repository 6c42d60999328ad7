#include "proxy/dify_pursuit.h"

#include <algorithm>

#include "proxy/call_order.h"
#include "proxy/dify_door.h"
#include "proxy/dify_head.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

resilience::QueueClass queue_class_of(dify::QueueClass cls) {
  switch (cls) {
    case dify::QueueClass::streaming:
      return resilience::QueueClass::streaming;
    case dify::QueueClass::batch:
      return resilience::QueueClass::batch;
    case dify::QueueClass::blocking:
    case dify::QueueClass::never:
      break;
  }
  return resilience::QueueClass::blocking;
}

bool is_event_stream(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->starts_with("text/event-stream");
}

}  // namespace

DifyPursuit::DifyPursuit(DifyDoor& door, DifyPursuitOrder order, DifyPursuitHandler& handler)
    : door_(door), order_(std::move(order)), handler_(handler) {}

DifyPursuit::~DifyPursuit() {
  end_traced("abandoned");
  if (watch_) watch_->let_go();
}

void DifyPursuit::start() {
  order_.trace.begin();
  waiting_since_ = door_.world().loop.now();
  if (!is_paced()) return pass_at_once();
  wait_for_turn();
}

// ---- its turn --------------------------------------------------------------------------------------------------------

void DifyPursuit::wait_for_turn() {
  const config::Dify& settings = order_.snapshot->config().dify;
  const config::Model& pace = order_.snapshot->dify_pace();
  const DifyCaller& caller = order_.caller;
  DifyAdmission::Order order;
  order.equals = dify_equals(*order_.snapshot);
  for (const Link& link : order_.chain) {
    DifyLanes& lanes = order.steps.emplace_back();
    lanes[static_cast<std::size_t>(DifyRole::backend)] = door_.lanes().of(link, {});
    if (caller.digest.empty()) continue;
    const auto limit = caller.app != nullptr ? caller.app->concurrency : std::optional<std::uint32_t>();
    lanes[static_cast<std::size_t>(DifyRole::app)] = door_.apps().of(link.name, caller.digest, caller.label, limit, pace);
    if (!settings.per_user || caller.user.empty()) continue;
    lanes[static_cast<std::size_t>(DifyRole::user)] = door_.apps().of(
        link.name, caller.digest + '\n' + std::to_string(spread_of(caller.user)), caller.label, settings.per_user, pace);
  }
  const http::Headers& headers = order_.head.headers;
  order.ticket.flow = spread_of(caller.digest.empty() ? credential_of(headers) : caller.digest);
  order.user_flow = spread_of(caller.user);
  order.ticket.cls = queue_class_of(order_.queue);
  order.ticket.priority = priority_of(headers);
  Duration patience = settings.queue.wait;
  if (const auto asked = own_timeout(headers)) patience = std::min(patience, *asked);
  order.deadline = door_.world().loop.now() + patience;
  DifyAdmissionHandler& handler = *this;
  admission_.emplace(door_.world(), std::move(order), handler);
  admission_->next();
}

void DifyPursuit::on_refused(const Refusal& refusal) {
  const bool is_shed = refusal.code == ErrorCode::queue_full || refusal.code == ErrorCode::queue_wait;
  if (is_shed) door_.metrics().count_shed(order_.chain.front().name, refusal.reason);
  order_.trace.note_wait(waiting_since_, order_.chain.front().name, refusal.reason);
  end_traced({}, traits(refusal.code).name);
  const bool helps = is_shed || refusal.code == ErrorCode::no_target || sent_nothing(refusal.code);
  handler_.on_no_answer(refusal.code, helps ? std::optional(std::max<Duration>(refusal.retry_after, 1s)) : std::nullopt);
}

void DifyPursuit::on_admitted(std::size_t step, DifyPermits permits) {
  if (door_.world().loop.now() > waiting_since_) order_.trace.note_wait(waiting_since_, order_.chain[step].name, {});
  const DifyWatch::Subject subject{order_.chain[step].name, order_.chain.size() > dify_equals(*order_.snapshot),
                                   order_.kind.run, order_.keep, order_.trace};
  watch_.emplace(door_.world(), door_.metrics(), subject, std::move(permits));
  send(step);
}

// Never behind runs, and to the first backend that is not known to be down.
void DifyPursuit::pass_at_once() {
  const auto is_up = [&](const Link& link) {
    const auto look = door_.lanes().of(link, {})->look({}, true);
    return look.readiness != resilience::Readiness::resting && look.readiness != resilience::Readiness::shut;
  };
  const auto up = std::ranges::find_if(order_.chain, is_up);
  send(up != order_.chain.end() ? static_cast<std::size_t>(up - order_.chain.begin()) : 0);
}

// ---- asking ----------------------------------------------------------------------------------------------------------

void DifyPursuit::send(std::size_t step) {
  const Link& link = order_.chain[step];
  step_ = step;
  ++attempts_;
  served_by_ = link.name;
  const config::Config& config = order_.snapshot->config();
  DifyCall::Order order;
  order.target = link.destination.target;
  order.head = dify_head(order_.head, *order.target, {order_.peer, config.listen.tls.has_value(), config.dify.trusted});
  if (is_paced()) {
    // It is read along.
    order.head.headers.set("Accept-Encoding", "identity");
    if (config.dify.stop_on_leave) sent_head_ = order.head;
    if (order_.streaming) order.first_event = config.dify.first_event;
  }
  // Any other offer to leave HTTP, and one that is not sound, is passed over (RFC 9110 §7.8): the backend never hears of it, and so
  // cannot agree to what we would not understand. Dify answers it in its own words.
  if (!is_paced() && http::asks_web_socket(order_.head)) order.upgrade = http::k_web_socket;
  traced_ = order_.trace.begin_attempt(link, order.head);
  order.body = order_.body;
  order.streamed_body = order_.streamed_body;
  order.streamed_length = order_.streamed_length;
  DifyCallHandler& handler = *this;
  call_ = std::make_unique<DifyCall>(door_.world().loop, door_.client(), std::move(order), handler);
  if (order_.streamed_body) handler_.on_upload(true);
}

void DifyPursuit::write_body(const Bytes& data) {
  if (call_ == nullptr) return;
  body_sent_ = true;
  call_->write_body(data);
}

void DifyPursuit::end_body() {
  if (call_ != nullptr) call_->end_body();
}

void DifyPursuit::on_call_drained() { handler_.on_upload(true); }

void DifyPursuit::on_call_failed(Error error) {
  call_.reset();
  const bool is_unsent = sent_nothing(error.code);
  door_.metrics().count_attempt(served_by_, traits(error.code).name);
  order_.trace.end_attempt(traced_, traits(error.code).name, status_, first_event_);
  waiting_since_ = door_.world().loop.now();
  if (has_begun_) {
    end_traced({}, traits(error.code).name);
    if (watch_) watch_->note_cut(error.code);
    return handler_.on_answer_cut(error.code);
  }
  if (watch_ && is_unsent) {
    watch_->note_unreachable(error.code);
  } else if (watch_) {
    watch_->note_cut(error.code);
  }
  watch_.reset();
  is_held_ = false;
  held_.clear();
  const bool may_repeat = is_unsent && !body_sent_;
  if (may_repeat && admission_) {
    if (order_.streamed_body) handler_.on_upload(false);
    return admission_->note_unreachable(step_, error.code);
  }
  if (may_repeat && step_ + 1 < order_.chain.size()) return send(step_ + 1);
  end_traced({}, traits(error.code).name);
  handler_.on_no_answer(error.code, is_unsent ? std::optional<Duration>(1s) : std::nullopt);
}

// ---- the answer ------------------------------------------------------------------------------------------------------

void DifyPursuit::read_body(bool on) {
  if (call_ != nullptr) call_->read_body(on);
}

void DifyPursuit::on_call_head(http::ResponseHead head) {
  if (head.status == 101) {
    // Without the proof it may be an echo, or have been meant for somebody else's request.
    if (!http::agrees_to_web_socket(order_.head, head)) {
      return on_call_failed({ErrorCode::upstream_protocol, "the backend did not prove that it agreed to a WebSocket"});
    }
    door_.metrics().count_attempt(served_by_, "ok");
    status_ = head.status;
    end_traced("ok");
    return handler_.on_answer(std::move(head), std::nullopt);
  }
  head_ = std::move(head);
  status_ = head_.status;
  is_stream_ = watch_ && head_.status == 200 && is_event_stream(head_);
  is_held_ = watch_ && !is_stream_ && head_.content_length.value_or(0) <= k_hold_max;
  if (is_held_) return;
  if (watch_ && !is_stream_) watch_->note_answer(providers::Signal{});
  begin_answer();
}

void DifyPursuit::begin_answer() {
  has_begun_ = true;
  // Nothing is sent again from here on, and a stream may be a long and quiet one.
  order_.body.reset();
  handler_.on_answer(std::move(head_), std::nullopt);
}

void DifyPursuit::on_call_body(const Bytes& data) {
  if (is_held_) {
    held_.append(data.view());
    if (held_.size() <= k_hold_max) return;
    is_held_ = false;
    watch_->note_answer(providers::Signal{});
    const Bytes all = Bytes::copy(std::exchange(held_, {}));
    begin_answer();
    return handler_.on_answer_body(all);
  }
  if (is_stream_) {
    watch_->on_stream(data.view());
    note_first_event();
  }
  handler_.on_answer_body(data);
}

void DifyPursuit::note_first_event() {
  if (first_event_ != MonoTime{} || !watch_->has_spoken()) return;
  first_event_ = watch_->spoke_at();
  call_->note_event();
}

void DifyPursuit::on_call_end() {
  call_.reset();
  if (is_held_) return end_held();
  door_.metrics().count_attempt(served_by_, status_ < 400 ? "ok" : "status_" + std::to_string(status_));
  if (is_stream_) verdict_ = watch_->finish();
  end_traced(status_ < 400 ? "ok" : "status_" + std::to_string(status_), has_failed() ? "failed" : "");
  if (watch_) watch_->let_go();
  handler_.on_answer_end();
}

// An answer that is no stream, whole: what does it say, and is it the last word?
void DifyPursuit::end_held() {
  const auto header = [this](std::string_view name) { return head_.headers.get(name); };
  const providers::Signal signal = dify::read_answer(status_, header, held_, door_.world().loop.wall_now());
  said_ = signal.kind;
  const std::string outcome =
      status_ < 400 ? (said_ == providers::SignalKind::ok ? "ok" : signal.code) : "status_" + std::to_string(status_);
  door_.metrics().count_attempt(served_by_, outcome);
  if (said_ == providers::SignalKind::rate && !order_.streamed_body) {
    // Dify's word for "not begun". The client need not hear it as long as there is time.
    order_.trace.end_attempt(traced_, outcome, status_, {});
    waiting_since_ = door_.world().loop.now();
    watch_.reset();
    held_.clear();
    is_held_ = false;
    return admission_->note_too_many(step_, signal.retry_after);
  }
  watch_->note_answer(signal, status_ == 200 ? std::string_view(held_) : std::string_view());
  if (status_ == 200) verdict_ = watch_->finish();
  end_traced(outcome, outcome == "ok" ? std::string_view() : std::string_view(outcome));
  watch_->let_go();
  has_begun_ = true;
  handler_.on_answer(std::move(head_), Bytes::copy(held_));
}

// The attempt that is under way, if there is one, and the run as a whole.
void DifyPursuit::end_traced(std::string_view outcome, std::string_view problem) {
  if (attempts_ > 0 && !outcome.empty()) order_.trace.end_attempt(traced_, outcome, status_, first_event_);
  const dify::RunReader* answer = std::as_const(*this).reader();
  if (answer != nullptr && answer->usage()) order_.trace.note_usage(*answer->usage());
  if (!problem.empty()) order_.trace.fail(problem);
  order_.trace.end();
}

bool DifyPursuit::has_failed() const { return said_ == providers::SignalKind::health || (watch_ && watch_->has_failed()); }

void DifyPursuit::stop_run() {
  const bool is_run = order_.kind.kind == dify::CallKind::run && order_.kind.as_written;
  if (!order_.snapshot->config().dify.stop_on_leave || !is_run || order_.caller.digest.empty()) return;
  const dify::RunReader* answer = watch_ ? watch_->reader() : nullptr;
  if (answer == nullptr || call_ == nullptr || answer->is_over() || order_.caller.user.empty()) return;
  const std::string path = stop_path(http::split_target(order_.head.target).path, answer->ids().task);
  if (path.empty()) return;
  door_.stops().stop(*order_.chain[step_].destination.target, std::move(sent_head_), path, order_.caller.user);
}

}  // namespace outrigger::proxy
