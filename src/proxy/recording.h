// Recording: what one source has sent so far, for many readers who each stand somewhere in it.
//
//   dropped │ chunks held (shared, immutable)            │ end
//           ▲ begin()        ▲ a reader's position        ▲ end()
//
// Invariants: begin() <= every reader's position <= end(); chunks are never changed; only trim() forgets.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bytes.h"

namespace outrigger::proxy {

class Recording {
 public:
  void append(const Bytes& chunk);
  // Offsets count from the first byte ever appended.
  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return begin_ + held_; }
  [[nodiscard]] std::size_t held() const { return held_; }

  // The bytes [from, to), from >= begin(), to <= end(): shared when they lie in one chunk, copied into one piece otherwise.
  [[nodiscard]] Bytes piece(std::uint64_t from, std::uint64_t to) const;
  // The end of the chunk that holds `from` < end(), but at most `to`: reading by it keeps the pieces as they came.
  [[nodiscard]] std::uint64_t piece_end(std::uint64_t from, std::uint64_t to) const;
  // Forgets whole chunks before `offset`.
  void trim(std::uint64_t offset);
  void clear();

 private:
  // Index of the chunk that holds `offset`.
  [[nodiscard]] std::size_t chunk_at(std::uint64_t offset) const;

  struct Chunk {
    std::uint64_t start;
    Bytes bytes;
  };
  // A vector, because most recordings are one or two chunks long and begin empty for every request.
  std::vector<Chunk> chunks_;
  std::size_t first_ = 0;  // chunks before it are forgotten
  std::uint64_t begin_ = 0;
  std::size_t held_ = 0;
};

}  // namespace outrigger::proxy
