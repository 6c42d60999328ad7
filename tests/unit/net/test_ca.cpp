#include "test_ca.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/check.h"

namespace outrigger::test {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string pem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return text_of(bio);
}

std::string pem(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  OR_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Numbers in the names keep two roots of one run apart, so that the wrong one is unknown and not merely unfit.
long next_number() {
  static long last = 0;
  return ++last;
}

X509* make_certificate(std::string name, EVP_PKEY* key, long from_s, long until_s) {
  const long serial = next_number();
  name += " " + std::to_string(serial);
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

TestCa::TestCa() : key_(EVP_EC_gen("P-256")), root_(make_certificate("test root", key_.get(), -86400, 86400)) {
  X509_set_issuer_name(root_.get(), X509_get_subject_name(root_.get()));
  add_extension(root_.get(), root_.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(root_.get(), root_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  X509_sign(root_.get(), key_.get(), EVP_sha256());
  root_pem_ = pem(root_.get());
}

io::TlsServer TestCa::issue(const CertificateOptions& options) const {
  const std::unique_ptr<EVP_PKEY, Free> key(options.rsa_bits > 0 ? EVP_RSA_gen(options.rsa_bits) : EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> leaf(make_certificate("test leaf", key.get(), options.from_s, options.until_s));
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(root_.get()));
  add_extension(leaf.get(), root_.get(), NID_basic_constraints, "CA:FALSE");
  add_extension(leaf.get(), root_.get(), NID_subject_alt_name, options.names);
  X509_sign(leaf.get(), key_.get(), options.is_sha1 ? EVP_sha1() : EVP_sha256());
  return {pem(leaf.get()), pem(key.get())};
}

}  // namespace outrigger::test
