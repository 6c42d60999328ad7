// What lies in a cache, as bytes that say what they are: a magic word with a version, a checksum over everything after it, and
// numbers and texts in a row. Numbers are varints (LEB128), texts have their length before them. Reading is total.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"

namespace outrigger::providers {

Bytes seal(std::string_view magic, std::string_view contents);
// The contents; nothing when the magic is another or the checksum does not fit.
std::optional<std::string_view> unseal(std::string_view magic, std::string_view sealed);

void put(std::string& to, std::uint64_t number);
void put(std::string& to, std::string_view text);

// Takes values off the front; after the first that cannot be, `ok` is false and everything else reads as empty.
struct Taker {
  std::string_view& rest;
  bool ok = true;

  std::uint64_t number(std::uint64_t limit);
  std::string_view text();
  std::uint64_t fail() {
    ok = false;
    return 0;
  }
};

}  // namespace outrigger::providers
