// An identity is "oi", a version, and fields of a tag, a size of four bytes (the lowest first) and the content:
//   S scope  L level  E epoch  U upstream  Q query  C credential's fingerprint  A app  P person (user)  F canonical form
// C, A and P are there only in the scopes that use them; F comes last.
#include "chat/key.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <unordered_map>

#include "chat/sha256.h"

namespace outrigger::chat {
namespace {

constexpr std::string_view k_identity_head = "oi\x01";
constexpr std::size_t k_field_head = 5;
constexpr std::size_t k_fingerprints = 512;  // callers; a Dify instance has a handful
constexpr std::string_view k_hex = "0123456789abcdef";
// Keeps fingerprints apart from keys: an identity begins with k_identity_head.
constexpr std::string_view k_fingerprint_head = "of\x01";

void put_field(std::string& out, char tag, std::string_view content) {
  const std::size_t begin = out.size();
  const std::size_t size = content.size();
  const std::size_t end = begin + k_field_head + size;
  out.resize_and_overwrite(end, [&](char* data, std::size_t /*room*/) {  // see FormWriter::name
    char* to = data + begin;
    *to++ = tag;
    for (unsigned shift = 0; shift < 32; shift += 8) *to++ = static_cast<char>(size >> shift & 0xff);
    std::copy_n(content.data(), size, to);
    return end;
  });
}

std::string_view view(const Key& key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct ViewHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

}  // namespace

std::string hex(const Key& key) {
  std::string text;
  text.reserve(2 * key.size());
  for (const unsigned char byte : key) {
    text.push_back(k_hex[byte >> 4]);
    text.push_back(k_hex[byte & 0xf]);
  }
  return text;
}

std::optional<Key> key_from_hex(std::string_view text) {
  Key key;
  if (text.size() != 2 * key.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return key;
}

struct KeyMaker::Impl {
  explicit Impl(std::string_view secret) : hmac(secret) {}
  ~Impl() { forget(); }

  void forget() {
    // The map's keys are credentials; node extraction is the way to a string of it that may be written to.
    while (!fingerprints.empty()) {
      auto node = fingerprints.extract(fingerprints.begin());
      OPENSSL_cleanse(node.key().data(), node.key().size());
    }
  }

  HmacSha256 hmac;
  std::unordered_map<std::string, Key, ViewHash, std::equal_to<>> fingerprints;
};

KeyMaker::KeyMaker(std::string_view secret) : impl_(std::make_unique<Impl>(secret)) {}
KeyMaker::~KeyMaker() = default;

std::string KeyMaker::identity(const Identity& parts, std::string room) const {
  std::string out = std::move(room);
  out.clear();
  out.reserve(k_identity_head.size() + 9 * k_field_head + sizeof(Key) + 32 + parts.epoch.size() + parts.upstream.size() +
              parts.query.size() + parts.app.size() + parts.user.size() + parts.canonical.size());
  out.append(k_identity_head);
  put_field(out, 'S', name(parts.scope));
  put_field(out, 'L', name(parts.level));
  put_field(out, 'E', parts.epoch);
  put_field(out, 'U', parts.upstream);
  put_field(out, 'Q', parts.query);
  if (parts.scope != Scope::global) put_field(out, 'C', view(fingerprint(parts.credential)));
  if (parts.scope == Scope::app || parts.scope == Scope::user) put_field(out, 'A', parts.app);
  if (parts.scope == Scope::user) put_field(out, 'P', parts.user);
  put_field(out, 'F', parts.canonical);
  return out;
}

Key KeyMaker::key(std::string_view identity) const { return impl_->hmac(identity); }

Key KeyMaker::fingerprint(std::string_view credential) const {
  auto& known = impl_->fingerprints;
  if (const auto found = known.find(credential); found != known.end()) return found->second;
  std::string message(k_fingerprint_head);
  message += credential;
  const Key print = impl_->hmac(message);
  OPENSSL_cleanse(message.data(), message.size());
  if (known.size() >= k_fingerprints) impl_->forget();
  known.emplace(credential, print);
  return print;
}

std::string_view canonical_of_identity(std::string_view identity) {
  if (!identity.starts_with(k_identity_head)) return {};
  identity.remove_prefix(k_identity_head.size());
  while (identity.size() >= k_field_head) {
    std::size_t size = 0;
    for (std::size_t i = 1; i < k_field_head; ++i) {
      size |= static_cast<std::size_t>(static_cast<unsigned char>(identity[i])) << (8 * (i - 1));
    }
    const char tag = identity.front();
    identity.remove_prefix(k_field_head);
    if (size > identity.size()) return {};
    if (tag == 'F') return size == identity.size() ? identity : std::string_view{};
    identity.remove_prefix(size);
  }
  return {};
}

}  // namespace outrigger::chat
