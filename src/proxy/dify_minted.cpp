#include "proxy/dify_minted.h"

#include <cstring>
#include <optional>
#include <string>

namespace outrigger::proxy {
namespace {

constexpr std::size_t k_half = 18;  // "xxxxxxxx-xxxx-4xxx" of 36
// The first half says its version at these bits, which uuid_of() sets.
constexpr std::uint64_t k_version_mask = 0xf000;

std::uint64_t mac(const chat::KeyMaker& keys, std::uint64_t random) {
  std::string text = "dify-id:" + std::to_string(random & ~k_version_mask);
  const chat::Key key = keys.key(text);
  std::uint64_t word = 0;
  std::memcpy(&word, key.data(), sizeof word);
  return word;
}

std::optional<std::uint64_t> first_word(std::string_view id) {
  std::uint64_t word = 0;
  for (const char c : id.substr(0, k_half)) {
    if (c == '-') continue;
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
    word = word << 4 | static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return word;
}

}  // namespace

providers::dify::Uuid mint(const chat::KeyMaker& keys, Rng& rng) {
  const std::uint64_t random = rng.next();
  return providers::dify::uuid_of(random, mac(keys, random));
}

bool is_minted(const chat::KeyMaker& keys, std::string_view id) {
  providers::dify::Uuid made{};
  if (id.size() != made.size()) return false;
  const auto random = first_word(id);
  if (!random) return false;
  made = providers::dify::uuid_of(*random, mac(keys, *random));
  return id == std::string_view(made.data(), made.size());
}

}  // namespace outrigger::proxy
