// A certificate authority made in memory, for one test run. Keys are P-256, since those are made in no time.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "io/net.h"

namespace outrigger::test {

struct CertificateOptions {
  std::string names = "DNS:server.test,IP:127.0.0.1";  // subjectAltName
  long from_s = -3600;                                 // relative to now
  long until_s = 3600;
  unsigned rsa_bits = 0;  // of the key; 0: it is on P-256
  bool is_sha1 = false;   // what the signature is over
};

class TestCa {
 public:
  TestCa();
  [[nodiscard]] const std::string& root() const { return root_pem_; }
  [[nodiscard]] io::TlsServer issue(const CertificateOptions& options = {}) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> root_;
  std::string root_pem_;
};

}  // namespace outrigger::test
