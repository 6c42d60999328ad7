// The answering half of Flow: how what is stored, or what a Fill brings, reaches this client.
#include <algorithm>

#include <fmt/format.h>

#include "chat/named_model.h"
#include "proxy/call_order.h"
#include "proxy/flow.h"
#include "proxy/llm_door.h"
#include "proxy/target_name.h"

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_json = "application/json";
constexpr std::string_view k_sse = "text/event-stream; charset=utf-8";

// A field by which Outrigger tells of itself.
bool is_own(std::string_view name) {
  constexpr std::string_view k_prefix = "x-outrigger-";
  return name.size() > k_prefix.size() && http::equal_ignoring_case(name.substr(0, k_prefix.size()), k_prefix);
}

// Whole seconds, at least one, in the field that everybody reads, and the exact time for those who look closer.
void add_retry_after(http::Headers& headers, Duration wait) {
  const auto whole = std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
  const auto exact = std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), std::chrono::milliseconds(1));
  headers.set("Retry-After", std::to_string(whole.count()));
  headers.set("retry-after-ms", std::to_string(exact.count()));
}

cache::Entry::Form form_of(const chat::Request& request, UsagePolicy usage) {
  using enum cache::Entry::Form;
  const bool zero = usage == UsagePolicy::zero;
  if (!request.stream) return zero ? blocking_zero_usage : blocking;
  if (!request.include_usage) return streamed;
  return zero ? streamed_zero_usage : streamed_with_usage;
}

}  // namespace

// ---- from a stored entry ---------------------------------------------------------------------------------------------

// `saves`: a call upstream less is made for it.
void Flow::serve_entry(const cache::EntryPtr& entry, CacheResult result, bool saves) {
  const chat::Request& request = judgement_.request;
  // Fixed words cost nothing, and save nothing.
  const bool is_kept = result == CacheResult::hit || result == CacheResult::stale;
  const UsagePolicy usage = is_kept ? judgement_.policy->usage : UsagePolicy::zero;
  const cache::Entry::Form form = form_of(request, usage);
  auto& wire = entry->wire[form];
  if (wire == nullptr) {
    auto rendered = providers::render(request.endpoint, entry->payload().view(),
                                      {.stream = request.stream,
                                       .include_usage = request.include_usage,
                                       .usage = usage,
                                       .prompt_tokens_estimate = request.prompt_tokens});
    if (!rendered) return;
    wire = std::make_shared<const providers::Rendered>(std::move(*rendered));
    door_.store().recharge(*entry);
  }
  result_ = result;
  served_by_ = entry->meta().served_by;
  if (is_kept && saves) book_saving({entry->meta().prompt_tokens, entry->meta().completion_tokens});
  io::World& world = door_.world();
  const Bytes body = providers::personalise(*wire, world.rng.next(), world.rng.next(), unix_seconds(world.loop.wall_now()));
  status_ = 200;
  first_byte_ = world.loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_rendered(rendered_head(request.stream ? k_sse : k_json, entry.get()), body);
  finish(Outcome::ok);
}

void Flow::serve_expired(const cache::EntryPtr& entry) {
  // Before the client has its answer: with that, the request is over and gives its texts back.
  std::optional<FillOrder> order;
  if (door_.refreshes().may_begin(key_)) {
    order = order_for(true);
    // Memory may be behind what another replica has fetched; a Fill has looked there just now.
    order->look_up = fill_ == nullptr && door_.store().can_find_later();
    order->stale = entry;
  }
  serve_entry(entry, CacheResult::stale, !order);
  if (order && state_ == State::finished) door_.refreshes().begin(std::move(*order));
}

void Flow::serve_assembled(const EmbeddingBatch& batch, const Bytes& body, CacheResult result) {
  result_ = result;
  if (result == CacheResult::hit || result == CacheResult::stale) {
    served_by_ = batch.oldest().meta().served_by;
    book_saving(usage_);
  }
  status_ = 200;
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_rendered(rendered_head(k_json, &batch.oldest()), body);
  finish(Outcome::ok);
}

