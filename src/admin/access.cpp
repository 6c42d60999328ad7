#include "admin/access.h"

#include <openssl/crypto.h>

#include <optional>

#include "io/net.h"
#include "proxy/snapshot.h"

namespace outrigger::admin {
namespace {

// A name that only this machine answers to: a page of another site cannot make a browser send it (DNS rebinding).
bool is_local_host(std::string_view host) {
  if (host.empty()) return true;  // HTTP/1.0
  const std::size_t colon = host.starts_with('[') ? host.find("]:") : host.rfind(':');
  std::string name(host.substr(0, colon == std::string_view::npos ? host.size() : colon));
  std::erase(name, '[');
  std::erase(name, ']');
  return io::is_loopback({.host = name, .port = 0, .is_unix = false});
}

// Browsers say in Origin, and new ones in Sec-Fetch-Site as well, whose page makes a request. A link that leads here from elsewhere
// is no such request: it may show our page, and do nothing.
bool is_foreign(const http::RequestHead& request) {
  if (const auto origin = request.headers.get("origin")) {
    const std::size_t scheme = origin->find("://");
    const std::string_view authority = scheme == std::string_view::npos ? *origin : origin->substr(scheme + 3);
    if (authority != request.headers.get("host").value_or("")) return true;
  }
  const bool changes = request.method != "GET" && request.method != "HEAD";
  const std::string_view site = request.headers.get("sec-fetch-site").value_or("none");
  return changes && site != "none" && site != "same-origin";
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> base64_decoded(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string decoded;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    decoded += static_cast<char>(bits >> count & 0xff);
  }
  if (count >= 6) return std::nullopt;  // a single digit at the end says nothing
  return decoded;
}

std::string presented_token(const http::Headers& headers) {
  if (const auto own = headers.get("x-outrigger-admin-token")) return std::string(*own);
  constexpr std::string_view k_basic = "basic ";
  const std::string_view authorization = headers.get("authorization").value_or("");
  if (!http::equal_ignoring_case(authorization.substr(0, k_basic.size()), k_basic)) {
    return std::string(proxy::presented_key(headers));
  }
  const auto pair = base64_decoded(authorization.substr(k_basic.size()));
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  return colon == std::string::npos ? std::string() : pair->substr(colon + 1);
}

Entry may_enter(const Access& access, const http::RequestHead& request) {
  if (is_foreign(request)) return Entry::foreign;
  if (access.is_open) return is_local_host(request.headers.get("host").value_or("")) ? Entry::granted : Entry::foreign;
  if (access.token.empty()) return Entry::unproven;
  const std::string presented = presented_token(request.headers);
  const bool is_right =
      presented.size() == access.token.size() && CRYPTO_memcmp(presented.data(), access.token.data(), presented.size()) == 0;
  return is_right ? Entry::granted : Entry::unproven;
}

}  // namespace outrigger::admin
