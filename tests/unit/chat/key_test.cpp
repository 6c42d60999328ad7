#include "chat/key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <vector>

#include "chat/sha256.h"
#include "core/rng.h"

using namespace outrigger;
using namespace outrigger::chat;

namespace {

std::string digest_hex(std::string_view secret, std::string_view message) { return hex(HmacSha256(secret)(message)); }

std::string evp_hex(std::string_view secret, std::string_view message) {
  Key digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest.data(), &size);
  return hex(digest);
}

Identity sample(Scope scope) {
  return {.scope = scope,
          .level = Level::safe,
          .epoch = "1",
          .upstream = "relay https://h/v1",
          .query = "api-version=1",
          .credential = "Bearer sk-secret",
          .app = "app-1",
          .user = "user-1",
          .canonical = "form"};
}

}  // namespace

TEST_CASE("HMAC-SHA-256 gives the values of RFC 4231") {
  CHECK(digest_hex(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(digest_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(digest_hex(std::string(20, '\xaa'), std::string(50, '\xdd')) ==
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  CHECK(digest_hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("HMAC-SHA-256 agrees with OpenSSL's at every length around a block") {
  Rng rng(7);
  for (const std::size_t secret_size : {0U, 1U, 32U, 63U, 64U, 65U, 200U}) {
    std::string secret;
    for (std::size_t i = 0; i < secret_size; ++i) secret.push_back(static_cast<char>(rng.below(256)));
    const HmacSha256 hmac(secret);
    std::string message;
    for (std::size_t size = 0; size < 200; ++size) {
      CHECK(hex(hmac(message)) == evp_hex(secret, message));
      message.push_back(static_cast<char>(rng.below(256)));
    }
  }
}

TEST_CASE("a key survives its hex form") {
  Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(i * 8 + 7);
  const std::string text = hex(key);
  CHECK(text.size() == 64);
  CHECK(key_from_hex(text) == key);
  CHECK(text.substr(0, 6) == "070f17");
  CHECK(key_from_hex("070F17" + text.substr(6)) == key);
  CHECK_FALSE(key_from_hex(text.substr(1)));
  CHECK_FALSE(key_from_hex(text + "0"));
  CHECK_FALSE(key_from_hex("g" + text.substr(1)));
  CHECK_FALSE(key_from_hex(""));
}

TEST_CASE("an identity holds what its scope uses and nothing else") {
  const KeyMaker keys("secret");
  const auto changed_by = [&](Scope scope, auto change) {
    Identity parts = sample(scope);
    const std::string before = keys.identity(parts);
    change(parts);
    return keys.identity(parts) != before;
  };
  const auto credential = [](Identity& parts) { parts.credential = "Bearer other"; };
  const auto app = [](Identity& parts) { parts.app = "app-2"; };
  const auto user = [](Identity& parts) { parts.user = "user-2"; };
  CHECK(changed_by(Scope::credential, credential));
  CHECK_FALSE(changed_by(Scope::credential, app));
  CHECK_FALSE(changed_by(Scope::credential, user));
  CHECK(changed_by(Scope::app, credential));
  CHECK(changed_by(Scope::app, app));
  CHECK_FALSE(changed_by(Scope::app, user));
  CHECK(changed_by(Scope::user, credential));
  CHECK(changed_by(Scope::user, app));
  CHECK(changed_by(Scope::user, user));
  CHECK_FALSE(changed_by(Scope::global, credential));
  CHECK_FALSE(changed_by(Scope::global, app));
  CHECK_FALSE(changed_by(Scope::global, user));
  for (const Scope scope : {Scope::credential, Scope::app, Scope::user, Scope::global}) {
    CHECK(changed_by(scope, [](Identity& parts) { parts.level = Level::exact; }));
    CHECK(changed_by(scope, [](Identity& parts) { parts.epoch = "2"; }));
    CHECK(changed_by(scope, [](Identity& parts) { parts.upstream = "relay https://h/v2"; }));
    CHECK(changed_by(scope, [](Identity& parts) { parts.query = ""; }));
    CHECK(changed_by(scope, [](Identity& parts) { parts.canonical = "forn"; }));
    CHECK(changed_by(scope, [](Identity& parts) { parts.scope = parts.scope == Scope::app ? Scope::user : Scope::app; }));
  }
  // What is shared between fields cannot move from one to the next.
  CHECK(changed_by(Scope::user, [](Identity& parts) {
    parts.app = "app-1u";
    parts.user = "ser-1";
  }));
}

TEST_CASE("levels and scopes all give identities of their own") {
  const KeyMaker keys("secret");
  std::set<std::string> seen;
  for (const Level level : {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms}) {
    for (const Scope scope : {Scope::credential, Scope::app, Scope::user, Scope::global}) {
      Identity parts = sample(scope);
      parts.level = level;
      seen.insert(hex(keys.key(keys.identity(parts))));
    }
  }
  CHECK(seen.size() == 20);
}

TEST_CASE("an identity shows no credential and gives back its canonical form") {
  const KeyMaker keys("secret");
  for (const Scope scope : {Scope::credential, Scope::app, Scope::user, Scope::global}) {
    const std::string identity = keys.identity(sample(scope));
    CHECK(identity.find("sk-secret") == std::string::npos);
    CHECK(canonical_of_identity(identity) == "form");
    for (std::size_t size = 0; size < identity.size(); ++size)
      CHECK(canonical_of_identity(identity.substr(0, size)).empty());
    CHECK(canonical_of_identity(identity + "x").empty());
  }
  CHECK(canonical_of_identity("form").empty());
  CHECK(canonical_of_identity("oi\x02").empty());
}

TEST_CASE("keys depend on the secret") {
  const KeyMaker one("secret");
  const KeyMaker same("secret");
  const KeyMaker other("Secret");
  const std::string identity = one.identity(sample(Scope::global));
  CHECK(one.key(identity) == same.key(identity));
  CHECK(one.key(identity) != other.key(identity));
  CHECK(one.fingerprint("a") == same.fingerprint("a"));
  CHECK(one.fingerprint("a") != other.fingerprint("a"));
  CHECK(one.fingerprint("a") != one.fingerprint("b"));
  CHECK(one.fingerprint("a") != one.key("a"));
}

TEST_CASE("fingerprints stay what they are when the memory of them is full") {
  const KeyMaker keys("secret");
  const Key first = keys.fingerprint("credential 0");
  for (int i = 0; i < 1100; ++i) {
    const std::string credential = "credential " + std::to_string(i);
    CHECK(keys.fingerprint(credential) == KeyMaker("secret").fingerprint(credential));
  }
  CHECK(keys.fingerprint("credential 0") == first);
}
