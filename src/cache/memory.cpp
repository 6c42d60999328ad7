#include "cache/memory.h"

namespace outrigger::cache {
namespace {

std::uint32_t tag_of(std::uint64_t print) { return static_cast<std::uint32_t>(print ^ (print >> 32)); }

}  // namespace

EntryPtr MemoryTier::find(std::string_view identity, WallTime now) {
  const std::uint32_t at = locate(identity, hash_(identity));
  if (at == k_none) return {};
  Node& n = node(at);
  if (!n.entry->usable_if_error(now)) {
    drop(at);
    trim_ghosts();
    return {};
  }
  if (n.hits < k_most_hits) ++n.hits;
  return n.entry;
}

const Entry* MemoryTier::peek(std::string_view identity) const {
  const std::uint32_t at = locate(identity, hash_(identity));
  return at == k_none ? nullptr : node(at).entry.get();
}

void MemoryTier::put(EntryPtr entry, WallTime now) {
  const std::size_t cost = entry->cost();
  const std::uint64_t print = hash_(entry->identity());
  if (const std::uint32_t at = locate(entry->identity(), print); at != k_none) {
    // Keeps its place: what is put again was asked for, and find() has counted that.
    node(at).entry = std::move(entry);
    charge(at, cost);
    if (cost > capacity_) drop(at);
    make_room(0, now);
  } else if (cost <= capacity_) {
    const std::uint32_t ghost = locate_ghost(print);
    if (ghost != k_none) drop(ghost);
    make_room(cost, now);
    const std::uint32_t fresh = new_node(print);
    node(fresh).entry = std::move(entry);
    node(fresh).charged = cost;
    push(ghost != k_none ? Queue::main : Queue::small, fresh);
  }
  trim_ghosts();
}

void MemoryTier::recharge(const Entry& entry, WallTime now) {
  const std::uint32_t at = locate(entry.identity(), hash_(entry.identity()));
  if (at == k_none || node(at).entry.get() != &entry) return;
  charge(at, entry.cost());
  if (node(at).charged > capacity_) drop(at);
  make_room(0, now);
  trim_ghosts();
}

bool MemoryTier::erase(std::string_view identity) {
  const std::uint32_t at = locate(identity, hash_(identity));
  if (at == k_none) return false;
  drop(at);
  trim_ghosts();
  return true;
}

std::size_t MemoryTier::erase_if(const std::function<bool(const Entry&)>& matches) {
  std::size_t erased = 0;
  for (const Queue queue : {Queue::small, Queue::main}) {
    for (std::uint32_t at = of(queue).newest; at != k_none;) {
      const std::uint32_t older = node(at).older;
      if (matches(*node(at).entry)) {
        drop(at);
        ++erased;
      }
      at = older;
    }
  }
  trim_ghosts();
  return erased;
}

void MemoryTier::visit(const std::function<bool(const Entry&)>& visit) const {
  for (const Queue queue : {Queue::small, Queue::main}) {
    for (std::uint32_t at = of(queue).newest; at != k_none; at = node(at).older) {
      if (!visit(*node(at).entry)) return;
    }
  }
}

std::uint32_t MemoryTier::locate(std::string_view identity, std::uint64_t print) const {
  return index_.find(tag_of(print), [&](std::uint32_t at) {
    const Node& n = node(at);
    return n.print == print && n.entry != nullptr && n.entry->identity() == identity;
  });
}

std::uint32_t MemoryTier::locate_ghost(std::uint64_t print) const {
  return index_.find(tag_of(print), [&](std::uint32_t at) { return node(at).print == print && node(at).entry == nullptr; });
}

std::uint32_t MemoryTier::new_node(std::uint64_t print) {
  static_assert(2 * (sizeof(Node) + 3 * sizeof(std::uint64_t)) <= Entry::k_bookkeeping);
  if (free_.empty()) {
    constexpr std::uint32_t size = 1u << k_block_bits;
    const auto first = static_cast<std::uint32_t>(blocks_.size()) << k_block_bits;
    blocks_.push_back(std::make_unique<Node[]>(size));
    for (std::uint32_t i = size; i > 0; --i) free_.push_back(first + i - 1);
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  node(at).print = print;
  index_.insert(tag_of(print), at);
  return at;
}

void MemoryTier::drop(std::uint32_t at) {
  unlink(at);
  index_.erase(tag_of(node(at).print), at);
  node(at) = Node{};
  free_.push_back(at);
}

void MemoryTier::push(Queue queue, std::uint32_t at) {
  List& list = of(queue);
  Node& n = node(at);
  n.queue = queue;
  n.hits = 0;
  n.newer = k_none;
  n.older = list.newest;
  (list.newest == k_none ? list.oldest : node(list.newest).newer) = at;
  list.newest = at;
  ++list.count;
  list.bytes += n.charged;
}

void MemoryTier::unlink(std::uint32_t at) {
  const Node& n = node(at);
  List& list = of(n.queue);
  (n.newer == k_none ? list.newest : node(n.newer).older) = n.older;
  (n.older == k_none ? list.oldest : node(n.older).newer) = n.newer;
  --list.count;
  list.bytes -= n.charged;
}

void MemoryTier::charge(std::uint32_t at, std::size_t cost) {
  List& list = of(node(at).queue);
  list.bytes = list.bytes - node(at).charged + cost;
  node(at).charged = cost;
}

void MemoryTier::make_room(std::size_t extra, WallTime now) {
  while (bytes() + extra > capacity_) {
    if (of(Queue::main).count == 0 || of(Queue::small).bytes > small_target_) {
      evict_from_small(now);
    } else {
      evict_from_main(now);
    }
  }
}

void MemoryTier::evict_from_small(WallTime now) {
  while (of(Queue::small).oldest != k_none) {
    const std::uint32_t at = of(Queue::small).oldest;
    Node& n = node(at);
    if (!n.entry->usable_if_error(now)) return drop(at);
    unlink(at);
    if (n.hits > 1) {
      push(Queue::main, at);
      continue;
    }
    n.entry.reset();
    n.charged = 0;
    push(Queue::ghost, at);
    ++evictions_;
    return;
  }
}

void MemoryTier::evict_from_main(WallTime now) {
  while (of(Queue::main).oldest != k_none) {
    const std::uint32_t at = of(Queue::main).oldest;
    Node& n = node(at);
    if (!n.entry->usable_if_error(now)) return drop(at);
    if (n.hits == 0) {
      drop(at);
      ++evictions_;
      return;
    }
    const auto left = static_cast<std::uint8_t>(n.hits - 1);
    unlink(at);
    push(Queue::main, at);
    n.hits = left;
  }
}

void MemoryTier::trim_ghosts() {
  while (ghosts() > entries()) drop(of(Queue::ghost).oldest);
}

}  // namespace outrigger::cache
