// Codec: an entry as it lies in Redis. The only place that knows zstd.
//
//   "OR" 'e' version | u32 size of head | head | zstd frame of: u32 size of identity | identity | payload
//   head: i64 stored_at ms | i64 ttl ms | i64 stale ms | u64 prompt tokens | u64 completion tokens | u8 endpoint |
//         text model | text served_by | text route | u16 tags | text tag ... | u64 FNV-1a of the head before it
//   text: u16 size | bytes. Integers are little-endian.
//
// The head is not compressed and lies within the first k_head_max bytes, so that a purge can judge an entry by a GETRANGE.
// What is read may have been written by anybody: reading is total, believes no length, and allocates no more than k_raw_max.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cache/entry.h"

namespace outrigger::cache {

// Magic, size and head together. An entry whose names are longer is not written.
inline constexpr std::size_t k_head_max = 2048;
// Identity and payload before compression. Larger entries are not written: they would stall Redis and this loop.
inline constexpr std::size_t k_raw_max = 8u << 20;

// Holds zstd's working memory. Not for two threads at once.
class Codec {
 public:
  Codec();
  ~Codec();
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  // Nothing: the entry is too large, or its names are.
  [[nodiscard]] std::optional<std::string> encode(const Entry& entry);

  enum class Refusal : unsigned char { rubbish, other_identity };
  // What `bytes` hold for `key`, if it is for `identity`. The entry keeps `identity`.
  [[nodiscard]] std::expected<EntryPtr, Refusal> decode(std::string_view bytes, const chat::Key& key, std::string identity);

 private:
  struct Contexts;
  [[nodiscard]] std::optional<std::string_view> unpack(std::string_view frame);

  std::unique_ptr<Contexts> contexts_;
  std::unique_ptr<char[]> scratch_;
  std::size_t scratch_size_ = 0;
};

// The head of what encode() made, from its first k_head_max bytes or more. Nothing: rubbish.
[[nodiscard]] std::optional<Meta> read_head(std::string_view bytes);

}  // namespace outrigger::cache