std::string_view Flow::rendered_head(std::string_view content_type, const cache::Entry* entry) {
  std::string& head = door_.scratch();
  const int attempts = attempts_ + (fill_ != nullptr && leads_ ? fill_->attempts() : 0);
  const auto field = [&head](std::string_view field_name, std::string_view value) {
    head.append(field_name).append(": ").append(value).append("\r\n");
  };
  head.append("HTTP/1.1 200 OK\r\n");
  field("Content-Type", content_type);
  field("x-outrigger-cache", name(result_));
  head.append("x-outrigger-served-by: ");
  append_header_safe(head, served_by_);
  head.append("\r\n");
  field("x-outrigger-attempts", fmt::format_int(attempts).str());
  field("x-outrigger-request-id", request_id_);
  if (entry != nullptr && (result_ == CacheResult::hit || result_ == CacheResult::stale)) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(entry->age(door_.world().loop.wall_now()));
    field("Age", fmt::format_int(age.count()).str());
  }
  return head;
}

// ---- from a Fill -----------------------------------------------------------------------------------------------------

void Flow::on_fill() {
  if (state_ == State::finished || fill_ == nullptr) return;
  if (is_refused_to_another() || is_over_for_another()) return ask_anew();
  switch (fill_->state()) {
    case Fill::State::looking_up:
    case Fill::State::calling:
      return;
    case Fill::State::complete:
      if (fill_->found() != nullptr) return serve_found();
      break;
    case Fill::State::failed:
      if (!exchange_.responded()) return answer_error(fill_->error().code);
      break;
    case Fill::State::answering:
      break;
  }
  served_by_ = fill_->served_by();
  if (mode_ == Mode::undecided && is_about_another()) return go_alone();
  if (mode_ == Mode::undecided || (mode_ == Mode::hold && !fill_->kept_whole())) choose_mode();
  if (mode_ == Mode::convert && !fill_->kept_whole()) return go_alone();
  if (mode_ == Mode::relay || mode_ == Mode::adapt) pump();
  if (fill_ != nullptr && fill_->state() != Fill::State::answering) on_fill_ended();
}

void Flow::serve_found() {
  const cache::EntryPtr& entry = fill_->found();
  switch (fill_->found_kind()) {
    case Fill::Kind::fresh:
      // What the one who asked for it may have can be too old for another.
      if (!leads_ && is_too_old(*entry)) return go_alone();
      serve_entry(entry, CacheResult::hit);
      break;
    case Fill::Kind::expired:
      if (!leads_ && !may_serve_expired(*entry)) return go_alone();
      serve_expired(entry);
      break;
    case Fill::Kind::stale:
      serve_entry(entry, CacheResult::stale);
      break;
    case Fill::Kind::fixed:
      serve_entry(entry, result_);
      break;
  }
  if (state_ != State::finished) go_alone();  // it cannot be read
}

// The upstream has refused the credential of the one who asked, and this client has one of its own.
bool Flow::is_about_another() const {
  if (leads_ || judgement_.policy->scope != Scope::global || !destination_.target->upstream->keys.empty()) return false;
  const int status = fill_->head().status;
  return status == 401 || status == 402 || status == 403;
}

void Flow::choose_mode() {
  const bool same_form = leads_ || fill_->order().call.streamed_answer == judgement_.request.stream;
  const bool streamed = fill_->answered_as_stream();
  if (fill_->order().call.endpoint == chat::Endpoint::other) {
    mode_ = Mode::relay;
  } else if (fill_->head().status != 200 || (same_form && !streamed)) {
    mode_ = fill_->kept_whole() ? Mode::hold : Mode::relay;
  } else if (!same_form) {
    mode_ = Mode::convert;
  } else {
    const bool differs = fill_->order().include_usage != judgement_.request.include_usage;
    // Who asked can be given nothing else than what came.
    if (differs && fill_->events() == nullptr && !leads_) return go_alone();
    mode_ = differs && fill_->events() != nullptr ? Mode::adapt : Mode::relay;
  }
  if (mode_ == Mode::relay || mode_ == Mode::adapt) begin_relay();
}

