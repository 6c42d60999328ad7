// `tls` of a door: a certificate and its key, looked at before anybody depends on them.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fmt/format.h>

#include <ctime>
#include <memory>

#include "config/sections.h"

namespace outrigger::config {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// OpenSSL would ask the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) { return 0; }

std::unique_ptr<BIO, Free> reader(std::string_view text) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

WallTime end_of(const X509& certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return {};
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::from_time_t(timegm(&end)));
}

// The pair that a door would show. nullopt: an error has been noted.
std::optional<Tls> read_pair(Context& context, const Text& cert, const Text& key) {
  const std::unique_ptr<X509, Free> certificate(PEM_read_bio_X509(reader(cert.value).get(), nullptr, no_password, nullptr));
  const std::unique_ptr<EVP_PKEY, Free> secret(
      PEM_read_bio_PrivateKey(reader(key.value).get(), nullptr, no_password, nullptr));
  const bool belongs = certificate && secret && X509_check_private_key(certificate.get(), secret.get()) == 1;
  ERR_clear_error();
  if (certificate == nullptr) {
    context.error(cert.place,
                  "`cert` holds no certificate that can be read; write the chain in PEM form, the door's own first");
  } else if (secret == nullptr) {
    context.error(key.place, "`key` holds no private key that can be read; write it in PEM form and without a password");
  } else if (!belongs) {
    context.error(
        key.place,
        "`key` does not belong to the certificate in `cert`; write the two that were made together (the door's own "
        "certificate comes first in the chain)");
  }
  if (!belongs) return std::nullopt;
  return Tls{cert.secret(), key.secret(), {}, end_of(*certificate)};
}

}  // namespace

std::optional<Tls> read_tls(TableReader& listen, std::string_view name) {
  const Node* node = listen.table(name);
  if (node == nullptr) return std::nullopt;
  TableReader table(listen.context(), *node, fmt::format("[listen].{}", name));
  const auto cert = read_pem(table, "cert", "CERTIFICATE");
  const auto key = read_pem(table, "key", "PRIVATE KEY");
  for (const std::string_view needed : {"cert", "key"}) {
    if (node->find(needed) != nullptr) continue;
    table.context().error(table.place(),
                          fmt::format("`{0}` needs `{1}`; write {1} = \"file:/path/to/{1}.pem\"", name, needed));
  }
  std::optional<Text> client_ca;
  if (name == "tls") {
    client_ca = read_pem(table, "client_ca", "CERTIFICATE");
  } else {
    table.refuse(
        "client_ca",
        "is not for the admin door, because probes and Prometheus come in there and have no certificate; protect the "
        "rest of it by `admin_token`");
  }
  table.finish();
  if (!cert || !key) return std::nullopt;
  auto tls = read_pair(table.context(), *cert, *key);
  if (tls && client_ca) tls->client_ca = client_ca->value;
  return tls;
}

}  // namespace outrigger::config
