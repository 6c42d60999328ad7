// RedisTier: entries in Redis, found and written through one RedisLink. Owned by Store.
//
// What cannot be asked or read is a miss and is counted. Every key is written with a time to live, under
// <prefix>v1:<key in hex>. Large entries are compressed in the pool. What is put while the link rests is held, within limits, and
// written when it is up again: answers are dear, and most rests are short.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "cache/codec.h"
#include "cache/redis_link.h"
#include "cache/store.h"

namespace outrigger::cache {

// <prefix>v1: and what stands before every entry's key.
[[nodiscard]] std::string entry_prefix(const RedisSettings& settings);

class RedisTier {
 public:
  using Found = Store::Found;
  using Wanted = Store::Wanted;
  using FoundDone = std::move_only_function<void(Found)>;

  RedisTier(io::World world, RedisSettings settings, RedisLink::Owner& owner);
  ~RedisTier();

  [[nodiscard]] RedisLink& link() { return link_; }
  [[nodiscard]] const RedisSettings& settings() const { return settings_; }

  // `done` runs once and never inside the call, unless the handle dies first: one element per key, null where nothing was found.
  [[nodiscard]] std::unique_ptr<io::Pending> find(std::vector<Wanted> wanted, FoundDone done);
  void put(const EntryPtr& entry);
  // For Store, which owns the link's events.
  void on_link_up() { write_held(); }
  // Nothing that matches will be written any more, unless it is put again.
  void forget(const std::function<bool(const Entry&)>& matches);

  void add_to(StoreStats& stats) const;

 private:
  struct Lookup;
  class Handle;
  struct Packing;

  bool ask(const std::shared_ptr<Lookup>& lookup, std::size_t first, std::size_t count);
  bool on_values(Lookup& lookup, std::size_t first, std::size_t count, const Reply* reply);
  [[nodiscard]] EntryPtr read(const Reply& value, Wanted& wanted);
  void hold(const EntryPtr& entry);
  void write_held();
  void write_now(const EntryPtr& entry);
  void pack_in_pool(const EntryPtr& entry);
  void write(const Entry& entry, const std::optional<std::string>& bytes);
  bool on_written(const Reply* reply);
  [[nodiscard]] std::string redis_key(const chat::Key& key) const { return entry_prefix_ + chat::hex(key); }

  io::World world_;
  RedisSettings settings_;
  std::string entry_prefix_;
  Codec codec_;
  std::list<std::unique_ptr<io::Work>> packing_;
  std::deque<EntryPtr> held_;
  std::size_t held_bytes_ = 0;
  io::Timer held_timer_;
  std::uint64_t hits_ = 0, misses_ = 0, writes_ = 0, dropped_ = 0, rubbish_ = 0;
  RedisLink link_;  // last: its commands refer to the members above
};

}  // namespace outrigger::cache
