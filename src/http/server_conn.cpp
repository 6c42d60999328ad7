#include "http/server_conn.h"

#include <utility>

#include "core/check.h"

namespace outrigger::http {
namespace {

// Input that waits for the current exchange to end. One full read of the stream; a client that pipelines more waits.
constexpr std::size_t k_pending_max = 64 * 1024;

}  // namespace

ServerConn::ServerConn(ServerShared& shared, std::unique_ptr<io::Stream> stream)
    : shared_(shared), stream_(std::move(stream)), since_(shared.loop.now()) {
  stream_->set_handler(this);
  settle();
}

ServerConn::~ServerConn() {
  // What the handler's destructor still calls does nothing.
  state_ = State::dead;
}

void ServerConn::on_data(std::string_view data) {
  if (state_ == State::closing) return;
  if (pending_.empty()) {
    pump(data);
    if (state_ == State::dead) return;
    if (state_ != State::closing) pending_.assign(data);
  } else {
    pending_.erase(0, std::exchange(pending_at_, 0));
    pending_.append(data);
    pump_pending();
  }
  settle();
}

void ServerConn::on_eof() {
  eof_ = true;
  if (state_ == State::in_exchange) {
    // A client that closes its direction may still read, but those that do so on purpose are rare and those that hang up in
    // the middle of an answer are not: their upstream work must end. nginx decides alike for proxied requests.
    lose_client();
  } else if (stream_->unsent() == 0 && corked_.empty()) {
    die();
  } else if (state_ != State::closing) {
    begin_closing();
    settle();
  }
}

void ServerConn::on_error(Error) {
  if (state_ == State::in_exchange) {
    lose_client();
  } else {
    die();
  }
}

void ServerConn::on_drained() {
  if (state_ == State::in_exchange && std::exchange(owes_drained_, false)) {
    calling_ = true;
    handler_->on_drained();
    calling_ = false;
    after_call();
  } else if (state_ == State::reading_head) {
    since_ = shared_.loop.now();
    pump_pending();
  } else if (state_ == State::closing) {
    since_ = shared_.loop.now();
    if (eof_) die();
  }
  settle();
}

void ServerConn::pump(std::string_view& input) {
  pumping_ = true;
  while (may_parse()) {
    if (std::exchange(parser_is_old_, false)) parser_.start({.head_bytes = shared_.limits.header_bytes});
    const Parsed parsed = parser_.next(input);
    if (parsed.event == ParseEvent::need_more) break;
    more_input_ = !input.empty();
    switch (parsed.event) {
      case ParseEvent::head:
        begin_exchange();
        break;
      case ParseEvent::body:
        take_body(parsed.body);
        break;
      case ParseEvent::end:
        take_end();
        break;
      case ParseEvent::failed:
        refuse(parser_.error().code);
        break;
      case ParseEvent::need_more:
        break;
    }
  }
  more_input_ = false;
  pumping_ = false;
}

void ServerConn::pump_pending() {
  std::string_view input = std::string_view(pending_).substr(pending_at_);
  pump(input);
  if (state_ == State::dead || state_ == State::closing) return;
  pending_at_ = pending_.size() - input.size();
  if (input.empty()) {
    pending_.clear();
    pending_at_ = 0;
  }
}

void ServerConn::pump_later() {
  if (pumping_ || resume_.pending()) return;
  resume_ = shared_.loop.after({}, [this] {
    pump_pending();
    settle();
  });
}

bool ServerConn::may_parse() const {
  switch (state_) {
    case State::reading_head:
      return stream_->unsent() == 0;
    case State::in_exchange:
      return !body_complete_ && (reading_body_ || !parser_.head().has_body());
    case State::discarding:
      return true;
    case State::closing:
    case State::upgraded:
    case State::dead:
      break;
  }
  return false;
}

void ServerConn::begin_exchange() {
  const RequestHead& head = parser_.head();
  served_ = true;
  if (parser_.is_connect()) return refuse(ErrorCode::method_not_allowed);
  body_limit_ = shared_.limits.body_bytes;
  if (head.content_length.value_or(0) > body_limit_) return refuse(ErrorCode::body_too_large);
  state_ = State::in_exchange;
  answer_ = Answer::none;
  close_after_ = !parser_.keep_alive() || shared_.draining;
  body_complete_ = false;
  reading_body_ = true;
  wants_continue_ = head.minor_version == 1 && head.has_body() && head.headers.has_token("expect", "100-continue");
  swallow_body_ = parser_.is_head();
  chunked_ = false;
  owes_drained_ = false;
  length_left_.reset();
  body_bytes_ = 0;
  body_at_ = shared_.loop.now();

  calling_ = true;
  std::unique_ptr<ExchangeHandler> handler = shared_.acceptor.on_request(*this);
  calling_ = false;
  OR_CHECK(handler != nullptr);
  if (state_ == State::dead) return;
  handler_ = std::move(handler);
  after_call();
  ask_for_body();
}

void ServerConn::take_body(std::string_view data) {
  if (state_ == State::discarding) return;
  body_bytes_ += data.size();
  if (body_bytes_ > body_limit_) return refuse(ErrorCode::body_too_large);
  body_at_ = shared_.loop.now();
  wants_continue_ = false;
  calling_ = true;
  handler_->on_body(data);
  calling_ = false;
  after_call();
}

void ServerConn::take_end() {
  body_complete_ = true;
  if (state_ == State::discarding) return next_request();
  calling_ = true;
  handler_->on_body_end();
  calling_ = false;
  after_call();
}

void ServerConn::ask_for_body() {
  if (state_ != State::in_exchange || !wants_continue_ || !reading_body_ || answer_ != Answer::none) return;
  wants_continue_ = false;
  body_at_ = shared_.loop.now();
  if (more_input_ || !pending_.empty()) return;  // the body is coming unasked
  const Bytes line = Bytes::literal(k_continue);
  send({&line, 1});
}

void ServerConn::after_call() {
  if (state_ == State::dead) {
    handler_.reset();
  } else if (state_ == State::in_exchange && answer_ == Answer::finished) {
    handler_.reset();
    end_exchange();
  }
}

void ServerConn::end_exchange() {
  if (close_after_) return begin_closing();
  if (body_complete_) return next_request();
  state_ = State::discarding;
  since_ = shared_.loop.now();
}

void ServerConn::next_request() {
  if (shared_.draining) return begin_closing();
  // The handler may still be running, and it may look at its request; so that stays as it is until the next bytes.
  parser_is_old_ = true;
  state_ = State::reading_head;
  since_ = shared_.loop.now();
  progress_at_ = since_;
  unsent_seen_ = stream_->unsent();
  head_began_.reset();
}

// The request cannot go on. A client that has not had a byte of an answer gets one; then the connection ends.
void ServerConn::refuse(ErrorCode code) {
  if (state_ == State::discarding) return begin_closing();
  if (state_ == State::in_exchange && answer_ != Answer::none) return lose_client();
  write_refusal(code);
  const std::unique_ptr<ExchangeHandler> handler = std::move(handler_);
  begin_closing();
  if (handler == nullptr) return;
  answer_ = Answer::finished;  // responded() tells the handler that its client did get an answer
  calling_ = true;
  handler->on_client_gone();
  calling_ = false;
}

void ServerConn::lose_client() {
  const std::unique_ptr<ExchangeHandler> handler = std::move(handler_);
  die();
  calling_ = true;
  handler->on_client_gone();
  calling_ = false;
}

// The client may still be sending. Closing now would make the kernel answer that with a reset, which can destroy our answer
// before the client has read it; so our direction is closed and the rest of theirs thrown away for a while (RFC 9112 §9.6).
void ServerConn::begin_closing() {
  flush_cork();
  state_ = State::closing;
  since_ = shared_.loop.now();
  progress_at_ = since_;
  unsent_seen_ = stream_->unsent();
  pending_.clear();
  pending_at_ = 0;
  resume_.cancel();
  stream_->shutdown();
}

void ServerConn::die() {
  if (state_ == State::dead) return;
  state_ = State::dead;
  if (stream_ != nullptr) peer_ = stream_->peer();
  cancel_timers();
  stream_.reset();
  corked_.clear();
  pending_ = {};
  shared_.forget(*this);
}

void ServerConn::cancel_timers() {
  timer_.cancel();
  resume_.cancel();
  flush_.cancel();
}

void ServerConn::drain() {
  if (state_ == State::in_exchange) {
    close_after_ = true;
  } else if (state_ == State::reading_head && between_requests() && pending_.empty()) {
    if (stream_->unsent() == 0) return die();
    begin_closing();
    settle();
  }
}

std::optional<MonoTime> ServerConn::idle_since() const {
  switch (state_) {
    case State::reading_head:
    case State::discarding:
    case State::closing:
      return since_;
    case State::in_exchange:
    case State::upgraded:
    case State::dead:
      break;
  }
  return std::nullopt;
}

void ServerConn::give_way() {
  OR_CHECK(idle_since().has_value());
  die();
}

void ServerConn::settle() {
  if (state_ == State::dead) return;
  flush_cork();
  if (state_ == State::reading_head) {
    if (!between_requests() && !head_began_) head_began_ = shared_.loop.now();
    if (stream_->unsent() != unsent_seen_) {
      unsent_seen_ = stream_->unsent();
      progress_at_ = shared_.loop.now();
    }
  }
  const bool wanted = !eof_ && pending_.size() - pending_at_ < k_pending_max;
  if (wanted != reading_) {
    reading_ = wanted;
    stream_->read(wanted);
  }
  watch();
}

std::optional<MonoTime> ServerConn::deadline() const {
  const ServerLimits& limits = shared_.limits;
  switch (state_) {
    case State::reading_head:
      if (stream_->unsent() > 0) return progress_at_ + limits.body_timeout;
      if (head_began_) return *head_began_ + limits.header_timeout;
      return since_ + (served_ ? limits.keep_alive : limits.header_timeout);
    case State::in_exchange:
      if (body_complete_ || !reading_body_) return std::nullopt;
      return body_at_ + limits.body_timeout;
    case State::discarding:
      return since_ + limits.linger;
    case State::closing:
      return stream_->unsent() > 0 ? progress_at_ + limits.body_timeout : since_ + limits.linger;
    case State::upgraded:
    case State::dead:
      break;
  }
  return std::nullopt;
}

// A timer that is set is left alone unless it would come too late: when it comes, it looks at how things are then. So a busy
// connection touches it once in a while, not once a request.
void ServerConn::watch() {
  const std::optional<MonoTime> when = deadline();
  if (!when || (timer_.pending() && timer_at_ <= *when)) return;
  timer_at_ = *when;
  timer_ = shared_.loop.at(*when, [this] { on_timer(); });
}

void ServerConn::on_timer() {
  if (stream_->unsent() != unsent_seen_) {
    unsent_seen_ = stream_->unsent();
    progress_at_ = shared_.loop.now();
  }
  const std::optional<MonoTime> when = deadline();
  if (when && *when <= shared_.loop.now()) expire();
  settle();
}

void ServerConn::expire() {
  if (state_ == State::in_exchange || (state_ == State::reading_head && head_began_ && stream_->unsent() == 0)) {
    return refuse(ErrorCode::request_timeout);
  }
  if (state_ == State::discarding && stream_->unsent() > 0) return begin_closing();
  die();
}

}  // namespace outrigger::http
