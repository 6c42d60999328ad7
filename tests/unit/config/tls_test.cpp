// [listen] tls and admin_tls: a pair that fits, or a word about what does not.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"
#include "unit/net/test_ca.h"

namespace outrigger::config {
namespace {

using namespace test;

const outrigger::test::TestCa& ca() {
  static const outrigger::test::TestCa made;
  return made;
}

struct Pair {
  explicit Pair(const io::TlsServer& tls) : cert(tls.certificate_chain), key(tls.private_key) {}
  Pair() : Pair(ca().issue()) {}
  TemporaryFile cert, key;
};

Loaded load_tls(std::string_view name, const std::string& members) {
  return load("[listen]\n" + std::string(name) + " = { " + members + " }\n" + std::string(k_upstream));
}
std::string file(std::string_view key, const TemporaryFile& at) {
  return std::string(key) + " = \"file:" + at.path() + "\"";
}

TEST_CASE("a door's certificate and key come from files, and its end is known") {
  const Pair pair;
  const auto loaded = load_tls("tls", file("cert", pair.cert) + ", " + file("key", pair.key));
  INFO(all(loaded));
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->listen.tls);
  const Tls& tls = *loaded.config->listen.tls;
  CHECK(tls.cert.text.starts_with("-----BEGIN CERTIFICATE"));
  CHECK(tls.key.text.starts_with("-----BEGIN PRIVATE KEY"));
  CHECK(tls.client_ca.empty());
  // An hour from now, as issued.
  const Duration left = tls.not_after - std::chrono::system_clock::now();
  CHECK(left > 59min);
  CHECK(left <= 1h);
  CHECK_FALSE(loaded.config->listen.admin_tls);
  CHECK(loaded.files == std::vector<std::string>{pair.cert.path(), pair.key.path()});
}

TEST_CASE("the admin door has a pair of its own; whoever comes to the others may have to show a certificate") {
  const Pair pair;
  const TemporaryFile root(ca().root());
  const std::string both = file("cert", pair.cert) + ", " + file("key", pair.key);
  const auto mutual = load_tls("tls", both + ", " + file("client_ca", root));
  REQUIRE(mutual.config);
  CHECK(mutual.config->listen.tls->client_ca.starts_with("-----BEGIN CERTIFICATE"));
  const auto admin = load_tls("admin_tls", both);
  REQUIRE(admin.config);
  CHECK(admin.config->listen.admin_tls);
  CHECK_FALSE(admin.config->listen.tls);
  const auto refused = errors(load_tls("admin_tls", both + ", " + file("client_ca", root)));
  REQUIRE(refused.size() == 1);
  CHECK(refused.front().contains("probes and Prometheus"));
  CHECK(refused.front().contains("admin_token"));
}

// The beginning of a text, as a program leaves it that is stopped while it writes.
std::string cut(const std::string& text) { return text.substr(0, text.size() - 60); }

TEST_CASE("certificates to believe are read while loading, and all of them have to be whole") {
  const std::string root = ca().root();
  struct Row {
    std::string pem, words;
  };
  const Row rows[] = {
      {root, ""},
      {root + "\nsome words\n" + ca().issue().certificate_chain, ""},
      {root + ca().issue().private_key, ""},
      {cut(root), "holds no certificate that can be read"},
      {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "holds no certificate that can be read"},
      {"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "holds no certificate that can be read"},
      {root + root + cut(root), "cannot be read from after its first 2 certificates on"},
      {"rubbish", "holds no PEM block `CERTIFICATE`"},
  };
  const Pair pair;
  const std::string both = file("cert", pair.cert) + ", " + file("key", pair.key);
  for (const Row& row : rows) {
    CAPTURE(row.pem, row.words);
    const TemporaryFile bundle(row.pem);
    const std::string key = file("ca", bundle);
    struct Place {
      std::string at, key;
      Loaded loaded;
    };
    const Place places[] = {
        {"o.toml:4:6", "`ca`", load(std::string(k_upstream) + key + "\n")},
        {"o.toml:6:6", "`ca`", load_with_upstream("[redis]\nurl = \"rediss://h\"\n" + key + "\n")},
        {"o.toml:2:", "`client_ca`", load_tls("tls", both + ", client_" + key)},
    };
    for (const Place& place : places) {
      CAPTURE(place.at, all(place.loaded));
      CHECK((place.loaded.config != nullptr) == row.words.empty());
      if (row.words.empty()) continue;
      REQUIRE(errors(place.loaded).size() == 1);
      CHECK(errors(place.loaded).front().starts_with(place.at));
      CHECK(errors(place.loaded).front().contains(place.key + " " + row.words));
    }
  }
}

TEST_CASE("a pair that OpenSSL would not show is refused before a door needs it") {
  struct Row {
    outrigger::test::CertificateOptions options;
    std::string words;
  };
  const Row rows[] = {
      {{.rsa_bits = 2048}, ""},
      {{.rsa_bits = 1024}, "`cert` has a key that is too weak"},
      {{.is_sha1 = true}, "`cert` is signed over a digest that is too weak"},
  };
  for (const Row& row : rows) {
    const Pair pair(ca().issue(row.options));
    const auto loaded = load_tls("tls", file("cert", pair.cert) + ", " + file("key", pair.key));
    CAPTURE(row.words, all(loaded));
    CHECK((loaded.config != nullptr) == row.words.empty());
    if (row.words.empty()) continue;
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded).front().starts_with("o.toml:2:"));
    CHECK(errors(loaded).front().contains(row.words));
  }
  auto half = ca().issue();
  half.certificate_chain += cut(ca().root());
  const Pair pair(half);
  const auto loaded = load_tls("admin_tls", file("cert", pair.cert) + ", " + file("key", pair.key));
  REQUIRE(errors(loaded).size() == 1);
  CHECK(errors(loaded).front().contains("`cert` cannot be read from after its first certificate on"));
}

TEST_CASE("what does not fit together is refused with the reason") {
  const Pair pair;
  const Pair other;
  const TemporaryFile rubbish("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
  const TemporaryFile locked("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n");
  struct Case {
    const TemporaryFile& cert;
    const TemporaryFile& key;
    std::string words;
  };
  const Case table[] = {
      {pair.cert, other.key, "`key` does not belong to the certificate"},
      {rubbish, pair.key, "`cert` holds no certificate that can be read"},
      {pair.cert, locked, "`key` holds no private key that can be read"},
      {pair.cert, pair.cert, "`key` holds no PEM block `PRIVATE KEY`"},
  };
  for (const Case& row : table) {
    const auto loaded = load_tls("tls", file("cert", row.cert) + ", " + file("key", row.key));
    CAPTURE(row.words, all(loaded));
    CHECK_FALSE(loaded.config);
    REQUIRE(errors(loaded).size() == 1);
    CHECK(errors(loaded).front().contains(row.words));
  }
  const auto unknown = errors(load_tls("tls", file("cert", pair.cert) + ", " + file("key", pair.key) + ", crt = 1"));
  REQUIRE(unknown.size() == 1);
  CHECK(unknown.front().contains("unknown key `crt` in [listen].tls (did you mean `cert`?)"));
  CHECK(errors(load_tls("tls", file("cert", pair.key) + ", " + file("key", pair.cert))).size() == 2);
}

}  // namespace
}  // namespace outrigger::config
