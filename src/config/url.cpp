#include "config/url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace outrigger::config {
namespace {

constexpr std::size_t k_max_url = 2048;  // longer ones are refused by servers and proxies alike
constexpr std::size_t k_max_host = 253;  // RFC 1035

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_name(std::string_view host) {
  if (host.empty() || host.size() > k_max_host || host.front() == '.' || host.front() == '-') return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

// A zero byte inside would end the text early for inet_pton.
bool is_terminable(std::string_view text) { return text.find('\0') == std::string_view::npos; }

// A name of digits and points only is meant as an IPv4 address.
bool is_host(std::string_view host) {
  if (is_ipv6(host)) return true;
  if (host.find_first_not_of("0123456789.") == std::string_view::npos) return is_ipv4(host);
  return is_name(host);
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t least) {
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || port < least)
    return std::nullopt;
  return port;
}

// "host", "host:port", "[v6]", "[v6]:port" → host without brackets, port text with has_port. nullopt: brackets that hold no IPv6.
struct HostAndPort {
  std::string_view host, port;
  bool has_port = false;
};
std::optional<HostAndPort> split_host(std::string_view text) {
  HostAndPort parts;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!is_ipv6(parts.host) || (!rest.empty() && rest.front() != ':')) return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    parts.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  parts.has_port = !rest.empty();
  if (parts.has_port) parts.port = rest.substr(1);
  return parts;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool parse_credentials(std::string_view text, Authority& authority, std::string& error) {
  const std::size_t colon = text.find(':');
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || !password) {
    error = "the user or password has a `%` that is not followed by two hex digits; write %25 for a `%`";
    return false;
  }
  authority.user = std::move(*user);
  authority.password = std::move(*password);
  return true;
}

bool is_loopback_host(std::string_view host) {
  return host == "localhost" || host == "::1" || (is_ipv4(host) && host.starts_with("127."));
}

std::optional<Url> fail(std::string& error, std::string message) {
  error = std::move(message);
  return std::nullopt;
}

std::string without_scheme(std::string_view text) {
  if (text.empty()) return R"(the URL is empty; write one such as "https://api.example.com/v1")";
  const bool may_be_secret = text.find('@') != std::string_view::npos || text.size() > 200;
  if (may_be_secret) return "the URL must begin with http:// or https://";
  return fmt::format(R"(the URL must begin with http:// or https://; write "https://{}")", text);
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

bool is_ipv4(std::string_view text) {
  in_addr address{};
  return is_terminable(text) && inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view text) {
  in6_addr address{};
  return is_terminable(text) && inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

std::string host_port(std::string_view host, std::uint16_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::optional<Authority> parse_authority(std::string_view text, std::string& error, std::string_view after) {
  constexpr std::string_view k_no_host =
      "the URL has no host; a `/`, `?`, `#` or `@` inside a password is written %2F, %3F, %23 or %40";
  Authority authority;
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    if (!parse_credentials(text.substr(0, at), authority, error)) return std::nullopt;
    text.remove_prefix(at + 1);
  }
  const auto parts = split_host(text);
  // A `/`, `?` or `#` in a password makes the first half of it look like a host or a port.
  const bool may_be_secret = text.starts_with(':') || text.find_first_not_of("0123456789") == std::string_view::npos ||
                             after.find('@') != std::string_view::npos;
  if (!parts || !is_host(lower(parts->host))) {
    error = may_be_secret
                ? std::string(k_no_host)
                : fmt::format("`{}` is not a host name; letters, digits, `.` and `-` can be used, IPv6 stands in brackets",
                              text);
    return std::nullopt;
  }
  authority.host = lower(parts->host);
  if (parts->has_port) {
    authority.port = parse_port(parts->port, 1);
    if (!authority.port) {
      error = may_be_secret ? std::string(k_no_host)
                            : fmt::format("the port of `{}` must be a number from 1 to 65535", authority.host);
      return std::nullopt;
    }
  }
  return authority;
}

std::optional<Url> parse_url(std::string_view text, std::string& error) {
  if (text.size() > k_max_url) return fail(error, fmt::format("the URL is longer than {} characters", k_max_url));
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; })) {
    return fail(error,
                "the URL has a blank or a character that is not ASCII in it; write those as %XX (in a host name: xn--…)");
  }
  const std::string scheme = lower(text.substr(0, text.find("://")));
  if (text.find("://") == std::string_view::npos) return fail(error, without_scheme(text));
  if (scheme != "http" && scheme != "https") return fail(error, "the URL must begin with http:// or https://");
  text.remove_prefix(scheme.size() + 3);

  const std::size_t end = text.find_first_of("/?#");
  const std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end);
  auto authority = parse_authority(text.substr(0, end), error, rest);
  if (!authority) return std::nullopt;
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return fail(error, "the URL must end before the `?` or `#`; parameters come with each request");
  }
  Url url;
  url.tls = scheme == "https";
  url.host = std::move(authority->host);
  url.port = authority->port.value_or(url.tls ? 443 : 80);
  url.user = std::move(authority->user);
  url.password = std::move(authority->password);
  url.path = rest;
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

std::string Url::authority() const {
  if (port != (tls ? 443 : 80)) return host_port(host, port);
  return host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
}

std::optional<Door> parse_door(std::string_view text, std::string& error) {
  Door door;
  if (text.starts_with("unix:")) {
    door = {std::string(text.substr(5)), 0, true, true};
    // sockaddr_un has room for 107 bytes and a zero.
    if (door.host.starts_with('/') && door.host.size() <= 107) return door;
    error = R"(a Unix socket is written with its absolute path of at most 107 bytes, such as "unix:/run/outrigger.sock")";
    return std::nullopt;
  }
  const auto parts = split_host(text);
  if (text.find("://") != std::string_view::npos || !parts) {
    error = R"(write an address and a port, such as "0.0.0.0:8080" or "[::]:8080")";
    return std::nullopt;
  }
  const bool only_port = !parts->has_port && parse_port(parts->host, 0);
  if (only_port || !parts->has_port) {
    error = only_port ? fmt::format(R"(the port needs an address in front; write "0.0.0.0:{}")", parts->host)
                      : fmt::format(R"(the address needs a port; write "{}:8080")", text);
    return std::nullopt;
  }
  const auto port = parse_port(parts->port, 0);
  door.host = parts->host.empty() ? "0.0.0.0" : lower(parts->host);
  if (!port || !is_host(door.host)) {
    error = port ? fmt::format(R"(`{}` is not an address; write "0.0.0.0:{}" for every interface)", parts->host, *port)
                 : R"(the port must be a number from 0 to 65535, such as "0.0.0.0:8080")";
    return std::nullopt;
  }
  door.port = *port;
  door.loopback = is_loopback_host(door.host);
  return door;
}

std::string cut_endpoint(std::string& path) {
  // The longer ones first: "completions" ends both.
  static constexpr std::array<std::string_view, 9> k_endpoints{"/chat/completions",
                                                               "/messages/count_tokens",
                                                               "/completions",
                                                               "/responses",
                                                               "/embeddings",
                                                               "/rerank",
                                                               "/messages",
                                                               "/models",
                                                               "/chat"};
  for (const std::string_view endpoint : k_endpoints) {
    if (!path.ends_with(endpoint)) continue;
    path.resize(path.size() - endpoint.size());
    while (path.ends_with('/')) path.pop_back();
    return std::string(endpoint);
  }
  return {};
}

}  // namespace outrigger::config
