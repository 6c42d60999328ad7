// The asking half of DifyFlow: reading, waiting, sending. dify_answer.cpp has the other.
#include "proxy/dify_flow.h"

#include <algorithm>

#include "chat/digest.h"
#include "proxy/call_order.h"
#include "proxy/dify_door.h"
#include "proxy/dify_head.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

bool is_json(const http::Headers& headers) {
  const auto type = headers.get("content-type");
  return type && type->contains("json") && !headers.get("content-encoding");
}

// Other upgrades are an offer that may be passed over (RFC 9110 §7.8); whoever wants a WebSocket can do nothing with the rest.
bool wants_socket(const http::Headers& headers) { return headers.has_token("upgrade", "websocket"); }

// The value of `user` in a query, as it stands there: it only spreads.
std::string_view user_in(std::string_view query) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    if (pair.starts_with("user=")) return pair.substr(5);
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
  }
  return {};
}

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

}  // namespace

DifyFlow::DifyFlow(DifyDoor& door, http::Exchange& exchange) : door_(door), exchange_(exchange), snapshot_(door.snapshot()) {
  door_.add(*this);
}

DifyFlow::~DifyFlow() { door_.remove(*this); }

void DifyFlow::begin() {
  const http::RequestHead& request = exchange_.request();
  started_ = door_.world().loop.now();
  request_id_ = door_.new_request_id();
  call_kind_ = dify::classify(request.method, request.target);
  queue_ = dify::queue_class(call_kind_, false);
  name_app();
  if (door_.draining()) return answer_error(ErrorCode::draining);
  if (wants_socket(request.headers)) return answer_error(ErrorCode::not_implemented);
  const std::uint64_t length = request.content_length.value_or(0);
  const std::uint64_t whole_max = is_paced() ? snapshot_->config().limits.body : k_small_body;
  const bool is_small = !request.chunked && length <= k_small_body;
  reads_whole_ = !request.has_body() || (is_json(request.headers) && (is_paced() || is_small));
  if (reads_whole_ && length > whole_max) return answer_error(ErrorCode::body_too_large);
  if (reads_whole_) return;
  // What waits its turn stays with the client until then.
  if (is_paced()) exchange_.read_body(false);
  proceed();
}

void DifyFlow::name_app() {
  if (call_kind_.surface != dify::Surface::service) return;
  const std::string_view key = presented_key(exchange_.request().headers);
  if (key.empty()) return;
  constexpr std::size_t k_shown = 8;
  digest_ = chat::sha256_hex(key);
  app_ = snapshot_->app_with(digest_);
  label_ = app_ != nullptr ? app_->name : "app-" + digest_.substr(0, k_shown);
}

void DifyFlow::on_body(std::string_view data) {
  request_bytes_ += data.size();
  if (state_ == State::finished) return;
  if (reads_whole_) {
    if (body_.size() + data.size() > snapshot_->config().limits.body) return answer_error(ErrorCode::body_too_large);
    body_.append(data);
    return;
  }
  if (call_ == nullptr) return;
  body_sent_ = true;
  call_->write_body(Bytes::copy(data));
  if (call_ != nullptr && call_->unsent() > k_unsent_max) exchange_.read_body(false);
}

void DifyFlow::on_call_drained() { exchange_.read_body(true); }

void DifyFlow::on_body_end() {
  if (state_ == State::finished) return;
  if (!reads_whole_) {
    if (call_ != nullptr) call_->end_body();
    return;
  }
  if (!body_.empty()) {
    // Of what is no run only its user is of interest, which stands at the same place.
    const dify::RunKind kind = call_kind_.run != dify::RunKind::none ? call_kind_.run : dify::RunKind::chat;
    run_ = dify::read_run(kind, body_, {});
    queue_ = dify::queue_class(call_kind_, run_.streaming);
  }
  proceed();
}

// The same user goes the same way, whatever is asked. Who names no user goes with the credential, and what belongs to no app (the
// console, files) to the first backend.
std::optional<std::uint64_t> DifyFlow::whose() const {
  if (call_kind_.surface != dify::Surface::service) return std::nullopt;
  if (!run_.user.empty()) return spread_of(run_.user);
  const std::string_view user = user_in(http::split_target(exchange_.request().target).query);
  if (!user.empty()) return spread_of(user);
  if (!digest_.empty()) return spread_of(digest_);
  return std::nullopt;
}

void DifyFlow::proceed() {
  chain_ = dify_chain(*snapshot_, whose());
  if (chain_.empty()) return answer_error(ErrorCode::no_target, 1s);
  if (!is_paced()) return pass_at_once();
  // A cache has its place here: a run that it can answer needs no turn.
  wait_for_turn();
}

