// Blocks of IP addresses as people write them: "172.16.0.0/12", "fd00::/8", "10.1.2.3".
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace outrigger::config {

struct Network {
  std::array<unsigned char, 16> bytes{};  // IPv4: the first four
  int family_bits = 32;                   // 32: IPv4, 128: IPv6
  int bits = 32;                          // that are compared
  bool operator==(const Network&) const = default;
};

// nullopt: it is no address, or its length is not one. IPv4 in IPv6's clothes (::ffff:10.0.0.1) is IPv4.
std::optional<Network> parse_network(std::string_view text);

// Does `network` hold that address (without brackets or port)? Never when it is no address.
bool holds(const Network& network, std::string_view address);

}  // namespace outrigger::config
