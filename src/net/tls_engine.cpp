#include "net/tls_engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>

#include "core/check.h"

namespace outrigger::net {
namespace {

// Output buffers above this size are given back once they were sent.
constexpr std::size_t k_output_kept = 4 * 1024;

}  // namespace

void RecordFraming::feed(std::string_view data) {
  while (!data.empty()) {
    if (remaining_ > 0) {
      const std::size_t part = std::min(remaining_, data.size());
      remaining_ -= part;
      data.remove_prefix(part);
      continue;
    }
    header_[header_size_++] = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    if (header_size_ < header_.size()) continue;
    remaining_ = static_cast<std::size_t>(header_[3]) << 8 | header_[4];
    header_size_ = 0;
  }
}

// OpenSSL's own memory BIO would copy everything once more in each direction.
const BIO_METHOD* TlsEngine::method() {
  static const BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    OR_CHECK(fresh != nullptr);
    BIO_meth_set_create(fresh, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    BIO_meth_set_read(fresh, [](BIO* bio, char* to, int room) {
      auto* wire = static_cast<Wire*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      if (wire->in.empty()) {
        BIO_set_retry_read(bio);
        return -1;
      }
      const std::size_t size = std::min(wire->in.size(), static_cast<std::size_t>(room));
      std::memcpy(to, wire->in.data(), size);
      wire->in.remove_prefix(size);
      return static_cast<int>(size);
    });
    BIO_meth_set_write(fresh, [](BIO* bio, const char* from, int size) {
      BIO_clear_retry_flags(bio);
      static_cast<Wire*>(BIO_get_data(bio))->out.append(from, static_cast<std::size_t>(size));
      return size;
    });
    BIO_meth_set_ctrl(fresh, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
    return fresh;
  }();
  return made;
}

TlsEngine::TlsEngine(SslPtr ssl) : ssl_(std::move(ssl)) {
  BIO* bio = BIO_new(method());
  OR_CHECK(bio != nullptr);
  BIO_set_data(bio, &wire_);
  SSL_set_bio(ssl_.get(), bio, bio);
}

// OpenSSL forbids to resume the session of a connection that was freed without close_notify. Connections of a pool end that
// way all the time, and RFC 4346 §7.2.1 has lifted that rule; after a failure it shall hold.
TlsEngine::~TlsEngine() {
  if (failure_.empty()) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsEngine::feed(std::string_view data) {
  framing_.feed(data);
  if (wire_.in.empty()) {
    wire_.in = data;
    return;
  }
  keep();
  wire_.kept.append(data);
  wire_.in = wire_.kept;
}

void TlsEngine::keep() {
  if (wire_.in.empty()) {
    wire_.kept.clear();
    return;
  }
  std::string rest(wire_.in);
  wire_.kept = std::move(rest);
  wire_.in = wire_.kept;
}

bool TlsEngine::has_input() const { return !wire_.in.empty() || SSL_has_pending(ssl_.get()) == 1; }

TlsEngine::Step TlsEngine::judge(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Step::needs_input;
    case SSL_ERROR_ZERO_RETURN:
      return Step::closed;
    default:
      break;
  }
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
    failure_ = X509_verify_cert_error_string(verdict);
    ERR_clear_error();
  } else {
    failure_ = openssl_words();
  }
  return Step::failed;
}

TlsEngine::Step TlsEngine::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Step::done : judge(result);
}

TlsEngine::Step TlsEngine::read(std::span<char> to, std::size_t& size) {
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_.get(), to.data(), to.size(), &size);
  return result == 1 ? Step::done : judge(result);
}

bool TlsEngine::write(std::string_view plain) {
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &size);
  if (result == 1) return true;
  judge(result);
  return false;
}

void TlsEngine::close_notify() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Bytes TlsEngine::take_output() {
  Bytes out = Bytes::copy(wire_.out);
  wire_.out.clear();
  if (wire_.out.capacity() > k_output_kept) wire_.out.shrink_to_fit();
  return out;
}

}  // namespace outrigger::net
