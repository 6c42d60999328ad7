#include "net/tls_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/check.h"

namespace outrigger::net {
namespace {

// Records gathered into one write below: four full ones.
constexpr std::size_t k_flush_at = 64 * 1024;

}  // namespace

TlsStream::TlsStream(io::Loop& loop, std::unique_ptr<io::Stream> below, SslPtr ssl, HandshakeDone done)
    : loop_(loop), below_(std::move(below)), engine_(std::move(ssl)), handshake_done_(std::move(done)) {
  below_->set_handler(this);
}

TlsStream::~TlsStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void TlsStream::begin_handshake() {
  below_->read(true);
  wake_ = loop_.after(0ns, [this] { step_handshake(); });
}

void TlsStream::step_handshake() {
  const TlsEngine::Step step = engine_.handshake();
  engine_.keep();
  flush();
  switch (step) {
    case TlsEngine::Step::needs_input:
      return;
    case TlsEngine::Step::done:
      return handshake_ended(std::nullopt);
    default:
      return handshake_ended(Error{ErrorCode::tls_failed, "TLS with " + peer() + ": " + engine_.failure()});
  }
}

void TlsStream::handshake_ended(std::optional<Error> error) {
  wake_.cancel();
  below_->read(false);
  state_ = error ? State::broken : State::open;
  HandshakeDone done = std::move(handshake_done_);
  done(std::move(error));
}

void TlsStream::set_handler(io::StreamHandler* handler) {
  handler_ = handler;
  if (handler == nullptr) {
    read(false);
  } else if (error_ && !reported_) {
    wake_ = loop_.after(0ns, [this] { report(); });
  }
}

void TlsStream::read(bool on) {
  if (on == reading_ || eof_ || state_ != State::open) return;
  reading_ = on;
  if (!below_eof_) below_->read(on);
  if (!on) {
    wake_.cancel();
    return;
  }
  OR_CHECK(handler_ != nullptr);
  if (destroyed_ == nullptr && (engine_.has_input() || below_eof_)) wake_ = loop_.after(0ns, [this] { deliver(); });
}

void TlsStream::on_data(std::string_view data) {
  engine_.feed(data);
  if (state_ == State::handshaking) return step_handshake();
  deliver();
}

void TlsStream::deliver() {
  std::array<char, TlsEngine::k_record_max> plain;
  bool destroyed = false;
  destroyed_ = &destroyed;
  TlsEngine::Step step = TlsEngine::Step::done;
  while (reading_ && state_ == State::open && step == TlsEngine::Step::done) {
    std::size_t size = 0;
    step = engine_.read(plain, size);
    if (step != TlsEngine::Step::done) break;
    handler_->on_data({plain.data(), size});
    if (destroyed) return;
  }
  destroyed_ = nullptr;
  engine_.keep();
  flush();  // answers to key updates
  if (step == TlsEngine::Step::failed) {
    if (state_ != State::open) return;
    state_ = State::broken;
    error_ = Error{ErrorCode::tls_failed, "TLS with " + peer() + ": " + engine_.failure()};
    return report();
  }
  const bool ended = step == TlsEngine::Step::closed || (step == TlsEngine::Step::needs_input && below_eof_);
  if (ended && reading_) end_of_input();
}

void TlsStream::end_of_input() {
  below_->read(false);
  reading_ = false;
  if (below_eof_ && engine_.inside_record()) {
    state_ = State::broken;
    error_ = Error{ErrorCode::upstream_reset, "TLS with " + peer() + ": the connection ended inside a record"};
    return report();
  }
  eof_ = true;
  handler_->on_eof();
}

void TlsStream::on_eof() {
  below_eof_ = true;
  if (state_ != State::handshaking) return deliver();
  handshake_ended(Error{ErrorCode::tls_failed, "TLS with " + peer() + ": the connection was closed during the handshake"});
}

void TlsStream::on_error(Error error) {
  if (state_ == State::handshaking) {
    return handshake_ended(Error{ErrorCode::tls_failed, "TLS handshake broken off: " + error.detail});
  }
  if (error_) return;
  state_ = State::broken;
  error_ = std::move(error);
  report();
}

void TlsStream::write(std::span<const Bytes> chunks) {
  if (state_ != State::open || shutdown_wanted_) return;
  for (const Bytes& chunk : chunks) {
    if (chunk.empty()) continue;
    queue_.push_back(chunk);
    queued_ += chunk.size();
  }
  encrypt_queue();
  if (unsent() > 0) owes_drained_ = true;
}

void TlsStream::shutdown() {
  if (state_ != State::open || shutdown_wanted_) return;
  shutdown_wanted_ = true;
  encrypt_queue();
}

void TlsStream::encrypt_queue() {
  std::array<char, TlsEngine::k_record_max> gather;
  while (!queue_.empty() && below_->unsent() < k_ciphertext_max) {
    if (!engine_.write(next_record(gather))) {
      return break_later({ErrorCode::tls_failed, "TLS with " + peer() + ": " + engine_.failure()});
    }
    if (engine_.output_size() >= k_flush_at) flush();
  }
  flush();
  if (!shutdown_wanted_ || shutdown_done_ || !queue_.empty()) return;
  shutdown_done_ = true;
  engine_.close_notify();
  flush();
  below_->shutdown();
}

// Takes up to one record's worth of plaintext off the queue. Small pieces (a head, a chunk's framing) share a record.
std::string_view TlsStream::next_record(std::span<char> gather) {
  std::size_t size = 0;
  while (!queue_.empty() && size < gather.size()) {
    Bytes& front = queue_.front();
    const std::size_t part = std::min(gather.size() - size, front.size());
    std::memcpy(gather.data() + size, front.data(), part);
    size += part;
    if (part == front.size()) {
      queue_.pop_front();
    } else {
      front = front.slice(part, front.size() - part);
    }
  }
  queued_ -= size;
  return {gather.data(), size};
}

void TlsStream::flush() {
  if (engine_.output_size() > 0) below_->write(engine_.take_output());
}

void TlsStream::on_drained() {
  if (state_ != State::open) return;
  encrypt_queue();
  if (!owes_drained_ || unsent() > 0 || state_ != State::open) return;
  owes_drained_ = false;
  if (handler_ != nullptr) handler_->on_drained();
}

void TlsStream::break_later(Error error) {
  state_ = State::broken;
  error_ = std::move(error);
  queue_.clear();
  queued_ = 0;
  wake_ = loop_.after(0ns, [this] { report(); });
}

void TlsStream::report() {
  below_->read(false);
  reading_ = false;
  queue_.clear();
  queued_ = 0;
  if (handler_ == nullptr || reported_) return;  // set_handler() asks again
  reported_ = true;
  wake_.cancel();
  Error error = *error_;
  handler_->on_error(std::move(error));
}

}  // namespace outrigger::net
