#include "config/proxy_env.h"

#include <fmt/format.h>

#include <initializer_list>

#include "config/network.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

// The first of them that is set to something: an empty variable is how people switch one off.
std::optional<ProxyVariable> first_set(const Environment& environment, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return ProxyVariable{std::string(name), found->second};
  }
  return std::nullopt;
}

// Takes ":8080" off "host:8080" and "[::1]:8080", and the brackets. False: it is for another port.
bool port_matches(std::string_view& token, std::uint16_t port) {
  std::string_view wanted;
  if (token.starts_with('[')) {
    const std::size_t close = token.find(']');
    if (close == std::string_view::npos) return false;
    wanted = token.substr(close + 1);
    token = token.substr(1, close - 1);
  } else if (const std::size_t colon = token.find(':'); colon != std::string_view::npos && token.rfind(':') == colon) {
    wanted = token.substr(colon);
    token = token.substr(0, colon);
  }
  return wanted.empty() || wanted == fmt::format(":{}", port);
}

bool name_matches(std::string_view token, std::string_view host) {
  if (token.starts_with("*.")) token.remove_prefix(1);
  if (token.starts_with('.')) token.remove_prefix(1);
  if (token.empty() || !host.ends_with(token)) return false;
  return host.size() == token.size() || host[host.size() - token.size() - 1] == '.';
}

bool token_matches(std::string_view token, std::string_view host, std::uint16_t port) {
  if (token == "*") return true;
  if (!port_matches(token, port)) return false;
  if (is_ipv4(host) || is_ipv6(host)) {
    const auto block = parse_network(token);
    return block && holds(*block, host);
  }
  return name_matches(token, host);
}

}  // namespace

bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port) {
  std::string list(no_proxy);
  for (char& c : list) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == ' ' || c == '\t') c = ',';
  }
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view token = rest.substr(0, comma);
    if (!token.empty() && token_matches(token, host, port)) return true;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return false;
}

std::optional<ProxyVariable> proxy_from_environment(const Url& target, const Environment& environment) {
  // No proxy can reach this machine's own loopback.
  if (bypasses_proxy("localhost, 127.0.0.0/8, ::1", target.host, target.port)) return std::nullopt;
  const auto exceptions = first_set(environment, {"NO_PROXY", "no_proxy"});
  if (exceptions && bypasses_proxy(exceptions->value, target.host, target.port)) return std::nullopt;
  if (target.tls) return first_set(environment, {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"});
  return first_set(environment, {"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"});
}

std::optional<Url> parse_proxy(std::string_view text, std::string& error) {
  const bool has_scheme = text.find("://") != std::string_view::npos;
  auto url = parse_url(has_scheme ? std::string(text) : fmt::format("http://{}", text), error);
  if (!url) {
    const bool other_scheme = has_scheme && !text.starts_with("http://") && !text.starts_with("https://");
    if (other_scheme) error = R"(only HTTP proxies are supported; write "http://host:port")";
    return std::nullopt;
  }
  if (url->tls || !url->path.empty()) {
    error = url->tls ? R"(the way to the proxy itself must be plain HTTP; write "http://host:port")"
                     : R"(a proxy has no path; write "http://host:port")";
    return std::nullopt;
  }
  return url;
}

}  // namespace outrigger::config
