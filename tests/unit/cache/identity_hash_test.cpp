#include "cache/identity_hash.h"

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstring>
#include <set>
#include <string>

#include "core/rng.h"

namespace outrigger::cache {
namespace {

// What `openssl mac -macopt size:8 -macopt c-rounds:1 -macopt d-rounds:3 SIPHASH` says of the bytes 0, 1, 2, ... with the key
// 000102...0f, read as a little-endian number.
TEST_CASE("the hash ends in SipHash-1-3") {
  struct Case {
    std::size_t size;
    std::uint64_t expected;
  };
  for (const Case& c :
       {Case{0, 0xabac0158050fc4dc}, Case{1, 0xc9f49bf37d57ca93}, Case{7, 0xd3927d989bb11140}, Case{8, 0x369095118d299a8e},
        Case{9, 0x25a48eb36c063de4}, Case{15, 0xd320d86d2a519956}, Case{63, 0x9d199062b7bbb3a8}}) {
    CAPTURE(c.size);
    SipHash13 sip(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    std::string text;
    for (std::size_t i = 0; i < c.size; ++i) text += static_cast<char>(i);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i + 8 <= c.size; i += 8) {
      std::memcpy(&word, text.data() + i, 8);
      sip.take(word);
    }
    word = 0;
    std::memcpy(&word, text.data() + c.size / 8 * 8, c.size % 8);
    CHECK(sip.finish(word | static_cast<std::uint64_t>(c.size) << 56) == c.expected);
  }
}

TEST_CASE("the secret decides the hash") {
  const IdentityHash one("one secret");
  CHECK(one("text") == IdentityHash("one secret")("text"));
  CHECK(one("text") != IdentityHash("another secret")("text"));
  CHECK(IdentityHash("")("text") != one("text"));
}

TEST_CASE("every byte and every length count") {
  const IdentityHash hash("a secret for tests");
  // One word, one pair, one block, and each of them with less and with more.
  for (const std::size_t size : {0, 1, 7, 8, 9, 15, 16, 17, 31, 1023, 1024, 1025, 1040, 2047, 2048, 2071}) {
    CAPTURE(size);
    std::string text(size, '\0');
    std::set<std::uint64_t> seen{hash(text)};
    for (char& byte : text) {
      byte = 1;
      seen.insert(hash(text));
      byte = 0;
    }
    seen.insert(hash(text + '\0'));
    CHECK(seen.size() == size + 2);
  }
}

TEST_CASE("words and blocks in another order are another text") {
  const IdentityHash hash("a secret for tests");
  Rng rng(1);
  std::string text(2048, ' ');
  for (char& byte : text) byte = static_cast<char>(rng.next());
  std::set<std::uint64_t> seen;
  for (const std::size_t unit : {8, 16, 1024}) {
    for (std::size_t at = unit; at + unit <= text.size(); at += unit) {
      std::string swapped = text;
      swapped.replace(0, unit, text, at, unit);
      swapped.replace(at, unit, text, 0, unit);
      seen.insert(hash(swapped));
    }
  }
  CHECK(seen.size() == 2048 / 8 - 1 + 2048 / 16 - 1 + 1);
  CHECK(!seen.contains(hash(text)));
}

}  // namespace
}  // namespace outrigger::cache
