#include "chat/digest.h"

#include <openssl/evp.h>

#include <array>

namespace outrigger::chat {

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += k_digits[byte >> 4];
    hex += k_digits[byte & 15];
  }
  return hex;
}

}  // namespace outrigger::chat
