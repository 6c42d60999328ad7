#include "proxy/recording.h"

#include <algorithm>

namespace outrigger::proxy {

void Recording::append(const Bytes& chunk) {
  if (chunk.empty()) return;
  chunks_.push_back({end(), chunk});
  held_ += chunk.size();
}

std::size_t Recording::chunk_at(std::uint64_t offset) const {
  // Readers mostly stand at the end: look there before searching.
  if (first_ < chunks_.size() && offset >= chunks_.back().start) return chunks_.size() - 1;
  const auto held = chunks_.begin() + static_cast<std::ptrdiff_t>(first_);
  const auto after = std::upper_bound(held, chunks_.end(), offset,
                                      [](std::uint64_t value, const Chunk& chunk) { return value < chunk.start; });
  return static_cast<std::size_t>(after - chunks_.begin()) - 1;
}

Bytes Recording::piece(std::uint64_t from, std::uint64_t to) const {
  OR_CHECK(begin_ <= from && from <= to && to <= end());
  if (from == to) return {};
  std::size_t i = chunk_at(from);
  const std::size_t skip = from - chunks_[i].start;
  const std::size_t wanted = to - from;
  if (wanted <= chunks_[i].bytes.size() - skip) return chunks_[i].bytes.slice(skip, wanted);
  return Bytes::make(wanted, [&](char* out) {
    std::size_t left = wanted;
    std::size_t offset = skip;
    while (left > 0) {
      const Bytes& bytes = chunks_[i++].bytes;
      const std::size_t take = std::min(left, bytes.size() - offset);
      std::memcpy(out, bytes.data() + offset, take);
      out += take;
      left -= take;
      offset = 0;
    }
  });
}

std::uint64_t Recording::piece_end(std::uint64_t from, std::uint64_t to) const {
  const Chunk& chunk = chunks_[chunk_at(from)];
  return std::min(to, chunk.start + chunk.bytes.size());
}

void Recording::trim(std::uint64_t offset) {
  while (first_ < chunks_.size() && chunks_[first_].start + chunks_[first_].bytes.size() <= offset) {
    begin_ += chunks_[first_].bytes.size();
    held_ -= chunks_[first_].bytes.size();
    chunks_[first_++].bytes = {};
  }
  // Forgotten chunks are moved out by the time when they are the greater part, so each one is moved at most once.
  constexpr std::size_t k_worth_moving = 16;
  if (first_ == chunks_.size() || (first_ >= k_worth_moving && 2 * first_ > chunks_.size())) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void Recording::clear() { trim(end()); }

}  // namespace outrigger::proxy
