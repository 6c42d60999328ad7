// The asking half of DifyFlow: reading, waiting, sending. dify_answer.cpp has the other.
#include "proxy/dify_flow.h"

#include <algorithm>

#include "chat/digest.h"
#include "proxy/dify_door.h"

namespace outrigger::proxy {
namespace {

namespace dify = providers::dify;

bool is_json(const http::Headers& headers) {
  const auto type = headers.get("content-type");
  return type && type->contains("json") && !headers.get("content-encoding");
}

// The value of `user` in a query, as it stands there: it only spreads.
std::string_view user_in(std::string_view query) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    if (pair.starts_with("user=")) return pair.substr(5);
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
  }
  return {};
}

}  // namespace

DifyFlow::DifyFlow(DifyDoor& door, http::Exchange& exchange) : door_(door), exchange_(exchange), snapshot_(door.snapshot()) {
  door_.add(*this);
}

DifyFlow::~DifyFlow() {
  leave_fill();
  door_.remove(*this);
}

void DifyFlow::begin() {
  const http::RequestHead& request = exchange_.request();
  started_ = door_.world().loop.now();
  request_id_ = door_.new_request_id();
  trace_ = begin_trace(door_.tracer(), request.headers);
  call_kind_ = dify::classify(request.method, request.target);
  queue_ = dify::queue_class(call_kind_, false);
  name_app();
  const std::uint64_t length = request.content_length.value_or(0);
  const std::uint64_t whole_max = is_paced() ? snapshot_->config().limits.body : k_small_body;
  const bool is_small = !request.chunked && length <= k_small_body;
  reads_whole_ = !request.has_body() || (is_json(request.headers) && (is_paced() || is_small));
  if (reads_whole_ && length > whole_max) return answer_error(ErrorCode::body_too_large);
  if (reads_whole_) return;
  const bool is_kept = caller_.app != nullptr && caller_.app->cache;
  if (call_kind_.kind == dify::CallKind::upload && call_kind_.as_written && is_kept) {
    upload_.emplace(door_.uploads(), caller_.digest, request.headers);
  }
  // What waits its turn stays with the client until then.
  if (is_paced()) exchange_.read_body(false);
  proceed();
}

void DifyFlow::name_app() {
  if (call_kind_.surface != dify::Surface::service) return;
  const std::string_view key = presented_key(exchange_.request().headers);
  if (key.empty()) return;
  caller_.digest = chat::sha256_hex(key);
  caller_.app = snapshot_->app_with(caller_.digest);
  caller_.label = caller_.app != nullptr ? caller_.app->name : door_.names().of(caller_.digest);
}

void DifyFlow::on_body(std::string_view data) {
  request_bytes_ += data.size();
  if (state_ == State::finished) return;
  if (reads_whole_) {
    if (body_.size() + data.size() > snapshot_->config().limits.body) return answer_error(ErrorCode::body_too_large);
    body_.append(data);
    return;
  }
  if (pursuit_ == nullptr) return;
  if (upload_) upload_->on_body(data);
  pursuit_->write_body(Bytes::copy(data));
  if (pursuit_ != nullptr && pursuit_->unsent() > k_unsent_max) exchange_.read_body(false);
}

void DifyFlow::on_upload(bool on) { exchange_.read_body(on); }

void DifyFlow::on_body_end() {
  if (state_ == State::finished) return;
  if (!reads_whole_) {
    if (pursuit_ != nullptr) pursuit_->end_body();
    return;
  }
  if (!body_.empty()) {
    // Of what is no run only its user is of interest, which stands at the same place.
    const dify::RunKind kind = call_kind_.run != dify::RunKind::none ? call_kind_.run : dify::RunKind::chat;
    const auto file_hash = [this](std::string_view id) { return door_.uploads().hash_of(caller_.digest, id); };
    run_ = dify::read_run(kind, body_, run_options(snapshot_->config(), caller_.app), file_hash);
    queue_ = dify::queue_class(call_kind_, run_.streaming);
  }
  proceed();
}

// The same user goes the same way, whatever is asked. Who names no user goes with the credential, and what belongs to no app (the
// console, files) to the first backend.
std::optional<std::uint64_t> DifyFlow::whose() const {
  if (call_kind_.surface != dify::Surface::service) return std::nullopt;
  if (!run_.user.empty()) return spread_of(run_.user);
  const std::string_view user = user_in(http::split_target(target()).query);
  if (!user.empty()) return spread_of(user);
  if (!caller_.digest.empty()) return spread_of(caller_.digest);
  return std::nullopt;
}

std::string_view DifyFlow::target() const {
  return target_.empty() ? std::string_view(exchange_.request().target) : target_;
}

void DifyFlow::proceed() {
  if (!answer_minted() && !serve_info()) route();
}

Chain DifyFlow::chain() const {
  return dify_chain(*snapshot_, whose(), [this](const Link& link) { return load_of(*door_.lanes().of(link, {})); });
}

// Where it goes, whatever the cache says.
void DifyFlow::route() {
  Chain chain = this->chain();
  if (chain.empty()) return answer_error(ErrorCode::no_target, 1s);
  if (call_kind_.asks_model) return answer_run(std::move(chain));
  judgement_.bypass = chat::BypassReason::endpoint;
  ask(std::move(chain));
}

void DifyFlow::ask(Chain chain) {
  state_ = State::asking;
  DifyPursuitHandler& handler = *this;
  pursuit_ = std::make_unique<DifyPursuit>(door_, order(std::move(chain)), handler);
  pursuit_->start();
}

DifyPursuitOrder DifyFlow::order(Chain chain) {
  const http::RequestHead& request = exchange_.request();
  DifyPursuitOrder order;
  order.snapshot = snapshot_;
  order.chain = std::move(chain);
  order.kind = call_kind_;
  order.queue = queue_;
  order.streaming = run_.streaming;
  order.caller = caller_;
  order.caller.user = run_.user;
  order.head = request;
  order.head.target = target();
  if (trace_) order.trace = trace_->call = call_trace();
  if (swap_) order.head.headers.set("Accept-Encoding", "identity");  // ids are looked for in the answer
  order.peer = exchange_.peer();
  if (!reads_whole_) {
    order.streamed_body = true;
    order.streamed_length = request.content_length;
  } else if (request.has_body()) {
    order.body = !asked_.empty() ? asked_ : Bytes::copy(std::exchange(body_, {}));
  }
  return order;
}

}  // namespace outrigger::proxy
