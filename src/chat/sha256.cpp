// The one place that calls OpenSSL's SHA256_* functions. OpenSSL 3 marks them as deprecated in favour of EVP, but EVP_MAC
// allocates for every message and costs a microsecond more, which is a fifth of a cache hit. The tests hold this against EVP.
#include "chat/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace outrigger::chat {
namespace {

using Block = std::array<unsigned char, SHA256_CBLOCK>;

SHA256_CTX begun_with(Block block, unsigned char pad) {
  for (unsigned char& byte : block) byte ^= pad;
  SHA256_CTX state;
  SHA256_Init(&state);
  SHA256_Update(&state, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return state;
}

}  // namespace

struct HmacSha256::States {
  SHA256_CTX inner;
  SHA256_CTX outer;
};

HmacSha256::HmacSha256(std::string_view secret) {
  Block block{};
  if (secret.size() > block.size()) {
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), block.data());
  } else {
    std::copy(secret.begin(), secret.end(), block.begin());
  }
  states_ = std::make_unique<States>(States{begun_with(block, 0x36), begun_with(block, 0x5c)});
  OPENSSL_cleanse(block.data(), block.size());
}

HmacSha256::~HmacSha256() { OPENSSL_cleanse(states_.get(), sizeof *states_); }

Digest HmacSha256::operator()(std::string_view message) const {
  Digest digest;
  SHA256_CTX state = states_->inner;
  SHA256_Update(&state, message.data(), message.size());
  SHA256_Final(digest.data(), &state);
  state = states_->outer;
  SHA256_Update(&state, digest.data(), digest.size());
  SHA256_Final(digest.data(), &state);
  return digest;
}

}  // namespace outrigger::chat
