#include "providers/sealed.h"

#include <bit>
#include <cstring>

namespace outrigger::providers {
namespace {

constexpr std::size_t k_checksum_size = 8;

// In the manner of FNV-1a, eight bytes at a time (the lowest first). Each step can be undone, so no change of one word passes. It
// guards against rubbish and bit rot, not against somebody who may write to Redis.
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

Bytes seal(std::string_view magic, std::string_view contents) {
  const std::uint64_t sum = checksum(contents);
  return Bytes::make(magic.size() + k_checksum_size + contents.size(), [&](char* to) {
    std::memcpy(to, magic.data(), magic.size());
    to += magic.size();
    for (std::size_t i = 0; i < k_checksum_size; ++i) *to++ = static_cast<char>(sum >> (8 * i));
    if (!contents.empty()) std::memcpy(to, contents.data(), contents.size());
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

void put(std::string& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>(number | 0x80);
  to += static_cast<char>(number);
}

void put(std::string& to, std::string_view text) {
  put(to, text.size());
  to += text;
}

std::uint64_t Taker::number(std::uint64_t limit) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; ok && shift < 64; shift += 7) {
    if (rest.empty()) break;
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value <= limit ? value : fail();
  }
  return fail();
}

std::string_view Taker::text() {
  const auto size = static_cast<std::size_t>(number(rest.size()));
  if (size > rest.size()) fail();
  if (!ok) return {};
  const std::string_view value = rest.substr(0, size);
  rest.remove_prefix(size);
  return value;
}

}  // namespace outrigger::providers
