#include "http/upgrade.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "core/base64.h"
#include "core/check.h"

namespace outrigger::http {
namespace {

bool has_upgrade(const Headers& headers, std::string_view protocol) {
  return headers.has_token("connection", "upgrade") && headers.has_token("upgrade", protocol);
}

// Base64 of 16 bytes: two of its 24 characters are padding.
bool is_web_socket_key(std::string_view text) {
  const auto is_digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return text.size() == 24 && text.ends_with("==") && std::ranges::all_of(text.substr(0, 22), is_digit);
}

}  // namespace

bool asks_upgrade(const RequestHead& request, std::string_view protocol) {
  return request.method == "GET" && request.minor_version == 1 && !request.has_body() &&
         has_upgrade(request.headers, protocol);
}

bool agrees_to_upgrade(const ResponseHead& answer, std::string_view protocol) {
  return answer.status == 101 && answer.minor_version == 1 && has_upgrade(answer.headers, protocol);
}

// A field that comes twice is joined, and then it is neither a version nor a key.
bool asks_web_socket(const RequestHead& request) {
  return asks_upgrade(request, k_web_socket) && request.headers.joined("sec-websocket-version") == "13" &&
         is_web_socket_key(request.headers.joined("sec-websocket-key").value_or(""));
}

std::string web_socket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 §1.3
  std::array<unsigned char, 20> digest{};
  OR_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool agrees_to_web_socket(const RequestHead& request, const ResponseHead& answer) {
  const auto key = request.headers.get("sec-websocket-key");
  return key && agrees_to_upgrade(answer, k_web_socket) &&
         answer.headers.joined("sec-websocket-accept") == web_socket_accept(*key);
}

}  // namespace outrigger::http
