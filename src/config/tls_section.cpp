// Certificates: the one that a door shows, with its key, and those that others' are to lead to. Looked at before anybody depends on
// them.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fmt/format.h>

#include <ctime>
#include <memory>
#include <vector>

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

// In bits. What OpenSSL asks of a door's own certificate at security level 2, the usual one: RSA from 2048 bits, EC from 224,
// signatures over more than SHA-1.
constexpr int k_least_security = 112;

struct Certificates {
  std::vector<std::unique_ptr<X509, Free>> all;
  bool is_whole = false;  // false: after these comes something that cannot be read, such as the rest of a file half written
};

Certificates read_certificates(std::string_view text) {
  ERR_clear_error();
  Certificates read;
  const auto from = reader(text);
  while (X509* certificate = PEM_read_bio_X509(from.get(), nullptr, no_password, nullptr))
    read.all.emplace_back(certificate);
  const unsigned long end = ERR_peek_last_error();
  read.is_whole = ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return read;
}

// Words that follow the key; empty: nothing is wrong.
std::string problem_of(const Certificates& certificates, std::string_view none) {
  const std::size_t count = certificates.all.size();
  if (count == 0) return std::string(none);
  if (certificates.is_whole) return {};
  return fmt::format("cannot be read from after its first {} on; write the whole of it",
                     count == 1 ? "certificate" : fmt::format("{} certificates", count));
}

std::string weakness_of(X509& certificate) {
  if (EVP_PKEY_get_security_bits(X509_get0_pubkey(&certificate)) < k_least_security) {
    return "has a key that is too weak for TLS; make one of RSA with 2048 bits or more, or of EC with 256";
  }
  int security = -1;
  const bool is_own_issuer = (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0;
  X509_get_signature_info(&certificate, nullptr, nullptr, &security, nullptr);
  ERR_clear_error();
  if (is_own_issuer || security >= k_least_security) return {};
  return "is signed over a digest that is too weak for TLS; have it signed over SHA-256";
}

WallTime end_of(const X509& certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return {};
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::from_time_t(timegm(&end)));
}

// The pair that a door would show. nullopt: an error has been noted.
std::optional<Tls> read_pair(Context& context, const Text& cert, const Text& key) {
  const Certificates chain = read_certificates(cert.value);
  X509* certificate = chain.all.empty() ? nullptr : chain.all.front().get();
  const std::unique_ptr<EVP_PKEY, Free> secret(
      PEM_read_bio_PrivateKey(reader(key.value).get(), nullptr, no_password, nullptr));
  const bool belongs = certificate != nullptr && secret && X509_check_private_key(certificate, secret.get()) == 1;
  ERR_clear_error();
  std::string problem =
      problem_of(chain, "holds no certificate that can be read; write the chain in PEM form, the door's own first");
  if (problem.empty()) problem = weakness_of(*certificate);
  if (!problem.empty()) {
    context.error(cert.place, fmt::format("`cert` {}", problem));
    return std::nullopt;
  }
  if (secret == nullptr) {
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

std::optional<Text> read_ca(TableReader& table, std::string_view key) {
  auto text = read_pem(table, key, "CERTIFICATE");
  if (!text) return std::nullopt;
  const std::string problem =
      problem_of(read_certificates(text->value), "holds no certificate that can be read; write one or several in PEM form");
  if (problem.empty()) return text;
  table.context().error(text->place, fmt::format("`{}` {}", key, problem));
  return std::nullopt;
}

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
    client_ca = read_ca(table, "client_ca");
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