// What the upstream said, for the one who asked it. Others get what describes the body, and nothing that was meant for one.
http::ResponseHead Flow::answer_head() const {
  const http::ResponseHead& from = fill_->head();
  http::ResponseHead head;
  head.status = from.status;
  head.reason = from.reason;
  if (leads_) {
    head.headers = from.headers;
    // Framing is the server side's, and what Outrigger says of itself is ours: the upstream may be another one. So is Age, and
    // only on a hit.
    http::remove_hop_by_hop(head.headers);
    head.headers.remove_if([](std::string_view name) {
      return is_own(name) || http::equal_ignoring_case(name, "content-length") || http::equal_ignoring_case(name, "age");
    });
  } else {
    for (const std::string_view field : {"content-type", "content-encoding", "retry-after", "retry-after-ms"}) {
      if (const auto value = from.headers.get(field)) head.headers.add(field, *value);
    }
  }
  // A final answer: the SDKs would multiply the attempts.
  if (head.status >= 400) head.headers.set("x-should-retry", "false");
  add_own_headers(head.headers);
  return head;
}

void Flow::begin_relay() {
  if (leads_ && fill_->would_have_hit()) result_ = CacheResult::observe;
  const http::ResponseHead& from = fill_->head();
  http::BodyLength length = http::BodyLength::streamed();
  // A stream keeps no announced length: an error event of ours may have to follow.
  const bool keeps_length = mode_ == Mode::relay && from.content_length && !from.chunked && !fill_->answered_as_stream();
  if (keeps_length) length = http::BodyLength::known(*from.content_length);
  status_ = from.status;
  first_byte_ = door_.world().loop.now();
  exchange_.respond(answer_head(), length);
}

void Flow::pump() {
  const std::uint64_t readable = fill_->readable();
  while (position_ < readable && !waiting_for_drain_) {
    std::uint64_t to = std::min<std::uint64_t>(readable, position_ + k_unsent_max);
    // Who asked gets the pieces as they came, those before the first token, too. Who comes later catches up in one write.
    if (leads_) to = fill_->recording().piece_end(position_, to);
    if (mode_ == Mode::adapt && fill_->events() != nullptr && next_event_ < fill_->events()->size()) {
      position_ = write_events(to);
    } else {
      // Adapting: what comes after the last event, such as an end mark without its blank line.
      if (mode_ == Mode::adapt && fill_->events() != nullptr) add_usage();
      const Bytes piece = fill_->recording().piece(position_, to);
      send(piece);
      position_ = to;
    }
    if (exchange_.unsent() > k_unsent_max) {
      waiting_for_drain_ = true;
      watch_client();
    }
  }
  fill_->reader_advanced();
}

// Passes on the events that end at or before `to`; leaves out the usage chunk, or adds one before the end mark.
std::uint64_t Flow::write_events(std::uint64_t to) {
  const std::vector<providers::Event>& events = *fill_->events();
  const bool wanted = judgement_.request.include_usage;
  std::uint64_t from = position_;
  std::uint64_t at = position_;
  const auto flush = [&](std::uint64_t until) {
    if (until > from) send(fill_->recording().piece(from, until));
  };
  // At least one event, or a large one would never pass.
  for (bool first = true; next_event_ < events.size() && (first || events[next_event_].end <= to); first = false) {
    const providers::Event& event = events[next_event_++];
    if (event.kind == providers::EventKind::token && token_events_++ == 0) {
      like_ = fill_->recording().piece(at, event.end);
    }
    if (event.kind == providers::EventKind::usage) sent_usage_ = true;
    if (event.kind == providers::EventKind::usage && !wanted) {
      flush(at);
      from = event.end;
    } else if (event.kind == providers::EventKind::done && wanted && !sent_usage_) {
      flush(at);
      from = at;
      add_usage();
    }
    at = event.end;
  }
  flush(at);
  return at;
}

// For who asked for usage where nobody counted: the prompt by estimate, the answer by its pieces, which are about a token each.
void Flow::add_usage() {
  if (!judgement_.request.include_usage || std::exchange(sent_usage_, true)) return;
  send(Bytes::copy(
      providers::usage_event(judgement_.request.endpoint, like_.view(), {judgement_.request.prompt_tokens, token_events_})));
}

