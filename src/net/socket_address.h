// The kernel's socket addresses, made from and turned into text.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/result.h"

namespace outrigger::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// Nothing when `host` is no literal IPv4 or IPv6 address.
std::optional<SocketAddress> literal_address(const std::string& host, std::uint16_t port);
// Nothing when the path does not fit (107 bytes).
std::optional<SocketAddress> unix_address(const std::string& path);
SocketAddress copy_address(const sockaddr* address, socklen_t size);
// "203.0.113.7:4711", "[2001:db8::1]:4711", "unix:/path" ("unix:" for a nameless peer).
std::string to_text(const SocketAddress& address);
std::uint16_t port_of(const SocketAddress& address);
// Without brackets and port; empty for a Unix socket.
std::string host_of(const SocketAddress& address);

}  // namespace outrigger::net
