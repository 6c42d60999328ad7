// HMAC-SHA-256 (RFC 2104, FIPS 180-4) with the key's two blocks hashed once and for all.
#pragma once

#include <array>
#include <memory>
#include <string_view>

namespace outrigger::chat {

using Digest = std::array<unsigned char, 32>;

class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view secret);
  ~HmacSha256();  // wipes what it knows of the secret
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;

  [[nodiscard]] Digest operator()(std::string_view message) const;

 private:
  struct States;
  std::unique_ptr<States> states_;
};

}  // namespace outrigger::chat
