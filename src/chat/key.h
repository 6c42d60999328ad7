// Cache keys: HMAC-SHA-256 over who may share, where the answer comes from, and the canonical request.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/policy.h"

namespace outrigger::chat {

using Key = std::array<unsigned char, 32>;
std::string hex(const Key& key);
std::optional<Key> key_from_hex(std::string_view text);

struct Identity {
  Scope scope = Scope::credential;
  Level level = Level::safe;
  std::string_view epoch;       // cache.epoch
  std::string_view upstream;    // name and URL of the upstream
  std::string_view query;       // of the request target: providers put api-version and the like there
  std::string_view credential;  // as the client sent it (Authorization, api-key, organisation, project); never kept in clear
  std::string_view app;
  std::string_view user;
  std::string_view canonical;  // chat::Request::canonical
};

// Holds the deployment's secret. Not copyable; replaced as a whole when the secret changes.
class KeyMaker {
 public:
  explicit KeyMaker(std::string_view secret);
  ~KeyMaker();
  KeyMaker(const KeyMaker&) = delete;
  KeyMaker& operator=(const KeyMaker&) = delete;

  // The bytes that are hashed: versioned, typed, length-prefixed, only the fields that the scope uses, credentials as their
  // fingerprint. Stored with the answer and compared on a hit. The memory of `room` is used for it.
  [[nodiscard]] std::string identity(const Identity& parts, std::string room = {}) const;
  [[nodiscard]] Key key(std::string_view identity) const;
  // HMAC of a credential, to tell callers apart without keeping what they know. Remembered for a few hundred credentials.
  [[nodiscard]] Key fingerprint(std::string_view credential) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The canonical part inside what KeyMaker::identity made (for "what differs"); empty if it is not one.
std::string_view canonical_of_identity(std::string_view identity);

}  // namespace outrigger::chat
