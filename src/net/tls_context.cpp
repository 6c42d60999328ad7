#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/check.h"
#include "net/socket_address.h"

namespace outrigger::net {
namespace {

// Upstreams are a handful; the limit bounds what a configuration that is reloaded for months leaves behind.
constexpr std::size_t k_entries_max = 64;

constexpr std::array<unsigned char, 9> k_alpn{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

struct OpensslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, OpensslFree>;
using CertificatePtr = std::unique_ptr<X509, OpensslFree>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree>;

BioPtr reader(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// OpenSSL would ask the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) { return 0; }

CertificatePtr next_certificate(BIO* from) { return CertificatePtr(PEM_read_bio_X509(from, nullptr, no_password, nullptr)); }

SslContext new_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method), SSL_CTX_free);
  OR_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);  // an idle connection then holds no 34 KiB of buffers
  return context;
}

// Nothing, or what is wrong.
std::string trust(SSL_CTX* context, const std::string& ca) {
  if (ca.empty()) {
    // A machine without certificates shows at the first handshake, with OpenSSL's words for it.
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  const BioPtr from = reader(ca);
  std::size_t count = 0;
  for (;;) {
    const CertificatePtr certificate = next_certificate(from.get());
    if (certificate == nullptr) break;
    if (X509_STORE_add_cert(store, certificate.get()) == 1) ++count;
  }
  ERR_clear_error();
  // Whoever names an intermediate certificate as a root means it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return count > 0 ? std::string() : "the given ca holds no certificate in PEM form";
}

int choose_http(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned int length,
                void*) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, k_alpn.data(), k_alpn.size(), offered, length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::unexpected<Error> bad_server(std::string_view what) {
  std::string detail(what);
  if (ERR_peek_error() != 0) detail.append(" (").append(openssl_words()).append(")");
  return fail(ErrorCode::bad_config, std::move(detail));
}

}  // namespace

std::string openssl_words() {
  const unsigned long code = ERR_peek_error();
  const char* words = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return words != nullptr ? words : "unknown error";
}

Result<SslContext> make_server_context(const io::TlsServer& tls) {
  ERR_clear_error();
  SslContext context = new_context(TLS_server_method());
  const BioPtr chain = reader(tls.certificate_chain);
  const CertificatePtr leaf = next_certificate(chain.get());
  if (leaf == nullptr || SSL_CTX_use_certificate(context.get(), leaf.get()) != 1) {
    return bad_server("the TLS certificate is not a certificate in PEM form");
  }
  for (;;) {
    const CertificatePtr above = next_certificate(chain.get());
    if (above == nullptr) break;
    SSL_CTX_add1_chain_cert(context.get(), above.get());
  }
  ERR_clear_error();  // the end of the text counts as an error there
  const KeyPtr key(PEM_read_bio_PrivateKey(reader(tls.private_key).get(), nullptr, no_password, nullptr));
  if (key == nullptr) return bad_server("the TLS key is not an unencrypted private key in PEM form");
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 || SSL_CTX_check_private_key(context.get()) != 1) {
    return bad_server("the TLS key does not belong to the certificate");
  }
  if (!tls.client_ca.empty()) {
    if (const std::string wrong = trust(context.get(), tls.client_ca); !wrong.empty()) return bad_server(wrong);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // A session is resumed at this door only: OpenSSL asks for a name where clients are verified.
    constexpr std::string_view k_session_name = "outrigger";
    SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(k_session_name.data()),
                                   k_session_name.size());
  }
  SSL_CTX_set_alpn_select_cb(context.get(), choose_http, nullptr);
  // Clients keep connections open, so one ticket is enough to come back with.
  SSL_CTX_set_num_tickets(context.get(), 1);
  return context;
}

TlsClients::~TlsClients() {
  // Connections may outlive this object by a turn, and with them their contexts.
  for (Entry& entry : entries_) SSL_CTX_set_app_data(entry.context.get(), nullptr);
}

int TlsClients::remember(SSL* ssl, SSL_SESSION* session) {
  auto* entry = static_cast<Entry*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (entry == nullptr) return 0;
  entry->session.reset(session);
  return 1;  // the session is ours now
}

Result<TlsClients::Entry*> TlsClients::entry(const io::TlsClient& tls) {
  const auto found = std::ranges::find(entries_, tls, &Entry::tls);
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return &entries_.front();
  }
  SslContext context = new_context(TLS_client_method());
  if (tls.verify) {
    if (const std::string wrong = trust(context.get(), tls.ca); !wrong.empty()) return fail(ErrorCode::tls_failed, wrong);
  }
  SSL_CTX_set_verify(context.get(), tls.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), k_alpn.data(), k_alpn.size());
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), remember);
  if (entries_.size() >= k_entries_max) {
    SSL_CTX_set_app_data(entries_.back().context.get(), nullptr);
    entries_.pop_back();
  }
  entries_.push_front({tls, std::move(context), nullptr});
  SSL_CTX_set_app_data(entries_.front().context.get(), &entries_.front());
  return &entries_.front();
}

Result<SslPtr> TlsClients::connection(const io::TlsClient& tls) {
  ERR_clear_error();
  if (tls.verify && tls.server_name.empty()) {
    return fail(ErrorCode::tls_failed, "no server name is given that the certificate could be checked against");
  }
  const Result<Entry*> shared = entry(tls);
  if (!shared) return std::unexpected(shared.error());
  SslPtr ssl(SSL_new((*shared)->context.get()));
  OR_CHECK(ssl != nullptr);
  SSL_set_connect_state(ssl.get());
  const std::string& name = tls.server_name;
  const bool is_ip = literal_address(name, 0).has_value();
  // RFC 6066 §3: an address is no server name.
  if (!is_ip && !name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  if (tls.verify) {
    const int set = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str())
                          : SSL_set1_host(ssl.get(), name.c_str());
    if (set != 1) return fail(ErrorCode::tls_failed, "\"" + name + "\" is no name that a certificate could be for");
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  }
  SSL_SESSION* session = (*shared)->session.get();
  if (session != nullptr && SSL_SESSION_is_resumable(session) == 1) SSL_set_session(ssl.get(), session);
  return ssl;
}

}  // namespace outrigger::net
