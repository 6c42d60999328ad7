// The uncompressed head of an entry in Redis: codec.h draws it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/entry.h"

namespace outrigger::cache {

// Appends magic, size and head. False: too long for k_head_max; `out` is then as it was.
[[nodiscard]] bool append_head(std::string& out, const Meta& meta);

struct Head {
  Meta meta;
  std::size_t size;  // where the zstd frame begins
};
[[nodiscard]] std::optional<Head> parse_head(std::string_view bytes);

// Little-endian integers, as both parts of the format use them.
void append_u32(std::string& out, std::uint32_t value);
[[nodiscard]] std::uint32_t read_u32(const char* from);

}  // namespace outrigger::cache
