#include "http/client_call.h"

#include <array>
#include <utility>

#include "core/check.h"
#include "http/writer.h"

namespace outrigger::http {
namespace {

Framing framing_of(const RequestHead& head, const CallOptions& options) {
  Framing framing;
  if (options.body) {
    framing.content_length = options.body->size();
  } else if (options.streamed) {
    framing.content_length = options.streamed_length;
    framing.chunked = !options.streamed_length;
  } else if (head.method == "POST" || head.method == "PUT" || head.method == "PATCH") {
    framing.content_length = 0;  // RFC 9110 §8.6: these methods give a missing body a meaning
  }
  if (options.alone) framing.connection = "close";
  if (!options.upgrade.empty()) {
    framing.connection = "Upgrade";
    framing.upgrade = options.upgrade;
  }
  return framing;
}

}  // namespace

ClientCall::ClientCall(ClientShared& shared, const Origin& origin, const RequestHead& head, CallOptions options,
                       CallHandler& handler)
    : shared_(shared),
      pool_(shared.pools.use(origin)),
      handler_(handler),
      options_(std::move(options)),
      is_head_(head.method == "HEAD") {
  if (options_.body) options_.streamed = false;
  if (!options_.upgrade.empty()) {
    OR_CHECK(head.method == "GET" && !options_.body && !options_.streamed);
    options_.alone = true;
  }
  body_ended_ = !options_.streamed;
  length_left_ = options_.streamed_length;
  std::string& text = shared_.scratch;
  text.clear();
  if (!write_request_head(text, head, framing_of(head, options_))) {
    end_later(ErrorCode::bad_request, "the method or the target cannot be sent");
    return;
  }
  head_ = Bytes::copy(text);
  std::unique_ptr<io::Stream> idle;
  if (!options_.alone) idle = shared_.pools.take(pool_);
  if (idle != nullptr) {
    reused_ = true;
    attach(std::move(idle), true);
  } else {
    dial();
  }
}

ClientCall::~ClientCall() {
  if (gone_ != nullptr) *gone_ = true;
  shared_.pools.release(pool_);
}

void ClientCall::dial() {
  state_ = State::connecting;
  dial_ = std::make_unique<Dial>(shared_.world, pool_.origin, options_.connect_timeout, shared_.limits.header_bytes,
                                 [this](Result<std::unique_ptr<io::Stream>> stream) { on_connected(std::move(stream)); });
}

void ClientCall::on_connected(Result<std::unique_ptr<io::Stream>> stream) {
  dial_.reset();
  if (!stream) return end_with(stream.error().code, std::move(stream.error().detail));
  attach(std::move(*stream), false);
  if (left_unsent_ && unsent() == 0) {
    left_unsent_ = false;
    handler_.on_drained();
  }
}

void ClientCall::attach(std::unique_ptr<io::Stream> stream, bool is_read) {
  stream_ = std::move(stream);
  state_ = State::exchanging;
  parser_.start({.head_bytes = shared_.limits.header_bytes}, is_head_, options_.upgrade);
  stream_->set_handler(this);
  reading_ = is_read;
  follow_reading();
  if (waiting_.empty()) {
    const std::array<Bytes, 2> pieces{head_, options_.body.value_or(Bytes{})};
    return stream_->write(std::span(pieces).first(pieces[1].empty() ? 1 : 2));
  }
  waiting_.insert(waiting_.begin(), head_);
  stream_->write(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
  body_begun_ = true;
}

void ClientCall::write_body(const Bytes& data) {
  if (state_ == State::over || unwanted_ || data.empty()) return;
  OR_CHECK(options_.streamed && !body_ended_);
  if (options_.streamed_length) {
    if (data.size() > *length_left_) return end_later(ErrorCode::internal, "more request body than announced");
    *length_left_ -= data.size();
    return send_body({&data, 1});
  }
  const std::array<Bytes, 3> pieces{chunk_head(data.size()), data, Bytes::literal(k_chunk_tail)};
  send_body(pieces);
}

void ClientCall::end_body() {
  if (state_ == State::over || unwanted_) return;
  OR_CHECK(options_.streamed && !body_ended_);
  body_ended_ = true;
  if (options_.streamed_length) {
    if (*length_left_ > 0) end_later(ErrorCode::internal, "less request body than announced");
    return;
  }
  const Bytes last = Bytes::literal(k_last_chunk);
  send_body({&last, 1});
}

void ClientCall::send_body(std::span<const Bytes> pieces) {
  if (state_ == State::connecting) {
    for (const Bytes& piece : pieces) {
      waiting_bytes_ += piece.size();
      waiting_.push_back(piece);
    }
  } else {
    body_begun_ = true;
    stream_->write(pieces);
  }
  if (unsent() > 0) left_unsent_ = true;
}

std::size_t ClientCall::unsent() const { return waiting_bytes_ + (state_ == State::exchanging ? stream_->unsent() : 0); }

void ClientCall::read_body(bool on) {
  if (reading_body_ == on) return;
  reading_body_ = on;
  if (state_ != State::exchanging) return;
  follow_reading();
  if (on && !later_.pending()) later_ = shared_.world.loop.after({}, [this] { pump_pending(); });
}

void ClientCall::on_drained() {
  if (!std::exchange(left_unsent_, false)) return;
  handler_.on_drained();
}

void ClientCall::on_data(std::string_view data) {
  heard_ = true;
  if (pending_.empty()) return pump(data);
  pending_.append(data);
  pump_pending();
}

void ClientCall::on_eof() {
  eof_ = true;
  if (pending_.empty()) take_eof();
}

void ClientCall::on_error(Error error) { lose_connection(error.detail); }

void ClientCall::pump_pending() {
  if (state_ != State::exchanging) return;
  const std::string input = std::exchange(pending_, {});
  pump(input);
}

void ClientCall::pump(std::string_view input) {
  if (parse(input)) return;
  pending_.assign(input);
  if (eof_ && pending_.empty()) return take_eof();
  follow_reading();
}

bool ClientCall::parse(std::string_view& input) {
  bool gone = false;
  while (may_parse()) {
    const Parsed parsed = parser_.next(input);
    gone_ = &gone;
    switch (parsed.event) {
      case ParseEvent::need_more:
        gone_ = nullptr;
        return false;
      case ParseEvent::head:
        head_told_ = true;
        if (parser_.head().status == 101) {
          gone_ = nullptr;
          end_http(input);
          return true;
        }
        // Whoever says no, or says that it will close, does not read on (RFC 9112 §9.5).
        unwanted_ = !body_ended_ && (parser_.head().status >= 300 || !parser_.keep_alive());
        handler_.on_head(std::move(parser_.head()));
        break;
      case ParseEvent::body:
        handler_.on_body(Bytes::copy(parsed.body));
        break;
      case ParseEvent::end:
        gone_ = nullptr;
        end_answer(input.empty());
        return true;
      case ParseEvent::failed:
        gone_ = nullptr;
        end_with(head_told_ ? ErrorCode::upstream_cut : ErrorCode::upstream_protocol, parser_.error().detail);
        return true;
    }
    if (gone) return true;
    gone_ = nullptr;
  }
  return state_ != State::exchanging;
}

bool ClientCall::may_parse() const {
  return state_ == State::exchanging && (reading_body_ || !head_told_ || !parser_.has_body());
}

void ClientCall::follow_reading() {
  const bool wanted = may_parse() && !eof_;
  if (wanted == reading_) return;
  reading_ = wanted;
  stream_->read(wanted);
}

void ClientCall::take_eof() {
  if (parser_.ends_with_connection()) return end_answer(false);
  lose_connection("the connection was closed");
}

void ClientCall::end_answer(bool input_is_used_up) {
  state_ = State::over;
  later_.cancel();
  if (!options_.alone && input_is_used_up && !eof_ && parser_.keep_alive() && body_ended_ && stream_->unsent() == 0) {
    shared_.pools.give(pool_, std::move(stream_));
  }
  stream_.reset();
  handler_.on_end();
}

void ClientCall::end_http(std::string_view input) {
  state_ = State::over;
  later_.cancel();
  stream_->read(false);
  stream_->set_handler(nullptr);
  pending_.assign(input);
  handler_.on_head(std::move(parser_.head()));
}

Upgraded ClientCall::take_upgraded() {
  OR_CHECK(state_ == State::over && stream_ != nullptr);
  return {std::move(stream_), std::move(pending_)};
}

void ClientCall::lose_connection(std::string_view why) {
  if (!heard_ && reused_ && !body_begun_) {
    // The origin closed it while it lay idle, as it may at any time.
    stream_.reset();
    reused_ = false;
    eof_ = false;
    return dial();
  }
  end_with(head_told_ ? ErrorCode::upstream_cut : ErrorCode::upstream_reset, std::string(why));
}

void ClientCall::end_with(ErrorCode code, std::string detail) {
  state_ = State::over;
  later_.cancel();
  dial_.reset();
  stream_.reset();
  handler_.on_error(Error{code, std::move(detail)});
}

// For what goes wrong inside a call of the owner's.
void ClientCall::end_later(ErrorCode code, std::string_view detail) {
  state_ = State::over;
  dial_.reset();
  stream_.reset();
  later_ = shared_.world.loop.after({}, [this, code, detail] { end_with(code, std::string(detail)); });
}

}  // namespace outrigger::http
