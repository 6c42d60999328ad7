// The half of ServerConn that answers: what an ExchangeHandler may call. Calls that come when nothing can be sent any more (the
// client is gone, the answer is complete) do nothing.

#include <array>
#include <utility>

#include "core/check.h"
#include "http/server_conn.h"

namespace outrigger::http {
namespace {

// Held back at most, in bytes and in pieces (a writev takes 1024).
constexpr std::size_t k_cork_bytes_max = 64 * 1024;
constexpr std::size_t k_cork_pieces_max = 256;

}  // namespace

std::string ServerConn::peer() const { return stream_ != nullptr ? stream_->peer() : peer_; }

std::size_t ServerConn::unsent() const { return stream_ != nullptr ? stream_->unsent() + corked_bytes_ : 0; }

void ServerConn::read_body(bool on) {
  if (state_ != State::in_exchange || on == reading_body_) return;
  reading_body_ = on;
  if (!on) return;
  body_at_ = shared_.loop.now();
  if (handler_ != nullptr) ask_for_body();
  // Even without input: the parser may hold the end of the body.
  pump_later();
  if (!pumping_) settle();
}

// Decides how the answer ends, which may mean that the connection has to.
Framing ServerConn::frame(int status, BodyLength length) {
  const bool bodyless = status < 200 || status == 204 || status == 304;
  const int minor = parser_.head().minor_version;
  swallow_body_ = swallow_body_ || bodyless;
  Framing framing;
  if (length.kind == BodyLength::Kind::until_finished) {
    chunked_ = minor == 1 && !bodyless;
    framing.chunked = chunked_;
    if (minor == 0 && !swallow_body_) close_after_ = true;
  } else {
    length_left_ = length.size;
    if (!bodyless) framing.content_length = length.size;
  }
  // Nobody can tell whether a client that was not asked for its body will send it.
  if (wants_continue_ && !body_complete_) close_after_ = true;
  if (shared_.draining) close_after_ = true;
  if (close_after_) {
    framing.connection = "close";
  } else if (minor == 0) {
    framing.connection = "keep-alive";
  }
  return framing;
}

void ServerConn::respond(const ResponseHead& head, BodyLength length) {
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  OR_CHECK(answer_ == Answer::none);
  const Framing framing = frame(head.status, length);
  shared_.scratch.clear();
  write_response_head(shared_.scratch, head, framing, shared_.date.at(shared_.loop.wall_now()));
  answer_ = Answer::streaming;
  // The first piece of the body mostly comes in the same breath, and then both are one write.
  cork(Bytes::copy(shared_.scratch));
  if (!pumping_) flush_ = shared_.loop.after({}, [this] { flush_cork(); });
}

void ServerConn::write(const Bytes& data) {
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  OR_CHECK(answer_ == Answer::streaming);
  if (data.empty() || swallow_body_) return;
  if (length_left_) {
    // More than was announced would be taken for the next answer.
    if (data.size() > *length_left_) return abort();
    *length_left_ -= data.size();
  }
  if (!chunked_) return send({&data, 1});
  const std::array<Bytes, 3> chunks{chunk_head(data.size()), data, Bytes::literal(k_chunk_tail)};
  send(chunks);
}

void ServerConn::finish() {
  if (state_ == State::upgraded) return die();
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  OR_CHECK(answer_ == Answer::streaming);
  if (!swallow_body_ && length_left_.value_or(0) > 0) return abort();
  if (chunked_ && !swallow_body_) {
    const Bytes last = Bytes::literal(k_last_chunk);
    send({&last, 1});
  }
  answer_ = Answer::finished;
  if (calling_) return;
  // The handler is most likely on the stack.
  shared_.loop.retire(std::move(handler_));
  end_exchange();
  if (!pending_.empty()) pump_later();
  settle();
}

void ServerConn::respond_whole(const ResponseHead& head, const Bytes& body) {
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  OR_CHECK(answer_ == Answer::none);
  const Framing framing = frame(head.status, BodyLength::known(body.size()));
  shared_.scratch.clear();
  write_response_head(shared_.scratch, head, framing, shared_.date.at(shared_.loop.wall_now()));
  send_whole(Bytes::copy(shared_.scratch), body);
}

void ServerConn::respond_rendered(std::string_view head, const Bytes& body) {
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  OR_CHECK(answer_ == Answer::none);
  const Framing framing = frame(rendered_status(head), BodyLength::known(body.size()));
  send_whole(complete_head(head, framing, shared_.date.at(shared_.loop.wall_now())), body);
}

void ServerConn::abort() {
  if (state_ == State::upgraded) return die();
  if (state_ != State::in_exchange || answer_ == Answer::finished) return;
  flush_cork();
  // die() leaves the handler where it is: it goes when its call returns, or with this object, which the loop retires.
  die();
}

Upgraded ServerConn::upgrade(const ResponseHead& head, std::string_view protocol) {
  OR_CHECK(state_ == State::in_exchange && answer_ == Answer::none && body_complete_ && !calling_);
  OR_CHECK(head.status == 101 && asks_upgrade(request(), protocol));
  Framing framing;
  framing.connection = "Upgrade";
  framing.upgrade = protocol;
  shared_.scratch.clear();
  write_response_head(shared_.scratch, head, framing, shared_.date.at(shared_.loop.wall_now()));
  stream_->read(false);
  stream_->set_handler(nullptr);
  stream_->write(Bytes::copy(shared_.scratch));
  peer_ = stream_->peer();
  cancel_timers();
  state_ = State::upgraded;
  answer_ = Answer::streaming;
  pending_.erase(0, std::exchange(pending_at_, 0));
  return {std::move(stream_), std::exchange(pending_, {})};
}

void ServerConn::send(std::span<const Bytes> chunks) {
  if (!corked_.empty()) {
    for (const Bytes& chunk : chunks) cork(chunk);
    return flush_cork();
  }
  stream_->write(chunks);
  if (stream_->unsent() > 0) owes_drained_ = true;
}

// A whole answer waits for those to the requests that came in the same packet behind its own.
void ServerConn::send_whole(Bytes head, const Bytes& body) {
  length_left_ = 0;
  chunked_ = false;
  answer_ = Answer::streaming;
  cork(std::move(head));
  if (!swallow_body_ && !body.empty()) cork(body);
  const bool hold =
      pumping_ && more_input_ && !close_after_ && corked_bytes_ < k_cork_bytes_max && corked_.size() < k_cork_pieces_max;
  if (!hold) flush_cork();
  finish();
}

void ServerConn::cork(Bytes piece) {
  corked_bytes_ += piece.size();
  corked_.push_back(std::move(piece));
}

void ServerConn::flush_cork() {
  if (corked_.empty()) return;
  flush_.cancel();
  stream_->write(corked_);
  corked_.clear();
  corked_bytes_ = 0;
  if (stream_->unsent() > 0) owes_drained_ = true;
}

void ServerConn::write_refusal(ErrorCode code) {
  const Acceptor::ErrorBody error = shared_.acceptor.on_refused(code);
  ResponseHead head;
  head.status = traits(code).status;
  head.headers = error.headers;
  head.headers.set("Content-Type", error.content_type);
  Framing framing;
  framing.content_length = error.body.size();
  framing.connection = "close";
  shared_.scratch.clear();
  write_response_head(shared_.scratch, head, framing, shared_.date.at(shared_.loop.wall_now()));
  const std::array<Bytes, 2> chunks{Bytes::copy(shared_.scratch), Bytes::copy(error.body)};
  const bool to_head_request = state_ == State::in_exchange && parser_.is_head();
  send(std::span(chunks).first(to_head_request ? 1 : 2));
}

}  // namespace outrigger::http
