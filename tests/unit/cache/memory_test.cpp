#include "cache/memory.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <list>
#include <map>

#include "core/rng.h"
#include "unit/cache/entries.h"

namespace outrigger::cache {
namespace {

const IdentityHash k_hash("a secret for tests");
const std::size_t k_cost = an_entry(1)->cost();

bool holds(MemoryTier& tier, std::uint64_t number) { return tier.peek(an_identity(number)) != nullptr; }

EntryPtr find(MemoryTier& tier, std::uint64_t number, WallTime now = k_noon) { return tier.find(an_identity(number), now); }

TEST_CASE("what was put is found under its identity") {
  MemoryTier tier(1 << 20, k_hash);
  const EntryPtr entry = an_entry(1);
  tier.put(entry, k_noon);
  CHECK(find(tier, 1) == entry);
  CHECK(tier.entries() == 1);
  CHECK(tier.bytes() == entry->cost());
  CHECK(find(tier, 2) == nullptr);
}

TEST_CASE("identities whose hashes collide are told apart") {
  // The index compares 32 bits of a hash: among 2^17 identities some two have them in common.
  const auto tag = [](std::uint64_t number) {
    const std::uint64_t hash = k_hash(an_identity(number));
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  };
  std::map<std::uint32_t, std::uint64_t> seen;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  for (std::uint64_t n = 1; n <= 1u << 19 && second == 0; ++n) {
    const auto [known, is_new] = seen.emplace(tag(n), n);
    if (is_new) continue;
    first = known->second;
    second = n;
  }
  REQUIRE(second != 0);
  MemoryTier tier(1 << 20, k_hash);
  tier.put(an_entry(first), k_noon);
  CHECK(find(tier, second) == nullptr);
  CHECK(find(tier, first) != nullptr);
  const EntryPtr other = an_entry(second);
  tier.put(other, k_noon);
  CHECK(tier.entries() == 2);
  CHECK(find(tier, second) == other);
  CHECK(tier.erase(an_identity(first)));
  CHECK(find(tier, first) == nullptr);
  CHECK(find(tier, second) == other);
}

TEST_CASE("an identity has one entry, whatever its key") {
  MemoryTier tier(1 << 20, k_hash);
  Meta meta;
  meta.stored_at = k_noon;
  meta.ttl = 1h;
  tier.put(std::make_shared<Entry>(a_key(1), "a", meta, Bytes::copy("1")), k_noon);
  tier.put(std::make_shared<Entry>(a_key(2), "a", meta, Bytes::copy("2")), k_noon);
  CHECK(tier.entries() == 1);
  CHECK(tier.find("a", k_noon)->key() == a_key(2));
  CHECK(tier.find("", k_noon) == nullptr);
  CHECK(tier.find("A", k_noon) == nullptr);
}

TEST_CASE("an entry as large as the capacity is kept and one byte more is not") {
  for (const std::size_t spare : {std::size_t{0}, std::size_t{1}}) {
    MemoryTier tier(k_cost - 1 + spare, k_hash);
    tier.put(an_entry(1), k_noon);
    CHECK(tier.entries() == spare);
    CHECK(tier.bytes() == spare * k_cost);
  }
}

TEST_CASE("an entry that is too large also ends what it would have replaced") {
  MemoryTier tier(2 * k_cost, k_hash);
  tier.put(an_entry(1), k_noon);
  tier.put(an_entry(1, 4 * k_cost), k_noon);
  CHECK(find(tier, 1) == nullptr);
  CHECK(tier.bytes() == 0);
  CHECK(tier.evictions() == 0);
}

TEST_CASE("no capacity means nothing is kept") {
  MemoryTier tier(0, k_hash);
  tier.put(an_entry(1), k_noon);
  CHECK(tier.entries() == 0);
  CHECK(find(tier, 1) == nullptr);
}

TEST_CASE("an entry is dropped when it is met after ttl and stale time, and not before") {
  MemoryTier tier(1 << 20, k_hash);
  tier.put(an_entry(1), k_noon);
  const WallTime end = k_noon + 10min + 24h;
  CHECK(find(tier, 1, end - 1ms) != nullptr);
  CHECK(find(tier, 1, end) == nullptr);
  CHECK(tier.entries() == 0);
  CHECK(tier.bytes() == 0);
  CHECK(tier.evictions() == 0);
}

TEST_CASE("an expired entry that comes to the end of its queue makes room without counting as an eviction") {
  MemoryTier tier(2 * k_cost, k_hash);
  EntryBuilder old;
  old.number = 1;
  old.stale = 0s;
  tier.put(old.make(), k_noon);
  find(tier, 1);
  find(tier, 1);
  tier.put(an_entry(2), k_noon);
  tier.put(an_entry(3), k_noon + 10min);
  CHECK_FALSE(holds(tier, 1));
  CHECK(holds(tier, 2));
  CHECK(holds(tier, 3));
  CHECK(tier.evictions() == 0);
}

TEST_CASE("what was hit more than once outlives a scan, what was hit once does not") {
  MemoryTier tier(20 * k_cost, k_hash);
  tier.put(an_entry(1), k_noon);
  tier.put(an_entry(2), k_noon);
  find(tier, 1);
  find(tier, 1);
  find(tier, 2);
  for (std::uint64_t i = 100; i < 200; ++i) tier.put(an_entry(i), k_noon);
  CHECK(holds(tier, 1));
  CHECK_FALSE(holds(tier, 2));
}

TEST_CASE("what comes back soon after it was evicted goes to the main queue") {
  MemoryTier tier(20 * k_cost, k_hash);
  for (std::uint64_t i = 1; i <= 25; ++i) tier.put(an_entry(i), k_noon);
  CHECK_FALSE(holds(tier, 1));
  tier.put(an_entry(1), k_noon);
  for (std::uint64_t i = 100; i < 110; ++i) tier.put(an_entry(i), k_noon);
  CHECK(holds(tier, 1));
}

TEST_CASE("replacing an entry charges the new one only") {
  MemoryTier tier(1 << 20, k_hash);
  tier.put(an_entry(1, 1000), k_noon);
  const EntryPtr smaller = an_entry(1, 10);
  tier.put(smaller, k_noon);
  CHECK(tier.entries() == 1);
  CHECK(tier.bytes() == smaller->cost());
  CHECK(find(tier, 1) == smaller);
}

TEST_CASE("wire forms are charged by recharge") {
  MemoryTier tier(1 << 20, k_hash);
  const EntryPtr entry = an_entry(1);
  tier.put(entry, k_noon);
  const std::size_t before = tier.bytes();
  entry->wire[Entry::streamed] = a_form(5000);
  tier.recharge(*entry, k_noon);
  CHECK(tier.bytes() == entry->cost());
  CHECK(tier.bytes() >= before + 5000);
}

TEST_CASE("recharge of an entry that has been replaced or removed does nothing") {
  MemoryTier tier(1 << 20, k_hash);
  const EntryPtr old = an_entry(1);
  tier.put(old, k_noon);
  tier.put(an_entry(1), k_noon);
  const std::size_t bytes = tier.bytes();
  old->wire[Entry::blocking] = a_form(5000);
  tier.recharge(*old, k_noon);
  CHECK(tier.bytes() == bytes);
  tier.erase(an_identity(1));
  tier.recharge(*old, k_noon);
  CHECK(tier.bytes() == 0);
}

TEST_CASE("an entry that outgrows the capacity is given up, and growth makes others leave") {
  MemoryTier tier(3 * k_cost, k_hash);
  const EntryPtr entry = an_entry(1);
  tier.put(an_entry(2), k_noon);
  tier.put(entry, k_noon);
  entry->wire[Entry::blocking] = a_form(k_cost + k_cost / 2);
  tier.recharge(*entry, k_noon);
  CHECK(holds(tier, 1));
  CHECK_FALSE(holds(tier, 2));
  entry->wire[Entry::streamed] = a_form(3 * k_cost);
  tier.recharge(*entry, k_noon);
  CHECK(tier.bytes() == 0);
}

TEST_CASE("erase_if removes what matches and nothing else") {
  MemoryTier tier(1 << 20, k_hash);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EntryBuilder builder;
    builder.number = i;
    builder.model = i % 3 == 0 ? "a" : "b";
    tier.put(builder.make(), k_noon);
  }
  CHECK(tier.erase_if([](const Entry& e) { return e.meta().model == "a"; }) == 34);
  CHECK(tier.entries() == 66);
  tier.visit([](const Entry& e) {
    CHECK(e.meta().model == "b");
    return true;
  });
  CHECK(tier.erase_if([](const Entry&) { return true; }) == 66);
  CHECK(tier.bytes() == 0);
}

TEST_CASE("visit stops when it is told to") {
  MemoryTier tier(1 << 20, k_hash);
  for (std::uint64_t i = 0; i < 10; ++i) tier.put(an_entry(i), k_noon);
  int seen = 0;
  tier.visit([&](const Entry&) { return ++seen < 4; });
  CHECK(seen == 4);
}

TEST_CASE("cost grows by what is stored") {
  CHECK(an_entry(1, 5000)->cost() == an_entry(1, 1000)->cost() + 4000);
  CHECK(an_entry(1, 0)->cost() >= sizeof(Entry) + Entry::k_bookkeeping);
  EntryBuilder tagged;
  tagged.tags = {"a tag that is longer than what lies inside a string", "x"};
  CHECK(tagged.make()->cost() >= EntryBuilder{}.make()->cost() + 2 * sizeof(std::string) + 51);
}

// A plain LRU of as many entries, to compare with.
class Lru {
 public:
  explicit Lru(std::size_t capacity) : capacity_(capacity) {}
  bool ask(std::uint64_t number) {
    if (const auto it = places_.find(number); it != places_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return true;
    }
    if (order_.size() == capacity_) {
      places_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(number);
    places_[number] = order_.begin();
    return false;
  }

 private:
  std::size_t capacity_;
  std::list<std::uint64_t> order_;
  std::map<std::uint64_t, std::list<std::uint64_t>::iterator> places_;
};

TEST_CASE("on a Zipf trace with scans it hits clearly more often than LRU") {
  constexpr std::size_t k_entries = 400;
  constexpr std::size_t k_objects = 10'000;
  std::vector<double> up_to(k_objects);
  double sum = 0;
  for (std::size_t i = 0; i < k_objects; ++i) up_to[i] = sum += 1 / std::pow(static_cast<double>(i + 1), 0.9);

  Rng rng(20250601);
  std::size_t largest = 0;
  for (std::uint64_t i = 0; i < 20; ++i) largest = std::max(largest, an_entry(i * 100'000)->cost());
  MemoryTier tier(k_entries * largest, k_hash);
  Lru lru(k_entries);
  int asked = 0;
  int tier_hits = 0;
  int lru_hits = 0;
  const auto ask = [&](std::uint64_t number) {
    ++asked;
    if (lru.ask(number)) ++lru_hits;
    if (find(tier, number) != nullptr) {
      ++tier_hits;
    } else {
      tier.put(an_entry(number), k_noon);
    }
  };
  std::uint64_t next_scan = 1'000'000;
  for (int i = 0; i < 60'000; ++i) {
    const double at = rng.unit() * sum;
    ask(static_cast<std::uint64_t>(std::lower_bound(up_to.begin(), up_to.end(), at) - up_to.begin()));
    // Batch runs: many questions that nobody will ask again.
    if (i % 5'000 == 4'999) {
      for (int j = 0; j < 2'000; ++j) ask(next_scan++);
    }
  }
  INFO("asked " << asked << ", S3-FIFO " << tier_hits << ", LRU " << lru_hits);
  CHECK(tier_hits * 100 > lru_hits * 115);
}

}  // namespace
}  // namespace outrigger::cache
