// The parts that URLs of all kinds share, and the addresses that doors listen on. config.h has parse_url, the one for http(s).
//
// No message of this file quotes what stands before an `@`, or where a password would: after a `:` that has no host in front.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace outrigger::config {

// [user[:password]@]host[:port], percent-decoded, the host in lower case and without brackets. `after`: what follows it in the URL,
// for the words of an error alone.
struct Authority {
  std::string user, password, host;
  std::optional<std::uint16_t> port;
};
std::optional<Authority> parse_authority(std::string_view text, std::string& error, std::string_view after = {});

// "%41" → "A". nullopt: a `%` without two hex digits behind it.
std::optional<std::string> percent_decode(std::string_view text);

bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);  // without brackets

// Host and port as people write them: IPv6 in brackets.
std::string host_port(std::string_view host, std::uint16_t port);

// What a door listens on: "0.0.0.0:8080", ":8080", "[::]:8080", "unix:/run/x.sock". The same forms as io::parse_address,
// checked here so that `outrigger check` can name the line.
struct Door {
  std::string host;  // of ":8080": "0.0.0.0"; of a Unix socket: its path
  std::uint16_t port = 0;
  bool loopback = false;  // only this machine can come in
  bool is_unix = false;
};
std::optional<Door> parse_door(std::string_view text, std::string& error);

// Takes the endpoint off a path that was pasted in full ("/v1/chat/completions" → "/v1") and returns it, or "" if there is none.
std::string cut_endpoint(std::string& path);

}  // namespace outrigger::config
