// MemoryTier: the entries kept in this process, bounded by bytes. S3-FIFO (Yang et al., SOSP '23): three queues, no order
// changes on a hit. Owned by Store. Entries are filed under a hash of their identity, so that finding one needs no key.
//
//   put --new identity-----------> small (10 %) --oldest, hit more than once--> main (90 %) --oldest, not hit--> gone
//    |                               |                                          ^   |
//    |                               `--oldest, else--> ghost (hashes only)     |   `--oldest, hit: again to the front
//    `--identity that the ghost knows-------------------------------------------'
//
// Invariants, after every public call:
//   1. bytes() is the sum of the costs charged, and never above capacity().
//   2. The ghost queue knows at most as many hashes as there are entries; a ghost's bookkeeping is part of the entry's cost.
//   3. An identity has at most one node with an entry.
// An entry past its ttl and stale time is dropped when it is met: by find, or at the end of a queue.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cache/entry.h"
#include "cache/identity_hash.h"
#include "cache/key_index.h"

namespace outrigger::cache {

class MemoryTier {
 public:
  MemoryTier(std::size_t capacity, IdentityHash hash) : hash_(hash), capacity_(capacity), small_target_(capacity / 10) {}
  MemoryTier(const MemoryTier&) = delete;
  MemoryTier& operator=(const MemoryTier&) = delete;

  // Null: not there, or no longer usable. Counts as a hit for eviction.
  [[nodiscard]] EntryPtr find(std::string_view identity, WallTime now);
  // The same without counting, and whatever its age.
  [[nodiscard]] const Entry* peek(std::string_view identity) const;

  // Replaces what the identity had. An entry that costs more than the capacity is not kept, nor is what it replaces.
  void put(EntryPtr entry, WallTime now);
  // Charges `entry` what it costs now, if it is still the one that is kept.
  void recharge(const Entry& entry, WallTime now);

  bool erase(std::string_view identity);
  // Removes every entry for which `matches` is true; how many these were.
  std::size_t erase_if(const std::function<bool(const Entry&)>& matches);
  // Newest first within small, then within main, until `visit` returns false. `visit` must not change the tier.
  void visit(const std::function<bool(const Entry&)>& visit) const;

  [[nodiscard]] std::size_t entries() const { return of(Queue::small).count + of(Queue::main).count; }
  [[nodiscard]] std::size_t ghosts() const { return of(Queue::ghost).count; }
  [[nodiscard]] std::size_t bytes() const { return of(Queue::small).bytes + of(Queue::main).bytes; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  // Entries that had to go though they were still usable.
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }

 private:
  static constexpr std::uint32_t k_none = KeyIndex::k_none;
  static constexpr unsigned k_block_bits = 10;
  static constexpr std::uint8_t k_most_hits = 3;
  enum class Queue : unsigned char { small, main, ghost };
  struct Node {
    EntryPtr entry;           // null in the ghost queue
    std::uint64_t print = 0;  // the hash of the identity
    std::size_t charged = 0;
    std::uint32_t newer = k_none, older = k_none;
    std::uint8_t hits = 0;
    Queue queue = Queue::small;
  };
  struct List {
    std::uint32_t newest = k_none, oldest = k_none;
    std::size_t count = 0, bytes = 0;
  };

  [[nodiscard]] Node& node(std::uint32_t at) { return blocks_[at >> k_block_bits][at & ((1u << k_block_bits) - 1)]; }
  [[nodiscard]] const Node& node(std::uint32_t at) const {
    return blocks_[at >> k_block_bits][at & ((1u << k_block_bits) - 1)];
  }
  [[nodiscard]] List& of(Queue queue) { return lists_[static_cast<std::size_t>(queue)]; }
  [[nodiscard]] const List& of(Queue queue) const { return lists_[static_cast<std::size_t>(queue)]; }

  [[nodiscard]] std::uint32_t locate(std::string_view identity, std::uint64_t print) const;
  [[nodiscard]] std::uint32_t locate_ghost(std::uint64_t print) const;
  std::uint32_t new_node(std::uint64_t print);
  void drop(std::uint32_t at);
  void push(Queue queue, std::uint32_t at);
  void unlink(std::uint32_t at);
  void charge(std::uint32_t at, std::size_t cost);
  void make_room(std::size_t extra, WallTime now);
  void evict_from_small(WallTime now);
  void evict_from_main(WallTime now);
  void trim_ghosts();

  IdentityHash hash_;
  std::size_t capacity_, small_target_;
  std::array<List, 3> lists_;
  // Nodes never move: growing costs one block and no copying.
  std::vector<std::unique_ptr<Node[]>> blocks_;
  std::vector<std::uint32_t> free_;
  KeyIndex index_;
  std::uint64_t evictions_ = 0;
};

}  // namespace outrigger::cache
