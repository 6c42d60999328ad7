#include "proxy/dify_head.h"

#include <algorithm>
#include <array>

#include "io/net.h"

namespace outrigger::proxy {
namespace {

// Fields by which a proxy says for whom it asks. Dify takes the caller's address from CF-Connecting-IP and X-Forwarded-For.
constexpr std::array<std::string_view, 6> k_told_by_proxies{"forwarded",      "x-real-ip",   "cf-connecting-ip",
                                                            "true-client-ip", "x-client-ip", "x-original-forwarded-for"};
constexpr std::string_view k_forwarded = "x-forwarded-";
constexpr std::string_view k_own = "x-outrigger-";

bool begins_with(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && http::equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

bool is_told_by_proxies(std::string_view name) {
  return begins_with(name, k_forwarded) || std::ranges::any_of(k_told_by_proxies, [&](std::string_view known) {
           return http::equal_ignoring_case(name, known);
         });
}

// What stands behind the host of a Host field; else the scheme's.
std::string_view port_of(std::string_view host, bool tls) {
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos &&
                        colon + 1 < host.size() && host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  if (has_port) return host.substr(colon + 1);
  return tls ? "443" : "80";
}

}  // namespace

std::string_view address_of(std::string_view peer) {
  if (peer.starts_with('[')) {
    const std::size_t close = peer.find(']');
    return close == std::string_view::npos ? std::string_view() : peer.substr(1, close - 1);
  }
  const std::size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos || peer.find('/') != std::string_view::npos) return {};
  return peer.substr(0, colon);
}

bool is_trusted(const Comer& comer) {
  const std::string_view address = address_of(comer.peer);
  if (address.empty()) return true;  // a Unix socket
  static const std::array k_this_machine{*config::parse_network("127.0.0.0/8"), *config::parse_network("::1")};
  const auto is_held = [&](const config::Network& network) { return config::holds(network, address); };
  return std::ranges::any_of(k_this_machine, is_held) || std::ranges::any_of(comer.trusted, is_held);
}

http::RequestHead dify_head(const http::RequestHead& from, const Target& target, const Comer& comer) {
  const config::Upstream& upstream = *target.upstream;
  const bool trusted = is_trusted(comer);
  http::RequestHead head;
  head.method = from.method;
  head.target = upstream.url.path + from.target;
  head.headers.reserve(from.headers.size() + 6, from.headers.text_size() + 192);
  const std::string host(from.headers.get("host").value_or(target.host));
  head.headers.add("Host", host);
  const http::HopByHop is_hop_by_hop(from.headers);
  for (std::size_t i = 0; i < from.headers.size(); ++i) {
    const auto [name, value] = from.headers[i];
    const auto is = [name = name](std::string_view other) { return http::equal_ignoring_case(name, other); };
    if (name.find('_') != std::string_view::npos || is_hop_by_hop(name) || is("host") || is("content-length") ||
        is("expect") || begins_with(name, k_own))
      continue;
    if (is("x-forwarded-for") || (!trusted && is_told_by_proxies(name))) continue;
    head.headers.add(name, value);
  }
  std::string chain;
  if (trusted) chain = from.headers.joined("x-forwarded-for").value_or("");
  const std::string_view address = address_of(comer.peer);
  if (!chain.empty() && !address.empty()) chain += ", ";
  chain += address;
  if (!chain.empty()) head.headers.add("X-Forwarded-For", chain);
  const auto say = [&](std::string_view name, std::string_view value) {
    if (!head.headers.get(name) && !value.empty()) head.headers.add(name, value);
  };
  say("X-Forwarded-Proto", comer.tls ? "https" : "http");
  say("X-Forwarded-Host", host);
  say("X-Forwarded-Port", port_of(host, comer.tls));
  for (const auto& [name, value] : upstream.headers) head.headers.set(name, value.text);
  return head;
}

}  // namespace outrigger::proxy
