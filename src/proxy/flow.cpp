#include "proxy/flow.h"

#include <algorithm>

#include "chat/named_model.h"
#include "providers/openai/rewrite.h"
#include "proxy/call_order.h"
#include "proxy/llm_door.h"
#include "proxy/target_name.h"

namespace outrigger::proxy {
namespace {

// Of JSON with prose in it, roughly; for pacing.
constexpr std::size_t k_bytes_of_token = 4;

// A pass-through answer may be a long download or a live stream of hours: its limit only ends what was forgotten.
constexpr Duration k_pass_through_total = 4h;

}  // namespace

Flow::Flow(LlmDoor& door, http::Exchange& exchange) : door_(door), exchange_(exchange), snapshot_(door.snapshot()) {}

Flow::~Flow() { leave_fill(); }

// ---- reading ---------------------------------------------------------------------------------------------------------

void Flow::begin() {
  const http::RequestHead& request = exchange_.request();
  started_ = door_.world().loop.now();
  request_id_ = door_.new_request_id();
  trace_ = begin_trace(door_.tracer(), request.headers);
  destination_ = door_.destination(request.target);
  served_by_ = destination_.target->upstream->name;
  bypass_ = chat::BypassReason::refused;
  if (!is_admitted()) return answer_error(ErrorCode::unauthorized);
  if (client_ != nullptr) {
    judgement_.client = client_;
    account_ = door_.clients().of(*client_);
    refusal_ = account_->enter();
    if (refusal_) return answer_error(refusal_->code);
  }
  bypass_.reset();
  if (is_understood(destination_, request.method, request.headers)) {
    body_ = door_.texts().take();
    body_.reserve(std::min<std::uint64_t>(request.content_length.value_or(4096), k_parse_on_loop));
    return;
  }
  bypass_ = destination_.place.endpoint != chat::Endpoint::other && request.headers.get("content-encoding")
                ? chat::BypassReason::encoded_body
                : chat::BypassReason::endpoint;
  // What may name its model is read as a whole, like what is understood; a large upload is passed on as it comes.
  const auto type = request.headers.get("content-type");
  const bool is_json = type && type->contains("json") && !request.headers.get("content-encoding");
  const std::uint64_t whole_max = is_json ? chat::k_named_json_max : k_replay_max;
  streams_body_ = request.chunked || request.content_length.value_or(0) > whole_max;
  if (!streams_body_) return;
  hold_until_ = held_before_streaming();
  if (hold_until_ == 0) pass_through(true);
}

// How much of a body that streams must have come before it can be said what it asks for. Zero: nobody wants to know, or it would not
// be read.
std::size_t Flow::held_before_streaming() const {
  const http::RequestHead& request = exchange_.request();
  const bool is_watched = client_ != nullptr && (!client_->models.empty() || account_->has_budget());
  if (!is_watched || request.headers.get("content-encoding")) return 0;
  const auto type = request.headers.get("content-type");
  if (!type || !type->contains("json")) return chat::k_named_upload_max;
  return request.chunked ? chat::k_named_json_max : 0;
}

// On a wire that is not understood, path or body may still say which model is asked for: then the target is known that the request
// waits for, and what comes of it is evidence.
bool Flow::name_model() {
  const http::RequestHead& request = exchange_.request();
  chat::NamedModel named = chat::named_model(request.method, http::split_target(request.target).path, body_);
  judgement_.request.model = std::move(named.model);
  judgement_.request.stream = named.stream;
  if (client_ != nullptr && request.method != "GET" && !may_ask_for(judgement_.request.model)) return false;
  const std::uint64_t size = streams_body_ ? request.content_length.value_or(body_.size()) : body_.size();
  judgement_.request.prompt_tokens = static_cast<std::uint32_t>(size / k_bytes_of_token);
  if (judgement_.request.model.empty()) return true;
  judgement_.model = snapshot_->config().model_for(judgement_.request.model);
  served_by_ = target_name(destination_.target->upstream->name, judgement_.request.model);
  return true;
}

bool Flow::may_ask_for(std::string_view model) const {
  if (client_ == nullptr || client_->models.empty()) return true;
  return std::ranges::any_of(client_->models,
                             [&](const std::string& pattern) { return config::glob_matches(pattern, model); });
}

bool Flow::is_admitted() {
  if (snapshot_->config().clients.empty()) return true;
  client_ = snapshot_->client_with(presented_key(exchange_.request().headers));
  return client_ != nullptr;
}

void Flow::on_body(std::string_view data) {
  request_bytes_ += data.size();
  if (state_ == State::finished) return;
  if (!streams_body_ || hold_until_ > 0) {
    body_.append(data);
    if (streams_body_ && body_.size() >= hold_until_) stream_held();
    return;
  }
  upload(data);
}

void Flow::stream_held() {
  hold_until_ = 0;
  pass_through(true);
  upload(body_);
  body_.clear();
}

void Flow::upload(std::string_view data) {
  if (fill_ == nullptr || !fill_->uploading()) return;
  fill_->write_body(Bytes::copy(data));
  if (fill_->upload_unsent() > k_unsent_max) exchange_.read_body(false);
}

void Flow::on_upload_drained() { exchange_.read_body(true); }

void Flow::on_body_end() {
  if (state_ == State::finished) return;
  if (hold_until_ > 0) streams_body_ = false;  // it is all there
  if (streams_body_) {
    if (fill_ != nullptr && fill_->uploading()) fill_->end_body();
    return;
  }
  const MonoTime began = door_.world().loop.stopwatch();
  if (bypass_) {
    pass_through(false);
  } else if (body_.size() <= k_parse_on_loop) {
    decide(understand(*snapshot_, destination_, body_, door_.texts().take()));
  } else {
    // The closure owns all that the job reads, for this Flow may be gone before the job is done.
    struct Job {
      std::shared_ptr<const Snapshot> snapshot;
      Destination destination;
      std::string body;
      chat::Request request;
    };
    state_ = State::judging;
    auto job = std::make_shared<Job>(Job{snapshot_, destination_, std::move(body_), {}});
    understanding_ =
        door_.world().loop.work([job] { job->request = understand(*job->snapshot, job->destination, job->body); },
                                [this, job] {
                                  body_ = std::move(job->body);
                                  decide(std::move(job->request));
                                });
  }
  own_time_ += door_.world().loop.stopwatch() - began;
}

// ---- judging ---------------------------------------------------------------------------------------------------------

void Flow::decide(chat::Request request) {
  if (const config::Model* model = snapshot_->config().model_for(request.model); model != nullptr)
    destination_ = snapshot_->destination(exchange_.request().target, model);
  judgement_ = judge(*snapshot_, destination_, exchange_.request().headers, client_, std::move(request), door_.keys(),
                     door_.texts().take());
  served_by_ = target_name(destination_.target->upstream->name, judgement_.request.model);
  if (!may_ask_for(judgement_.request.model)) {
    bypass_ = chat::BypassReason::refused;
    return answer_error(ErrorCode::forbidden);
  }
  if (judgement_.bypass) return bypass(*judgement_.bypass);
  if (!judgement_.request.inputs.empty()) return answer_embeddings();
  answer_from_cache();
}

void Flow::bypass(chat::BypassReason reason) {
  result_ = CacheResult::bypass;
  bypass_ = reason;
  door_.metrics().count_bypass(reason);
  leads_ = true;
  follow(door_.fills().start(order_for(false), false));
}

void Flow::pass_through(bool streamed) {
  if (!name_model()) {
    bypass_ = chat::BypassReason::refused;
    return answer_error(ErrorCode::forbidden);
  }
  door_.metrics().count_bypass(*bypass_);
  leads_ = true;
  FillOrder order = order_for(false);
  order.call.endpoint = chat::Endpoint::other;
  // An upload that comes as it is sent cannot wait: it would have to be kept.
  if (streamed || chat::only_counts(http::split_target(exchange_.request().target).path)) order.call.is_paced = false;
  if (judgement_.model == nullptr) order.call.limits.total = k_pass_through_total;
  if (streamed) {
    order.call.body.reset();
    order.call.streamed_body = true;
    order.call.streamed_length = exchange_.request().content_length;
  } else if (!exchange_.request().has_body()) {
    order.call.body.reset();
  }
  follow(door_.fills().start(std::move(order), false));
}

bool Flow::is_servable(const cache::Entry& entry) const {
  const WallTime now = door_.world().loop.wall_now();
  if (judgement_.steering.no_cache || !entry.fresh(now)) return false;
  return !is_too_old(entry);
}

bool Flow::is_too_old(const cache::Entry& entry) const {
  const std::optional<Duration> most = judgement_.steering.max_age;
  return most && entry.age(door_.world().loop.wall_now()) > *most;
}

// Just past its time: it is served all the same, and fetched anew for those who come later.
bool Flow::may_serve_expired(const cache::Entry& entry) const {
  if (judgement_.steering.no_cache || judgement_.policy->mode == CacheMode::observe || is_too_old(entry)) return false;
  return entry.expired_less_than(judgement_.policy->stale_while_revalidate, door_.world().loop.wall_now());
}

void Flow::answer_from_cache() {
  if (trace_) trace_->begin_lookup();
  cache::EntryPtr entry = door_.store().find_now(judgement_.identity);
  if (trace_) trace_->end_lookup();
  if (entry != nullptr && is_servable(*entry)) {
    if (judgement_.policy->mode == CacheMode::observe) {
      result_ = CacheResult::observe;
    } else {
      serve_entry(entry, CacheResult::hit);
      if (state_ == State::finished) return;
      entry = nullptr;  // it cannot be read: as if it were not there
    }
  }
  if (entry != nullptr && may_serve_expired(*entry)) {
    key_ = entry->key();
    serve_expired(entry);
    if (state_ == State::finished) return;
    entry = nullptr;
  }
  join_or_lead(std::move(entry), nullptr);
}

void Flow::answer_embeddings() {
  const bool may_serve = judgement_.policy->mode != CacheMode::observe;
  std::vector<EmbeddingBatch::Element> elements;
  bool all_known = true;
  if (trace_) trace_->begin_lookup();
  for (const chat::Request::Input& input : judgement_.request.inputs) {
    EmbeddingBatch::Element element;
    element.identity = input_identity(judgement_, destination_, exchange_.request().headers, input, door_.keys());
    element.tokens = input.tokens;
    cache::EntryPtr entry = door_.store().find_now(element.identity);
    const bool known = entry != nullptr && is_servable(*entry);
    all_known = all_known && known;
    if (known && may_serve) {
      element.entry = std::move(entry);
    } else {
      element.key = door_.keys().key(element.identity);
      if (may_serve) element.stale = std::move(entry);
    }
    elements.push_back(std::move(element));
  }
  if (trace_) trace_->end_lookup();
  auto batch = std::make_unique<EmbeddingBatch>(body_, std::move(elements));
  if (all_known && may_serve) {
    usage_.prompt_tokens = batch->tokens();
    serve_assembled(*batch, Bytes::copy(batch->render(judgement_.policy->usage, judgement_.request.model)),
                    CacheResult::hit);
    return;
  }
  if (all_known) result_ = CacheResult::observe;
  join_or_lead(nullptr, std::move(batch));
}

void Flow::join_or_lead(cache::EntryPtr stale, std::unique_ptr<EmbeddingBatch> batch) {
  const bool observing = judgement_.policy->mode == CacheMode::observe;
  const bool may_share = !observing && !judgement_.steering.no_cache;
  key_ = door_.keys().key(judgement_.identity);
  if (may_share) {
    Fill* under_way = door_.fills().joinable(key_);
    const bool is_same = under_way != nullptr && under_way->order().storing->identity == judgement_.identity;
    if (is_same && !door_.refreshes().give_way(*under_way)) {
      result_ = CacheResult::coalesced;
      if (trace_) trace_->link_to(under_way->order().call.trace);
      follow(*under_way);
      return;
    }
  }
  if (!door_.fills().may_record()) return bypass(chat::BypassReason::overloaded);
  if (result_ != CacheResult::observe) result_ = CacheResult::miss;
  leads_ = true;
  FillOrder order = order_for(true);
  order.look_up = result_ == CacheResult::miss && !judgement_.steering.no_cache && door_.store().can_find_later();
  order.serve_found = !observing;
  order.max_age = judgement_.steering.max_age;
  order.while_revalidating = judgement_.policy->stale_while_revalidate;
  if (!observing) order.stale = std::move(stale);
  order.batch = std::move(batch);
  follow(door_.fills().start(std::move(order), may_share && !door_.fills().known_unstorable(key_)));
}

FillOrder Flow::order_for(bool storing) const {
  FillOrder order;
  order.call = call_order(snapshot_, judgement_, exchange_.request(), Bytes::copy(body_), door_.world().rng);
  // Who has waited for another's call before has only the rest of the time that it asked for.
  if (const auto asked = own_timeout(exchange_.request().headers)) {
    const Duration left = std::max<Duration>(started_ + *asked - door_.world().loop.now(), 0s);
    order.call.limits.total = std::min(order.call.limits.total, left);
  }
  order.include_usage = judgement_.request.include_usage;
  ask_for_usage(order);
  if (trace_) order.call.trace = trace_->call = call_trace(order.call.chain);
  order.fixed = fixed_entry(judgement_, door_.world().loop.wall_now());
  order.payer = account_;
  if (!storing) return order;
  FillOrder::Storing& to = order.storing.emplace();
  to.key = key_;
  to.identity = judgement_.identity;
  to.meta.model = judgement_.request.model;
  to.meta.served_by = order.call.chain.front().name;
  if (destination_.route != nullptr) to.meta.route = destination_.route->path;
  to.meta.tags = judgement_.policy->tags;
  to.meta.endpoint = judgement_.request.endpoint;
  to.meta.ttl = judgement_.policy->ttl;
  // Whatever may be served past its time may be served on an error, too (RFC 5861 §3, §4), so it is kept as long.
  to.meta.stale = std::max(judgement_.policy->stale_if_error, judgement_.policy->stale_while_revalidate);
  to.max_entry = judgement_.policy->max_entry;
  to.prompt_tokens_estimate = judgement_.request.prompt_tokens;
  to.usage = judgement_.policy->usage;
  return order;
}

// Where what a client takes must be known, a stream tells its usage though the client has not asked for it, who does not get it then:
// reasoning that is not shown would be free.
void Flow::ask_for_usage(FillOrder& order) const {
  const chat::Request& request = judgement_.request;
  const bool is_metered = account_ != nullptr && account_->is_metered();
  if (!is_metered || !request.stream || request.include_usage || !providers::has_optional_usage(request.endpoint)) return;
  const auto body = providers::openai::rewrite_request(order.call.body->view(), {.include_usage = true});
  if (!body) return;
  order.call.body = Bytes::copy(*body);
  order.include_usage = order.call.include_usage = true;
}

void Flow::follow(Fill& fill) {
  state_ = State::answering;
  fill_ = &fill;
  position_ = fill.recording().begin();
  fill.attach(*this);
  on_fill();
}

void Flow::leave_fill() {
  if (fill_ == nullptr) return;
  if (leads_) {
    attempts_ += fill_->attempts();
    waited_ += fill_->waited();
    const Spent spent = fill_->spent();
    spent_.usd += spent.usd;
    spent_.tokens += spent.tokens;
    const std::vector<Tried> tried = fill_->tried();
    tried_.insert(tried_.end(), tried.begin(), tried.end());
    losses_ = fill_->losses();
  }
  std::exchange(fill_, nullptr)->detach(*this);
}

// ---- finished --------------------------------------------------------------------------------------------------------

void Flow::on_client_gone() {
  if (state_ == State::finished) return;
  // Nothing of ours and yet an answer: the server side has refused the rest of the request, and on_refused() booked it.
  refused_ = status_ == 0 && exchange_.responded();
  error_ = ErrorCode::client_gone;
  failed_ = true;
  finish(Outcome::client_gone);
}

void Flow::on_cut_off() {
  fill_ = nullptr;
  exchange_.abort();
  failed_ = true;
  error_ = ErrorCode::overloaded;
  finish(Outcome::cut);
}

void Flow::finish(Outcome outcome) {
  if (state_ == State::finished) return;
  state_ = State::finished;
  understanding_.reset();
  send_timer_.cancel();
  if (fill_ != nullptr && leads_) {
    if (const auto used = fill_->usage()) usage_ = *used;
    if (!refusal_) refusal_ = fill_->refusal();
  }
  leave_fill();
  for (std::string* text : {&body_, &judgement_.request.canonical, &judgement_.identity}) {
    door_.texts().give(std::move(*text));
  }
  if (refused_) return;
  Metrics::PerModel& series = door_.metrics().of_model(judgement_.request.model);
  series.requests[static_cast<std::size_t>(outcome)]->add();
  series.cache[static_cast<std::size_t>(result_)]->add();
  door_.metrics().overhead().observe(seconds(own_time_));
  if (account_ != nullptr) account_->count(outcome, refusal_ && status_ >= 400);

  if (trace_) end_trace(outcome);
  if (door_.logs_access()) log_access(outcome);
}

void Flow::log_access(Outcome outcome) {
  const MonoTime now = door_.world().loop.now();
  const http::RequestHead& request = exchange_.request();
  obs::AccessRecord record;
  record.time = door_.world().loop.wall_now();
  record.request_id = request_id_;
  const std::string trace = trace_id();
  record.trace_id = trace;
  record.door = "llm";
  if (client_ != nullptr) record.client = client_->name;
  const std::string peer = exchange_.peer();
  record.peer = peer;
  record.method = request.method;
  record.path = http::split_target(request.target).path;
  record.model = judgement_.request.model;
  record.upstream = destination_.target->upstream->name;
  record.served_by = served_by_;
  if (destination_.route != nullptr) record.route = destination_.route->path;
  record.cache = name(result_);
  if (bypass_) record.cache_reason = chat::name(*bypass_);
  if (failed_) record.error = traits(error_).name;
  record.outcome = name(outcome);
  constexpr int k_client_closed_request = 499;  // nginx's word for it
  record.status = status_ == 0 && outcome == Outcome::client_gone ? k_client_closed_request : status_;
  record.attempts = attempts_;
  for (const Tried& tried : tried_) record.tried.push_back({tried.target, tried.outcome, tried.took});
  record.left_out = losses_;
  record.queued = waited_;
  record.stream = judgement_.request.stream;
  record.request_bytes = request_bytes_;
  record.response_bytes = sent_bytes_;
  record.prompt_tokens = usage_.prompt_tokens;
  record.completion_tokens = usage_.completion_tokens;
  record.saved_usd = saved_usd_;
  record.saved_tokens = saved_tokens_;
  record.spent_usd = spent_.usd;
  record.spent_tokens = spent_.tokens;
  record.duration = now - started_;
  if (first_byte_ != MonoTime{}) record.first_byte = first_byte_ - started_;
  door_.log_access(record);
}

}  // namespace outrigger::proxy