void Flow::on_fill_ended() {
  const bool failed = fill_->state() == Fill::State::failed;
  switch (mode_) {
    case Mode::hold:
      return serve_held();
    case Mode::convert:
      return serve_converted();
    case Mode::undecided:
      return;
    case Mode::relay:
    case Mode::adapt:
      break;
  }
  if (position_ < fill_->readable()) return;  // the client is behind; on_drained goes on
  if (failed) return fail_stream(fill_->error().code);
  if (result_ == CacheResult::coalesced) book_shared();
  // Readers of events drop the last one if no blank line follows it.
  if (fill_->broke_after_end() && !is_between_events()) send(Bytes::copy(tail_.ends_with('\n') ? "\n" : "\n\n"));
  exchange_.finish();
  finish(outcome_of(status_));
}

void Flow::serve_held() {
  if (fill_->assembled()) {
    const EmbeddingBatch& batch = *fill_->order().batch;
    const bool is_stale = fill_->found_kind() == Fill::Kind::stale;
    const bool paid = fill_->attempts() > 0 && !is_stale;
    if (!leads_ && !is_stale && is_too_old(batch.oldest())) return go_alone();
    if (!paid) usage_.prompt_tokens = batch.tokens();
    const CacheResult unpaid = is_stale ? CacheResult::stale : CacheResult::hit;
    return serve_assembled(batch, *fill_->assembled(), paid ? result_ : unpaid);
  }
  if (leads_ && fill_->would_have_hit()) result_ = CacheResult::observe;
  if (result_ == CacheResult::coalesced) book_shared();
  const Bytes body = fill_->recording().piece(0, fill_->recording().end());
  status_ = fill_->head().status;
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_whole(answer_head(), body);
  finish(outcome_of(status_));
}

void Flow::serve_converted() {
  if (!fill_->answer()) return go_alone();
  const chat::Request& request = judgement_.request;
  const auto rendered = providers::render(request.endpoint, fill_->answer()->encoded.view(),
                                          {.stream = request.stream,
                                           .include_usage = request.include_usage,
                                           .usage = UsagePolicy::original,
                                           .prompt_tokens_estimate = request.prompt_tokens});
  if (!rendered) return go_alone();
  book_shared();
  io::World& world = door_.world();
  const Bytes body =
      providers::personalise(*rendered, world.rng.next(), world.rng.next(), unix_seconds(world.loop.wall_now()));
  status_ = 200;
  first_byte_ = world.loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_rendered(rendered_head(request.stream ? k_sse : k_json, nullptr), body);
  finish(Outcome::ok);
}

// What the others get is of no use here (not of a form that can be converted): ask for this client alone.
void Flow::go_alone() {
  leave_fill();
  mode_ = Mode::undecided;
  position_ = 0;
  result_ = CacheResult::miss;
  leads_ = true;
  follow(door_.fills().start(order_for(true), false));
}

// Who has the call made may not spend more, which is none of this client's business.
bool Flow::is_refused_to_another() const {
  const bool is_over = fill_->state() == Fill::State::complete || fill_->state() == Fill::State::failed;
  return is_over && fill_->refusal() && fill_->order().payer != account_;
}

// Who has the call made would not wait for as long as this client does, or let others go first.
bool Flow::is_over_for_another() const {
  if (leads_ || exchange_.responded()) return false;
  const bool is_replaced = fill_->state() == Fill::State::complete &&
                           (fill_->found_kind() == Fill::Kind::stale || fill_->found_kind() == Fill::Kind::fixed);
  if (fill_->state() != Fill::State::failed && !is_replaced) return false;
  const ErrorCode why = fill_->error().code;
  const bool is_in_queue = why == ErrorCode::queue_full || why == ErrorCode::queue_wait;
  if (!is_in_queue && why != ErrorCode::total_timeout) return false;
  const PursuitOrder& theirs = fill_->order().call;
  const PursuitOrder own = call_order(snapshot_, judgement_, exchange_.request(), {}, door_.world().rng);
  const auto rank = [](const PursuitOrder& order) { return resilience::moved(order.queue_class, order.priority); };
  if (is_in_queue && rank(theirs) > rank(own)) return true;
  if (why == ErrorCode::queue_full) return false;
  const bool is_patient = theirs.patience < own.patience && door_.world().loop.now() < started_ + own.patience;
  return is_patient || theirs.limits.total < own.limits.total;
}

void Flow::ask_anew() {
  if (!judgement_.request.inputs.empty()) return go_alone();
  leave_fill();
  result_ = CacheResult::miss;
  answer_from_cache();
}

