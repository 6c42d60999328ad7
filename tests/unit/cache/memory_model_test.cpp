// MemoryTier against a slow model of the same policy.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <list>

#include "cache/memory.h"
#include "core/rng.h"
#include "slow.h"
#include "unit/cache/entries.h"

namespace outrigger::cache {
namespace {

const std::size_t k_cost = an_entry(1)->cost();

EntryPtr find(MemoryTier& tier, std::uint64_t number, WallTime now) { return tier.find(an_identity(number), now); }

// The same policy, written for reading and not for speed.
class Model {
 public:
  struct Item {
    std::uint64_t number;
    EntryPtr entry;
    std::size_t charged;
    int hits;
  };

  explicit Model(std::size_t capacity) : capacity_(capacity) {}

  bool find(std::uint64_t number, WallTime now) {
    for (auto* list : {&small, &main}) {
      for (auto it = list->begin(); it != list->end(); ++it) {
        if (it->number != number) continue;
        if (!it->entry->usable_if_error(now)) {
          list->erase(it);
          trim();
          return false;
        }
        it->hits = std::min(it->hits + 1, 3);
        return true;
      }
    }
    return false;
  }
  void put(std::uint64_t number, const EntryPtr& entry, WallTime now) {
    const std::size_t cost = entry->cost();
    for (auto* list : {&small, &main}) {
      for (auto it = list->begin(); it != list->end(); ++it) {
        if (it->number != number) continue;
        it->entry = entry;
        it->charged = cost;
        if (cost > capacity_) list->erase(it);
        room(0, now);
        trim();
        return;
      }
    }
    if (cost > capacity_) return;
    const bool ghost = std::erase(ghosts, number) > 0;
    room(cost, now);
    (ghost ? main : small).push_front({number, entry, cost, 0});
    trim();
  }
  void recharge(std::uint64_t number, WallTime now) {
    for (auto* list : {&small, &main}) {
      for (auto it = list->begin(); it != list->end(); ++it) {
        if (it->number != number) continue;
        it->charged = it->entry->cost();
        if (it->charged > capacity_) list->erase(it);
        room(0, now);
        trim();
        return;
      }
    }
  }
  void erase(std::uint64_t number) {
    std::erase_if(small, [&](const Item& i) { return i.number == number; });
    std::erase_if(main, [&](const Item& i) { return i.number == number; });
    trim();
  }
  static std::size_t bytes_of(const std::list<Item>& list) {
    std::size_t sum = 0;
    for (const Item& item : list) sum += item.charged;
    return sum;
  }
  std::size_t bytes() const { return bytes_of(small) + bytes_of(main); }

  std::list<Item> small, main;  // newest first
  std::list<std::uint64_t> ghosts;
  std::uint64_t evictions = 0;

 private:
  void room(std::size_t extra, WallTime now) {
    while (bytes() + extra > capacity_) {
      if (main.empty() || bytes_of(small) > capacity_ / 10) {
        while (!small.empty()) {
          Item item = small.back();
          small.pop_back();
          if (!item.entry->usable_if_error(now)) break;
          if (item.hits > 1) {
            item.hits = 0;
            main.push_front(item);
            continue;
          }
          ghosts.push_front(item.number);
          ++evictions;
          break;
        }
      } else {
        while (!main.empty()) {
          Item item = main.back();
          main.pop_back();
          if (!item.entry->usable_if_error(now)) break;
          if (item.hits == 0) {
            ++evictions;
            break;
          }
          --item.hits;
          main.push_front(item);
        }
      }
    }
  }
  void trim() {
    while (ghosts.size() > small.size() + main.size()) ghosts.pop_back();
  }

  std::size_t capacity_;
};

struct Pair {
  explicit Pair(std::size_t capacity) : tier(capacity, IdentityHash("a secret for tests")), model(capacity) {}

  void check() {
    REQUIRE(tier.bytes() <= tier.capacity());
    REQUIRE(tier.bytes() == model.bytes());
    REQUIRE(tier.entries() == model.small.size() + model.main.size());
    REQUIRE(tier.ghosts() == model.ghosts.size());
    REQUIRE(tier.evictions() == model.evictions);
    std::vector<const Entry*> seen;
    tier.visit([&](const Entry& e) {
      seen.push_back(&e);
      return true;
    });
    std::vector<const Entry*> expected;
    for (const auto* list : {&model.small, &model.main}) {
      for (const auto& item : *list) expected.push_back(item.entry.get());
    }
    REQUIRE(seen == expected);
  }

  MemoryTier tier;
  Model model;
};

void random_operations(std::uint64_t seed, int operations) {
  INFO("seed " << seed);
  Rng rng(seed);
  Pair pair(k_cost * (2 + rng.below(40)));
  const std::uint64_t keys = 1 + rng.below(120);
  WallTime now = k_noon;
  for (int i = 0; i < operations; ++i) {
    // Squared, so that some keys are asked for much more often.
    const double unit = rng.unit();
    const auto number = static_cast<std::uint64_t>(unit * unit * static_cast<double>(keys));
    switch (rng.below(16)) {
      case 0:
        now += std::chrono::seconds(rng.below(30));
        break;
      case 1:
        pair.tier.erase(an_identity(number));
        pair.model.erase(number);
        break;
      case 2: {
        const Entry* entry = pair.tier.peek(an_identity(number));
        if (entry == nullptr) break;
        const EntryPtr kept = pair.tier.find(entry->identity(), now);
        pair.model.find(number, now);
        if (kept == nullptr) break;
        kept->wire[rng.below(3)] = a_form(rng.below(3 * k_cost));
        pair.tier.recharge(*kept, now);
        pair.model.recharge(number, now);
        break;
      }
      case 3:
      case 4:
      case 5:
      case 6: {
        EntryBuilder builder;
        builder.number = number;
        builder.payload = rng.chance(0.02) ? rng.below(60 * k_cost) : rng.below(3 * k_cost);
        builder.stored_at = now;
        builder.ttl = std::chrono::seconds(rng.below(600));
        builder.stale = 0s;
        const EntryPtr entry = builder.make();
        pair.tier.put(entry, now);
        pair.model.put(number, entry, now);
        break;
      }
      default:
        REQUIRE((find(pair.tier, number, now) != nullptr) == pair.model.find(number, now));
    }
    pair.check();
  }
}

TEST_CASE("random operations do what the slow model does, and the byte bound holds after each") {
  for (std::uint64_t seed = 1; seed <= (k_is_slow ? 20 : 60); ++seed) random_operations(seed, 1500);
}

}  // namespace
}  // namespace outrigger::cache
