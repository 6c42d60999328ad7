#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace outrigger::net {

std::optional<SocketAddress> literal_address(const std::string& host, std::uint16_t port) {
  SocketAddress address;
  if (uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(&address.storage)) == 0) {
    address.size = sizeof(sockaddr_in);
    return address;
  }
  if (uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(&address.storage)) == 0) {
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  return std::nullopt;
}

std::optional<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof(local->sun_path)) return std::nullopt;
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

SocketAddress copy_address(const sockaddr* address, socklen_t size) {
  SocketAddress copy;
  copy.size = std::min(size, static_cast<socklen_t>(sizeof(copy.storage)));
  std::memcpy(&copy.storage, address, copy.size);
  return copy;
}

std::string host_of(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.family() == AF_INET) {
    uv_ip4_name(reinterpret_cast<const sockaddr_in*>(&address.storage), text.data(), text.size());
  } else if (address.family() == AF_INET6) {
    uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(&address.storage), text.data(), text.size());
  }
  return text.data();
}

std::uint16_t port_of(const SocketAddress& address) {
  if (address.family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  if (address.family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
  return 0;
}

std::string to_text(const SocketAddress& address) {
  constexpr std::string_view k_mapped = "::ffff:";  // an IPv4 peer at a door that speaks both
  if (address.family() == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&address.storage);
    const std::size_t room =
        address.size > offsetof(sockaddr_un, sun_path) ? address.size - offsetof(sockaddr_un, sun_path) : 0;
    return "unix:" + std::string(local->sun_path, strnlen(local->sun_path, room));
  }
  std::string host = host_of(address);
  if (host.starts_with(k_mapped) && host.find('.') != std::string::npos) {
    host.erase(0, k_mapped.size());
  } else if (address.family() == AF_INET6) {
    host = "[" + host + "]";
  }
  return host + ":" + std::to_string(port_of(address));
}

}  // namespace outrigger::net
