#include "sim/dify/ids.h"

#include <fmt/format.h>

#include "sim/hash.h"

namespace outrigger::sim_dify {

std::string fresh_uuid(Rng& rng) {
  const std::uint64_t a = rng.next(), b = rng.next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     0x8000 | ((b >> 48) & 0x3fff), b & 0xffff'ffff'ffff);
}

std::string stable_uuid(std::string_view text) {
  Rng rng(sim_provider::stable_hash(text));
  return fresh_uuid(rng);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace outrigger::sim_dify
