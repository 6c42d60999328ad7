// Which outgoing proxy the environment asks for: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as curl and Go read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace outrigger::config {

struct ProxyVariable {
  std::string name;   // for messages: "HTTPS_PROXY"
  std::string value;  // may hold a password
};
// nullopt: go there directly.
std::optional<ProxyVariable> proxy_from_environment(const Url& target, const Environment& environment);

// `no_proxy`: host names (the name itself and everything below it; a leading "." or "*." changes nothing), addresses, CIDR
// blocks, each with an optional ":port", or "*"; separated by commas or blanks. `host` is in lower case and without brackets.
bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port);

// An http:// proxy that CONNECT is sent to; "proxy:3128" without a scheme is taken as one.
std::optional<Url> parse_proxy(std::string_view text, std::string& error);

}  // namespace outrigger::config
