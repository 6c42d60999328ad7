// What TLS connections share: OpenSSL's contexts, and for clients the session to resume.
//
// A client context is kept per TlsClient value (name, roots, verification), so a session made with one value is never
// offered with another: a session that skipped verification cannot stand in for one that did not.
#pragma once

#include <openssl/ssl.h>

#include <list>
#include <memory>
#include <string>

#include "core/result.h"
#include "io/net.h"

namespace outrigger::net {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, SslFree>;
using SslContext = std::shared_ptr<SSL_CTX>;

// The context of a door. Errors (bad_config) say what is wrong with which of the two texts.
Result<SslContext> make_server_context(const io::TlsServer& tls);

class TlsClients {
 public:
  TlsClients() = default;
  TlsClients(const TlsClients&) = delete;
  TlsClients& operator=(const TlsClients&) = delete;
  ~TlsClients();

  // A new client connection, ready for its handshake; it offers the last session of an equal `tls`. Errors: tls_failed.
  Result<SslPtr> connection(const io::TlsClient& tls);

 private:
  struct Entry {
    io::TlsClient tls;
    SslContext context;
    SslSessionPtr session;
  };
  Result<Entry*> entry(const io::TlsClient& tls);
  static int remember(SSL* ssl, SSL_SESSION* session);

  std::list<Entry> entries_;  // the most recently used first; their addresses are known to their contexts
};

// The words for the oldest error in OpenSSL's queue, which is emptied.
std::string openssl_words();

}  // namespace outrigger::net
