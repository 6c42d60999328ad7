#include "cache/identity_hash.h"

#include <bit>
#include <cstring>
#include <string>

#include "chat/sha256.h"

namespace outrigger::cache {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

__extension__ using Wide = unsigned __int128;

constexpr std::size_t k_word = sizeof(std::uint64_t);

std::uint64_t word_at(const void* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

}  // namespace

void SipHash13::round() {
  a_ += b_;
  c_ += d_;
  b_ = std::rotl(b_, 13) ^ a_;
  d_ = std::rotl(d_, 16) ^ c_;
  a_ = std::rotl(a_, 32);
  c_ += b_;
  a_ += d_;
  b_ = std::rotl(b_, 17) ^ c_;
  d_ = std::rotl(d_, 21) ^ a_;
  c_ = std::rotl(c_, 32);
}

void SipHash13::take(std::uint64_t word) {
  d_ ^= word;
  round();
  a_ ^= word;
}

std::uint64_t SipHash13::finish(std::uint64_t last) {
  take(last);
  c_ ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return a_ ^ b_ ^ c_ ^ d_;
}

IdentityHash::IdentityHash(std::string_view secret) {
  const chat::HmacSha256 stream(secret);
  const auto digest = [&](char number) { return stream(std::string("outrigger memory tier ") + number); };
  constexpr std::size_t k_words = sizeof(chat::Digest) / k_word;
  for (std::size_t i = 0; i < nh_key_.size(); i += k_words) {
    const chat::Digest words = digest(static_cast<char>(i / k_words));
    std::memcpy(&nh_key_[i], words.data(), words.size());
  }
  const chat::Digest words = digest(static_cast<char>(nh_key_.size() / k_words));
  sip_key_ = {word_at(words.data()), word_at(words.data() + k_word)};
}

IdentityHash::Pair IdentityHash::compress(const char* block, std::size_t pairs) const {
  Wide sum = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::uint64_t first = word_at(block + 2 * i * k_word) + nh_key_[2 * i];
    const std::uint64_t second = word_at(block + (2 * i + 1) * k_word) + nh_key_[2 * i + 1];
    sum += static_cast<Wide>(first) * second;
  }
  return {static_cast<std::uint64_t>(sum), static_cast<std::uint64_t>(sum >> 64)};
}

std::uint64_t IdentityHash::operator()(std::string_view identity) const {
  constexpr std::size_t k_pair = 2 * k_word;
  constexpr std::size_t k_block = k_block_words * k_word;
  SipHash13 sip(sip_key_.low, sip_key_.high);
  const auto take = [&sip](Pair digest) {
    sip.take(digest.low);
    sip.take(digest.high);
  };
  const char* at = identity.data();
  std::size_t left = identity.size();
  for (; left >= k_block; at += k_block, left -= k_block) take(compress(at, k_block_words / 2));
  if (left >= k_pair) {
    take(compress(at, left / k_pair));
    at += left / k_pair * k_pair;
    left %= k_pair;
  }
  std::array<char, k_pair> tail{};
  if (left > 0) std::memcpy(tail.data(), at, left);
  sip.take(word_at(tail.data()));
  sip.take(word_at(tail.data() + k_word));
  return sip.finish(identity.size());
}

}  // namespace outrigger::cache
