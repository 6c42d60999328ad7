// KeyIndex: from 32 bits of a hash to the numbers of the nodes that are filed under it. Open addressing, linear probing,
// deletion by shifting back (no tombstones). Owned by MemoryTier.
//
// Invariants:
//   1. A node filed under `tag` lies at or after place(tag), with no free slot between.
//   2. At most 70 % of the slots are taken, so a probe for what is not there ends soon.
// The hash is keyed: nobody outside can choose what is filed so that it piles up in one place.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/check.h"

namespace outrigger::cache {

class KeyIndex {
 public:
  static constexpr std::uint32_t k_none = UINT32_MAX;

  KeyIndex() : slots_(k_least) {}

  // The first node under `tag` for which `matches(node)` is true; k_none if there is none.
  template <class Matches>
  [[nodiscard]] std::uint32_t find(std::uint32_t tag, Matches&& matches) const {
    for (std::size_t at = place(tag); slots_[at].node != k_none; at = next(at)) {
      if (slots_[at].tag == tag && matches(slots_[at].node)) return slots_[at].node;
    }
    return k_none;
  }

  void insert(std::uint32_t tag, std::uint32_t node) {
    if ((taken_ + 1) * 10 > slots_.size() * 7) grow();
    file({tag, node});
    ++taken_;
  }

  // The pair must be there.
  void erase(std::uint32_t tag, std::uint32_t node) {
    std::size_t hole = place(tag);
    while (slots_[hole].node != node) {
      OR_CHECK(slots_[hole].node != k_none);
      hole = next(hole);
    }
    for (std::size_t at = next(hole); slots_[at].node != k_none; at = next(at)) {
      // A slot may move back into the hole unless that would put it before its own place.
      const std::size_t from_home = (at - place(slots_[at].tag)) & (slots_.size() - 1);
      const std::size_t from_hole = (at - hole) & (slots_.size() - 1);
      if (from_home < from_hole) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = Slot{};
    --taken_;
  }

  [[nodiscard]] std::size_t size() const { return taken_; }

 private:
  static constexpr std::size_t k_least = 64;
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t node = k_none;  // k_none: free
  };

  [[nodiscard]] std::size_t place(std::uint32_t tag) const { return tag & (slots_.size() - 1); }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  void file(Slot slot) {
    std::size_t at = place(slot.tag);
    while (slots_[at].node != k_none) at = next(at);
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : old) {
      if (slot.node != k_none) file(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two
  std::size_t taken_ = 0;
};

}  // namespace outrigger::cache