void DifyFlow::wait_for_turn() {
  state_ = State::waiting;
  const http::Headers& headers = exchange_.request().headers;
  const config::Dify& settings = snapshot_->config().dify;
  const config::Model& pace = snapshot_->dify_pace();
  DifyAdmission::Order order;
  for (const Link& link : chain_) {
    DifyLanes& lanes = order.steps.emplace_back();
    lanes[static_cast<std::size_t>(DifyRole::backend)] = door_.lanes().of(link, {});
    if (digest_.empty()) continue;
    lanes[static_cast<std::size_t>(DifyRole::app)] = door_.apps().of(
        link.name, digest_, label_, app_ != nullptr ? app_->concurrency : std::optional<std::uint32_t>(), pace);
    if (!settings.per_user || run_.user.empty()) continue;
    lanes[static_cast<std::size_t>(DifyRole::user)] =
        door_.apps().of(link.name, digest_ + '\n' + std::to_string(spread_of(run_.user)), label_, settings.per_user, pace);
  }
  const std::string credential = digest_.empty() ? credential_of(headers) : digest_;
  order.ticket.flow = spread_of(credential);
  order.user_flow = spread_of(run_.user);
  order.ticket.cls = queue_class_of(queue_);
  order.ticket.priority = priority_of(headers);
  Duration patience = settings.queue.wait;
  if (const auto asked = own_timeout(headers)) patience = std::min(patience, *asked);
  order.deadline = door_.world().loop.now() + patience;
  DifyAdmissionHandler& handler = *this;
  admission_.emplace(door_.world(), std::move(order), handler);
  admission_->next();
}

void DifyFlow::on_refused(const Refusal& refusal) {
  const bool is_shed = refusal.code == ErrorCode::queue_full || refusal.code == ErrorCode::queue_wait;
  if (is_shed) door_.metrics().count_shed(chain_.front().name, refusal.reason);
  const bool helps = is_shed || refusal.code == ErrorCode::no_target || sent_nothing(refusal.code);
  answer_error(refusal.code, helps ? std::optional(std::max<Duration>(refusal.retry_after, 1s)) : std::nullopt);
}

void DifyFlow::on_admitted(std::size_t step, DifyPermits permits) {
  watch_.emplace(door_.world(), door_.metrics(), chain_[step].name, chain_.size() > 1, std::move(permits));
  send(step);
}

// Never behind runs, and to the first backend that is not known to be down.
void DifyFlow::pass_at_once() {
  const auto is_up = [&](const Link& link) {
    const auto look = door_.lanes().of(link, {})->look({}, true);
    return look.readiness != resilience::Readiness::resting && look.readiness != resilience::Readiness::shut;
  };
  const auto up = std::ranges::find_if(chain_, is_up);
  send(up != chain_.end() ? static_cast<std::size_t>(up - chain_.begin()) : 0);
}

void DifyFlow::send(std::size_t step) {
  const http::RequestHead& request = exchange_.request();
  const Link& link = chain_[step];
  state_ = State::asking;
  step_ = step;
  ++attempts_;
  served_by_ = link.name;
  const std::string peer = exchange_.peer();
  const config::Config& config = snapshot_->config();
  DifyCall::Order order;
  order.target = link.destination.target;
  order.head = dify_head(request, *order.target, {peer, config.listen.tls.has_value(), config.dify.trusted});
  if (is_paced()) {
    // It is read along.
    order.head.headers.set("Accept-Encoding", "identity");
    if (config.dify.stop_on_leave) sent_head_ = order.head;
    if (run_.streaming) order.first_event = config.dify.first_event;
  }
  if (!reads_whole_) {
    order.streamed_body = true;
    order.streamed_length = request.content_length;
  } else if (request.has_body()) {
    order.body = Bytes::copy(body_);
  }
  DifyCallHandler& handler = *this;
  call_ = std::make_unique<DifyCall>(door_.world().loop, door_.client(), std::move(order), handler);
  if (!reads_whole_) exchange_.read_body(true);
}

void DifyFlow::on_call_failed(Error error) {
  call_.reset();
  if (exchange_.responded()) {
    if (watch_) watch_->note_cut(error.code);
    return fail_answer(error.code);
  }
  const bool is_unsent = sent_nothing(error.code);
  door_.metrics().count_attempt(served_by_, traits(error.code).name);
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
    state_ = State::waiting;
    if (!reads_whole_) exchange_.read_body(false);
    return admission_->note_unreachable(step_, error.code);
  }
  if (may_repeat && step_ + 1 < chain_.size()) return send(step_ + 1);
  answer_error(error.code, is_unsent ? std::optional<Duration>(1s) : std::nullopt);
}

}  // namespace outrigger::proxy