void Flow::on_drained() {
  if (!std::exchange(waiting_for_drain_, false)) return;
  send_timer_.cancel();
  on_fill();
}

// A client that takes something, however little, is alive.
void Flow::watch_client() {
  send_timer_ = door_.world().loop.after(k_send_timeout, [this, before = exchange_.unsent()] {
    if (exchange_.unsent() < before) return watch_client();
    on_client_stuck();
  });
}

void Flow::on_client_stuck() {
  exchange_.abort();
  failed_ = true;
  error_ = ErrorCode::client_gone;
  finish(Outcome::client_gone);
}

// ---- errors ----------------------------------------------------------------------------------------------------------

void Flow::answer_error(ErrorCode code) {
  const ErrorTraits& error = traits(code);
  failed_ = true;
  error_ = code;
  http::ResponseHead head;
  head.status = error.status;
  head.headers.add("Content-Type", k_json);
  // The SDKs would multiply the attempts.
  head.headers.add("x-should-retry", "false");
  std::optional<Duration> wait;
  if (code == ErrorCode::overloaded || code == ErrorCode::draining) wait = 1s;
  if (fill_ != nullptr && fill_->retry_after()) wait = fill_->retry_after();
  if (!refusal_ && fill_ != nullptr) refusal_ = fill_->refusal();
  // To some refusals waiting is no cure.
  if (refusal_) wait = refusal_->retry_after > Duration::zero() ? std::optional(refusal_->retry_after) : std::nullopt;
  if (wait) add_retry_after(head.headers, *wait);
  add_own_headers(head.headers);
  // The provider's own words, where there are some, else ours.
  const bool has_payload = fill_ != nullptr && fill_->error_payload();
  const Bytes body = has_payload
                         ? *fill_->error_payload()
                         : Bytes::copy(providers::error_body(spoken(), code, refusal_ ? refusal_->message : std::string()));
  status_ = error.status;
  first_byte_ = door_.world().loop.now();
  sent_bytes_ = body.size();
  exchange_.respond_whole(head, body);
  finish(outcome_of(code));
}

// The dialect in which this client reads errors.
chat::Endpoint Flow::spoken() const {
  const chat::Endpoint endpoint = destination_.place.endpoint;
  const bool is_anthropic =
      endpoint == chat::Endpoint::other && chat::is_anthropic_path(http::split_target(exchange_.request().target).path);
  return is_anthropic ? chat::Endpoint::messages : endpoint;
}

void Flow::fail_stream(ErrorCode code) {
  failed_ = true;
  error_ = code;
  // Dify and the SDKs take a stream that just ends for a finished answer: say that it is not.
  // Inside an event there is no place for another one; then the connection's end says it.
  if (fill_->answered_as_stream() && fill_->order().call.endpoint != chat::Endpoint::other && is_between_events()) {
    const std::size_t before = fill_->events() != nullptr ? fill_->events()->size() : 0;
    send(Bytes::copy(providers::error_event(fill_->order().call.endpoint, code, before)));
    exchange_.finish();
  } else {
    exchange_.abort();
  }
  finish(Outcome::cut);
}

void Flow::send(const Bytes& data) {
  sent_bytes_ += data.size();
  constexpr std::size_t k_blank_line = 3;  // with the end of the line before it
  const std::string_view last = data.view().substr(data.size() - std::min(data.size(), k_blank_line));
  tail_.erase(0, tail_.size() - std::min(tail_.size(), k_blank_line - last.size())).append(last);
  exchange_.write(data);
}

bool Flow::is_between_events() const { return tail_.empty() || tail_.ends_with("\n\n") || tail_.ends_with("\n\r\n"); }

void Flow::add_own_headers(http::Headers& headers) const {
  const int attempts = attempts_ + (fill_ != nullptr && leads_ ? fill_->attempts() : 0);
  std::string cache(name(result_));
  if (result_ == CacheResult::bypass && bypass_) cache.append("; reason=").append(chat::name(*bypass_));
  headers.add("x-outrigger-cache", cache);
  std::string served_by;
  append_header_safe(served_by, served_by_);
  headers.add("x-outrigger-served-by", served_by);
  headers.add("x-outrigger-attempts", std::to_string(attempts));
  headers.add("x-outrigger-request-id", request_id_);
}

}  // namespace outrigger::proxy
