// Addresses as text. Pure: names are not resolved here, so a name is judged by its spelling only.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "io/net.h"

namespace outrigger::io {
namespace {

constexpr std::string_view k_unix = "unix:";
constexpr std::size_t k_unix_path_max = 107;  // sockaddr_un holds 108 with the final zero
constexpr std::size_t k_host_max = 253;       // RFC 1035 §2.3.4, without the final dot

std::unexpected<Error> refuse(std::string_view text, std::string_view advice) {
  std::string detail = "\"";
  detail.append(text.substr(0, 200)).append("\" is not an address to listen on or to connect to: ").append(advice);
  return fail(ErrorCode::bad_config, std::move(detail));
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= k_host_max &&
         std::ranges::all_of(host, [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; });
}

bool is_v6(std::string_view host) {
  std::array<unsigned char, 16> bytes{};
  const std::string address(host.substr(0, host.find('%')));  // "fe80::1%eth0": the zone is the system's business
  return inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

Result<Address> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(k_unix.size());
  if (path.empty() || path.front() != '/') return refuse(text, "write the whole path: \"unix:/run/outrigger.sock\"");
  if (path.find('\0') != std::string_view::npos) return refuse(text, "the path holds a zero byte");
  if (path.size() > k_unix_path_max) return refuse(text, "a socket's path has at most 107 bytes");
  return Address{std::string(path), 0, true};
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with(k_unix)) return parse_unix(text);
  if (text.find("://") != std::string_view::npos) return refuse(text, "write host and port only: \"127.0.0.1:8080\"");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return refuse(text, parse_port(text) ? "write the port after a colon: \":8080\"" : "add the port: \"127.0.0.1:8080\"");
  }
  std::string_view host = text.substr(0, colon);
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!is_v6(host)) return refuse(text, "between the brackets stands no IPv6 address, such as \"[::1]:8080\"");
  } else if (host.empty()) {
    host = "0.0.0.0";
  } else if (host.find_first_of("[]:") != std::string_view::npos) {
    return refuse(text, "write an IPv6 address in brackets, and the port after them: \"[::1]:8080\"");
  } else if (!is_name(host)) {
    return refuse(text, "write a name or an IP address, then the port: \"127.0.0.1:8080\"");
  }
  if (!port) return refuse(text, "the port is a number from 0 to 65535");
  return Address{std::string(host), *port, false};
}

std::string to_string(const Address& address) {
  if (address.is_unix) return std::string(k_unix) + address.host;
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(const Address& address) {
  if (address.is_unix) return true;
  constexpr std::string_view k_localhost = "localhost";
  if (std::ranges::equal(address.host, k_localhost, [](char a, char b) { return (a | 0x20) == b; })) return true;
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, address.host.c_str(), bytes.data()) == 1) return bytes[0] == 127;
  if (inet_pton(AF_INET6, address.host.c_str(), bytes.data()) != 1) return false;
  constexpr std::array<unsigned char, 16> k_v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr std::array<unsigned char, 12> k_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (bytes == k_v6) return true;
  return std::equal(k_mapped.begin(), k_mapped.end(), bytes.begin()) && bytes[12] == 127;
}

}  // namespace outrigger::io
