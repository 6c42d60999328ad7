#include "proxy/runner.h"

#include <algorithm>

#include "providers/json_doc.h"

namespace outrigger::proxy {
namespace {

bool is_sse(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->starts_with("text/event-stream");
}

bool is_json(const http::ResponseHead& head) {
  const auto type = head.headers.get("content-type");
  return type && type->find("json") != std::string_view::npos;
}

// The data of the one event that `event` is.
std::string_view data_of(std::string_view event) {
  const std::size_t at = event.find("data:");
  if (at == std::string_view::npos) return {};
  const std::size_t begin = event.find_first_not_of(' ', at + 5);
  return event.substr(std::min(begin, event.size()), event.find_first_of("\r\n", at) - std::min(begin, event.size()));
}

}  // namespace

Runner::Runner(CallContext& context, Order order, RunnerHandler& handler)
    : context_(context), order_(std::move(order)), handler_(handler), started_(loop().now()) {
  AttemptHandler* listener = this;
  if (order_.wire != order_.endpoint) {
    listener = &interpreter_.emplace(
        context_.world, context_.metrics,
        Interpreter::Languages{order_.wire, order_.endpoint, order_.request.streamed_answer, order_.include_usage},
        *listener);
  }
  attempt_ = std::make_unique<Attempt>(loop(), context_.client, *order_.target, order_.limits, std::move(order_.request),
                                       *listener);
}

Runner::~Runner() { context_.held -= answer_.recording.held(); }

void Runner::keep(const Bytes& data) {
  answer_.recording.append(data);
  context_.held += data.size();
}

void Runner::read_body(bool on) {
  if (attempt_) attempt_->read_body(on);
}

void Runner::note_progress() {
  note_success();
  if (attempt_) attempt_->note_progress();
}

// The first token, or a whole blocking answer, has come.
void Runner::note_success() {
  if (std::exchange(has_succeeded_, true)) return;
  first_token_ = loop().now();
  if (!order_.permit) return;
  order_.permit->succeeded(answered_as_stream_);
  if (answered_with_ == 200)
    context_.metrics.observe_first_token(order_.name, first_token_ - started_, order_.trace.exemplar());
}

void Runner::settle(std::uint64_t tokens) {
  if (order_.permit) order_.permit->settle(tokens);
}

void Runner::outrun() {
  if (order_.permit) order_.permit->outrun();
}

void Runner::note_broken() {
  if (!order_.permit) return;
  if (has_succeeded_) return order_.permit->broke_off();
  has_succeeded_ = true;
  order_.permit->failed({providers::SignalKind::health, "broke_off", {}});
}

void Runner::on_attempt_head(http::ResponseHead head) {
  answer_.head = std::move(head);
  answer_.sse = answered_as_stream_ = is_sse(answer_.head);
  answered_with_ = answer_.head.status;
  if (!is_watched()) return commit();
  const auto header = [this](std::string_view name) { return answer_.head.headers.get(name); };
  std::uint32_t ignored = 0;
  order_.permit->note_limits(providers::read_limits(header, loop().wall_now(), ignored));
  if (ignored > 0) context_.metrics.count_odd_limits(ignored);
  const int status = answer_.head.status;
  if (status >= 300) {
    state_ = State::refused;
    return;
  }
  if (order_.endpoint == chat::Endpoint::other) return commit();
  const bool readable = !answer_.head.headers.get("content-encoding") && (answer_.sse || is_json(answer_.head));
  if (status != 200 || !readable) return commit();
  // Embeddings have none: whoever puts them together reads them.
  answer_.reader = providers::make_answer_reader(order_.endpoint, answer_.sse);
  if (answer_.reader == nullptr && answer_.sse) return commit();
  state_ = State::watching;
}

void Runner::on_attempt_body(const Bytes& data) {
  switch (state_) {
    case State::asking:
      return;
    case State::committed:
      return handler_.on_runner_body(data);
    case State::refused:
      if (order_.endpoint == chat::Endpoint::other && answer_.recording.held() + data.size() > k_error_body_max) {
        return pass_refusal(data);
      }
      if (answer_.recording.held() < k_error_body_max) keep(data);
      return;
    case State::watching:
      break;
  }
  keep(data);
  if (answer_.reader) answer_.reader->feed(data.view());
  if (answer_.sse) return look_at_events();
  if (answer_.recording.held() > order_.hold_max) commit();
}

void Runner::look_at_events() {
  std::size_t begin = 0;
  bool has_token = false;
  for (const providers::Event& event : answer_.reader->events()) {
    if (event.kind == providers::EventKind::error && !has_token) {
      return end_with_error_event(answer_.recording.piece(begin, event.end));
    }
    has_token = has_token || event.kind != providers::EventKind::other;
    begin = event.end;
  }
  if (has_token) note_success();
  const bool has_event = begin > 0;
  if (has_token || (has_event && !order_.holds_prelude) || answer_.recording.held() > k_prelude_max) commit();
}

void Runner::commit() {
  state_ = State::committed;
  // Whoever reads on says when a token comes in what comes now.
  if (!answer_.sse || answer_.reader == nullptr) note_success();
  if (attempt_ != nullptr && answer_.sse && has_succeeded_) attempt_->note_progress();
  context_.held -= answer_.recording.held();
  handler_.on_committed(*this, std::exchange(answer_, {}));
}

void Runner::on_attempt_end() {
  if (is_over()) return;  // what an interpreter said last was the end already
  attempt_.reset();
  switch (state_) {
    case State::asking:
      return;
    case State::committed:
      note_success();
      return handler_.on_runner_end();
    case State::refused:
      return end_refused();
    case State::watching:
      break;
  }
  if (answer_.sse) return fail_in_transit(ErrorCode::upstream_cut, "the stream ended before its first token");
  end_blocking();
}

void Runner::end_blocking() {
  const Bytes body = answer_.recording.piece(0, answer_.recording.end());
  if (answer_.reader) {
    answer_.verdict = answer_.reader->finish();
    if (!*answer_.verdict && answer_.verdict->error() == chat::NoStoreReason::error_in_answer) {
      return fail_with_payload(body.view(), providers::read_event_signal(body.view()));
    }
    const bool is_unread = !*answer_.verdict && answer_.verdict->error() == chat::NoStoreReason::not_understood;
    if (is_unread && providers::ends_early(body.view())) {
      return fail_in_transit(ErrorCode::upstream_cut, "the answer's JSON ends before its end");
    }
  } else if (auto signal = read_signal(body.view()); signal.kind != providers::SignalKind::ok) {
    return fail_with_payload(body.view(), std::move(signal));
  }
  answer_.is_complete = true;
  commit();
}

providers::Signal Runner::read_signal(std::string_view body) const {
  const auto header = [this](std::string_view name) { return answer_.head.headers.get(name); };
  return providers::read_signal(answer_.head.status, header, body, context_.world.loop.wall_now());
}

void Runner::end_with_error_event(const Bytes& event) {
  const std::string_view data = data_of(event.view());
  fail_with_payload(data, providers::read_event_signal(data));
}

// An error status, with what the upstream says about it.
void Runner::end_refused() {
  const Bytes body = answer_.recording.piece(0, answer_.recording.end());
  Failure failure{ErrorCode::upstream_status, std::to_string(answer_.head.status), read_signal(body.view()), {}};
  if (!failure.signal.code.empty()) failure.detail += " " + failure.signal.code;
  failure.answer = KeptAnswer{std::move(answer_.head), body};
  fail(std::move(failure));
}

// An error too long to be kept, of a target whose answers go untouched: it is told about, and goes on.
void Runner::pass_refusal(const Bytes& data) {
  has_succeeded_ = true;
  order_.permit->failed(read_signal(answer_.recording.piece(0, answer_.recording.end()).view()));
  keep(data);
  commit();
}

// A 200 that is an error: for its readers it is one, in the upstream's own words.
void Runner::fail_with_payload(std::string_view payload, providers::Signal signal) {
  Failure failure{ErrorCode::upstream_error_in_answer, "a 200 with an error inside", std::move(signal), {}};
  if (!payload.empty()) {
    failure.answer = KeptAnswer{};
    failure.answer->head.status = traits(failure.code).status;
    failure.answer->head.headers.add("Content-Type", "application/json");
    failure.answer->body = Bytes::copy(payload);
  }
  fail(std::move(failure));
}

void Runner::on_attempt_failed(Error error) {
  attempt_.reset();
  if (state_ == State::committed) {
    note_broken();
    return handler_.on_runner_cut(std::move(error));
  }
  const bool sent_nothing = error.code == ErrorCode::dns_failed || error.code == ErrorCode::connect_refused ||
                            error.code == ErrorCode::connect_failed || error.code == ErrorCode::connect_timeout ||
                            error.code == ErrorCode::proxy_refused || error.code == ErrorCode::tls_failed;
  if (sent_nothing && order_.permit) order_.permit->never_sent();
  // It said that it refuses and broke off on the way: that it refuses is what counts.
  if (state_ == State::refused) return end_refused();
  fail_in_transit(error.code, std::move(error.detail));
}

void Runner::fail_in_transit(ErrorCode code, std::string detail) {
  const providers::Signal signal{providers::SignalKind::health, std::string(traits(code).name), {}};
  fail({code, std::move(detail), signal, {}});
}

void Runner::fail(Failure failure) {
  attempt_.reset();
  const bool is_evidence = !order_.is_ping || failure.signal.kind == providers::SignalKind::health ||
                           failure.signal.kind == providers::SignalKind::rate;
  if (order_.permit && is_evidence) {
    providers::Signal told = failure.signal;
    const bool is_status = failure.code == ErrorCode::upstream_status && failure.answer;
    // A gateway's page has no word for what is wrong.
    if (told.code.empty()) {
      told.code =
          is_status ? "status_" + std::to_string(failure.answer->head.status) : std::string(traits(failure.code).name);
    }
    order_.permit->failed(told);
  }
  order_.permit.reset();
  handler_.on_runner_failed(*this, std::move(failure));
}

void Runner::on_attempt_drained() { handler_.on_runner_drained(); }

}  // namespace outrigger::proxy
