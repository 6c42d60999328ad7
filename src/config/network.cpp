#include "config/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>

namespace outrigger::config {
namespace {

constexpr std::array<unsigned char, 12> k_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // RFC 4291 §2.5.5.2

std::optional<Network> parse_address(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  Network address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) != 1) return std::nullopt;
  if (std::equal(k_mapped.begin(), k_mapped.end(), address.bytes.begin())) {
    Network inner;
    std::copy_n(address.bytes.begin() + k_mapped.size(), 4, inner.bytes.begin());
    return inner;
  }
  address.family_bits = address.bits = 128;
  return address;
}

}  // namespace

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  auto network = parse_address(text.substr(0, slash));
  if (!network || slash == std::string_view::npos) return network;
  const std::string_view length = text.substr(slash + 1);
  const auto parsed = std::from_chars(length.data(), length.data() + length.size(), network->bits);
  if (parsed.ec != std::errc() || parsed.ptr != length.data() + length.size()) return std::nullopt;
  if (network->bits < 0 || network->bits > network->family_bits) return std::nullopt;
  return network;
}

bool holds(const Network& network, std::string_view address) {
  const auto other = parse_address(address);
  if (!other || other->family_bits != network.family_bits) return false;
  for (int bit = 0; bit < network.bits; ++bit) {
    const auto at = static_cast<std::size_t>(bit / 8);
    const int difference = network.bytes[at] ^ other->bytes[at];
    if (((difference >> (7 - bit % 8)) & 1) != 0) return false;
  }
  return true;
}

}  // namespace outrigger::config
