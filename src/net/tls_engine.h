// TlsEngine: one TLS connection as a machine of bytes. It knows no socket and no time: ciphertext comes in by feed(), goes out
// by take_output(). Owned by one TlsStream; owns the SSL.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "net/tls_context.h"

namespace outrigger::net {

// Follows the framing of TLS records (type 1, version 2, length 2, then that many bytes) to know whether an end of the
// stream came between two of them or inside one. OpenSSL has no portable question for it.
class RecordFraming {
 public:
  void feed(std::string_view data);
  [[nodiscard]] bool inside() const { return header_size_ > 0 || remaining_ > 0; }

 private:
  std::array<unsigned char, 5> header_{};
  std::size_t header_size_ = 0;  // bytes of a header seen so far; 0 between records and in a record's body
  std::size_t remaining_ = 0;    // of the record's body
};

class TlsEngine {
 public:
  // needs_input: nothing more to be had from what was fed. closed: close_notify came.
  enum class Step { done, needs_input, closed, failed };
  static constexpr std::size_t k_record_max = 16 * 1024;  // plaintext of one record (RFC 8446 §5.1)

  explicit TlsEngine(SslPtr ssl);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // `data` is borrowed until keep(), which copies what has not been consumed; keep() must follow in the same turn.
  void feed(std::string_view data);
  void keep();
  // Is there something that read() could use without feed()?
  [[nodiscard]] bool has_input() const;
  [[nodiscard]] bool inside_record() const { return framing_.inside(); }

  Step handshake();
  // done: `size` bytes were written to `to`, which holds at least k_record_max.
  Step read(std::span<char> to, std::size_t& size);
  // At most k_record_max bytes become one record. False: the connection is broken.
  bool write(std::string_view plain);
  void close_notify();

  [[nodiscard]] std::size_t output_size() const { return wire_.out.size(); }
  [[nodiscard]] Bytes take_output();

  // What went wrong, in words: the verification's verdict, or OpenSSL's reason.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  [[nodiscard]] std::string_view version() const { return SSL_get_version(ssl_.get()); }

 private:
  struct Wire {
    std::string_view in;  // fed and not yet read by OpenSSL
    std::string kept;     // what `in` points into between turns
    std::string out;
  };
  static const BIO_METHOD* method();
  Step judge(int result);

  Wire wire_;  // before ssl_, which reads and writes it
  SslPtr ssl_;
  RecordFraming framing_;
  std::string failure_;
};

}  // namespace outrigger::net
