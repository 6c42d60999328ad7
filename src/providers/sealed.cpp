#include "providers/sealed.h"

#include <bit>
#include <cstring>

namespace outrigger::providers {
namespace {

constexpr std::size_t k_checksum_size = 8;

// In the manner of FNV-1a, eight bytes at a time (the lowest first). Each step can be undone, so no change of one word passes.
std::uint64_t checksum(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t sum = 0xcbf29ce484222325ULL ^ text.size();
  const auto take = [&sum](std::uint64_t word) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
    sum ^= sum >> 32;
  };
  std::uint64_t word = 0;
  for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
    std::memcpy(&word, text.data(), sizeof word);
    take(word);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  take(word);
  return sum;
}

}  // namespace

Bytes seal(std::string_view magic, std::string_view content) {
  const std::uint64_t sum = checksum(content);
  return Bytes::make(magic.size() + k_checksum_size + content.size(), [&](char* to) {
    to = static_cast<char*>(std::memcpy(to, magic.data(), magic.size())) + magic.size();
    for (std::size_t i = 0; i < k_checksum_size; ++i) *to++ = static_cast<char>(sum >> (8 * i));
    if (!content.empty()) std::memcpy(to, content.data(), content.size());
  });
}

std::optional<std::string_view> unseal(std::string_view magic, std::string_view sealed) {
  if (!sealed.starts_with(magic) || sealed.size() < magic.size() + k_checksum_size) return std::nullopt;
  sealed.remove_prefix(magic.size());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < k_checksum_size; ++i) {
    sum |= static_cast<std::uint64_t>(static_cast<unsigned char>(sealed[i])) << (8 * i);
  }
  sealed.remove_prefix(k_checksum_size);
  if (checksum(sealed) != sum) return std::nullopt;
  return sealed;
}

}  // namespace outrigger::providers
