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
