#include "sim/hash.h"

#include <array>

#include "core/check.h"

namespace outrigger::sim_provider {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  OR_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::add(std::string_view data) { OR_CHECK(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1); }

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  OR_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (const unsigned char byte : digest) {
    text += k_digits[byte >> 4];
    text += k_digits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view data) {
  Sha256 hash;
  hash.add(data);
  return hash.hex();
}

std::uint64_t stable_hash(std::string_view data, std::uint64_t seed) {
  std::uint64_t hash = seed;
  for (const char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace outrigger::sim_provider
