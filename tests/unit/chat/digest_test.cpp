#include "chat/digest.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::chat {
namespace {

// The vectors of FIPS 180-4's examples.
TEST_CASE("a text has one SHA-256, whole or in pieces") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256().finish_hex() == sha256_hex(""));
  const std::string text(200, 'a');
  for (std::size_t at = 0; at <= text.size(); ++at) {
    Sha256 hash;
    hash.update(text.substr(0, at));
    hash.update(text.substr(at));
    CHECK(hash.finish_hex() == sha256_hex(text));
  }
}

}  // namespace
}  // namespace outrigger::chat
