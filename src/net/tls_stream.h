// TlsStream: io::Stream that speaks TLS over any other io::Stream, as client or server. Owned by whoever reads it; owns the
// stream below.
//
//   handshaking --ok--> open --close_notify or FIN between records--> open, eof
//        |               '--bad record, FIN inside a record, error below--> broken
//        '--refused, closed, error below--> broken (reported to the handshake's owner, not to the handler)
//
// Back-pressure passes through. read(false) stops the stream below; at most one read of it (64 KiB) waits here undecrypted.
// Plaintext is encrypted only while less than k_ciphertext_max is unsent below; the rest waits shared, as it was given.
//
// After any call of the handler the stream may be gone; alive() in the methods that loop tells.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/loop.h"
#include "io/stream.h"
#include "net/tls_engine.h"

namespace outrigger::net {

class TlsStream final : public io::Stream, private io::StreamHandler {
 public:
  using HandshakeDone = std::move_only_function<void(std::optional<Error>)>;

  // `done` is called once when the handshake has ended, never inside begin_handshake(); it may destroy the stream.
  TlsStream(io::Loop& loop, std::unique_ptr<io::Stream> below, SslPtr ssl, HandshakeDone done);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  void begin_handshake();
  // Was a former session taken up again?
  [[nodiscard]] bool resumed() const { return engine_.resumed(); }
  [[nodiscard]] std::string_view version() const { return engine_.version(); }

  void set_handler(io::StreamHandler* handler) override;
  void read(bool on) override;
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override;
  [[nodiscard]] std::size_t unsent() const override { return queued_ + below_->unsent(); }
  void shutdown() override;
  [[nodiscard]] std::string peer() const override { return below_->peer(); }

 private:
  enum class State { handshaking, open, broken };
  static constexpr std::size_t k_ciphertext_max = 128 * 1024;

  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override;

  void step_handshake();
  void handshake_ended(std::optional<Error> error);
  void deliver();
  void end_of_input();
  void encrypt_queue();
  [[nodiscard]] std::string_view next_record(std::span<char> gather);
  void flush();
  void break_later(Error error);
  void report();

  io::Loop& loop_;
  std::unique_ptr<io::Stream> below_;
  TlsEngine engine_;
  HandshakeDone handshake_done_;
  io::StreamHandler* handler_ = nullptr;
  State state_ = State::handshaking;
  std::deque<Bytes> queue_;  // plaintext
  std::size_t queued_ = 0;   // bytes in queue_
  bool owes_drained_ = false;
  bool reading_ = false;
  bool below_eof_ = false;
  bool eof_ = false;
  bool shutdown_wanted_ = false;
  bool shutdown_done_ = false;
  bool reported_ = false;
  std::optional<Error> error_;
  io::Timer wake_;             // deliver(), step_handshake() or report(), in a turn of their own
  bool* destroyed_ = nullptr;  // set while deliver() runs
};

}  // namespace outrigger::net
