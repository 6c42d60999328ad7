// FairQueue against a model that does everything by looking at all tickets, and its promises over long random runs.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <map>
#include <new>
#include <vector>

#include "core/rng.h"
#include "resilience/fair_queue.h"

namespace {

std::size_t live_bytes = 0;  // of all that operator new gave out in this program
constexpr std::size_t k_head = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t size) {
  auto* block = static_cast<std::size_t*>(std::malloc(size + k_head));
  if (block == nullptr) std::abort();
  *block = size;
  live_bytes += size;
  return reinterpret_cast<char*>(block) + k_head;
}
void operator delete(void* data) noexcept {
  if (data == nullptr) return;
  auto* block = reinterpret_cast<std::size_t*>(static_cast<char*>(data) - k_head);
  live_bytes -= *block;
  std::free(block);
}
void operator delete(void* data, std::size_t) noexcept { operator delete(data); }

namespace outrigger::resilience {
namespace {

constexpr std::uint64_t k_seed = 20261125;
constexpr MonoTime k_start{1h};

// The tickets in the order of arrival, and nothing else.
struct Model {
  std::vector<Ticket> all;
  unsigned passed_over = 0;

  static QueueClass cls(const Ticket& t) { return moved(t.cls, t.priority); }
  std::vector<Ticket>::iterator find(std::uint64_t id) {
    return std::ranges::find(all, id, [](const Ticket& t) { return t.id; });
  }
  [[nodiscard]] std::size_t count(QueueClass of) const {
    return static_cast<std::size_t>(std::ranges::count_if(all, [&](const Ticket& t) { return cls(t) == of; }));
  }
  std::vector<std::uint64_t> expire(MonoTime now) {
    std::vector<std::uint64_t> ids;
    std::erase_if(all, [&](const Ticket& t) {
      if (t.deadline <= now) ids.push_back(t.id);
      return t.deadline <= now;
    });
    return ids;
  }
  [[nodiscard]] std::optional<MonoTime> next_deadline() const {
    std::optional<MonoTime> first;
    for (const Ticket& t : all) {
      if (t.deadline != MonoTime::max() && (!first || t.deadline < *first)) first = t.deadline;
    }
    return first;
  }
  // Which class is served next.
  [[nodiscard]] QueueClass turn() const {
    QueueClass top = QueueClass::batch;
    for (const Ticket& t : all) top = std::min(top, cls(t));
    if (passed_over < 7) return top;
    for (const Ticket& t : all) {
      if (cls(t) > top) return cls(t);
    }
    return top;
  }
  void pop(std::uint64_t id) {
    const auto at = find(id);
    REQUIRE(at != all.end());
    REQUIRE(cls(*at) == turn());
    const bool first_of_flow =
        std::none_of(all.begin(), at, [&](const Ticket& t) { return cls(t) == cls(*at) && t.flow == at->flow; });
    REQUIRE(first_of_flow);
    const bool from_top = std::ranges::none_of(all, [&](const Ticket& t) { return cls(t) < cls(*at); });
    const bool below = std::ranges::any_of(all, [&](const Ticket& t) { return cls(t) > cls(*at); });
    passed_over = from_top && below ? passed_over + 1 : 0;
    all.erase(at);
  }
};

Ticket random_ticket(Rng& rng, MonoTime now) {
  Ticket t{
      .flow = rng.below(6), .cls = static_cast<QueueClass>(rng.below(3)), .cost = rng.below(rng.chance(0.1) ? 100000 : 500)};
  t.priority = static_cast<Priority>(rng.below(3));
  if (rng.chance(0.7)) t.deadline = now + Duration(1 + rng.below(2'000));
  return t;
}

TEST_CASE("a random life of the queue is that of the model, and everything is gone at its end") {
  for (std::uint64_t round = 0; round < 200; ++round) {
    INFO("seed " << k_seed + round);
    Rng rng(k_seed + round);
    const std::size_t depth = 1 + rng.below(40);
    FairQueue queue({.depth = depth});
    Model model;
    MonoTime now = k_start;
    for (int step = 0; step < 400; ++step) {
      if (rng.chance(0.5)) now += Duration(rng.below(100));
      // What the timer would do at once.
      const auto told = model.expire(now);
      auto expired = queue.expire(now);
      std::ranges::sort(expired);
      REQUIRE(std::ranges::is_permutation(expired, told));
      switch (rng.below(5)) {
        case 0:
        case 1: {
          Ticket t = random_ticket(rng, now);
          const auto pushed = queue.push(now, t);
          if (model.all.size() >= depth) {
            // The newest of the lowest class, if that is lower.
            auto lowest = model.all.end();
            for (auto at = model.all.begin(); at != model.all.end(); ++at) {
              if (Model::cls(*at) > Model::cls(t) && (lowest == model.all.end() || Model::cls(*at) >= Model::cls(*lowest)))
                lowest = at;
            }
            REQUIRE(pushed.displaced.has_value() == (lowest != model.all.end()));
            REQUIRE(pushed.refused.has_value() == (lowest == model.all.end()));
            if (pushed.refused) break;
            REQUIRE(pushed.displaced->id == lowest->id);
            model.all.erase(lowest);
          }
          REQUIRE(pushed.id != 0);
          t.id = pushed.id;
          model.all.push_back(t);
          break;
        }
        case 2:
        case 3: {
          const auto seen = queue.peek(now);
          const auto popped = queue.pop(now);
          REQUIRE(popped.has_value() == !model.all.empty());
          if (!popped) break;
          REQUIRE(seen->id == popped->id);
          model.pop(popped->id);
          break;
        }
        default: {
          if (model.all.empty()) break;
          const std::uint64_t id = model.all[rng.below(model.all.size())].id;
          REQUIRE(queue.remove(id));
          REQUIRE_FALSE(queue.remove(id));
          model.all.erase(model.find(id));
        }
      }
      REQUIRE(queue.size() == model.all.size());
      for (const auto cls : {QueueClass::streaming, QueueClass::blocking, QueueClass::batch})
        REQUIRE(queue.size(cls) == model.count(cls));
      REQUIRE(queue.next_deadline() == model.next_deadline());
    }
    while (const auto popped = queue.pop(now)) model.pop(popped->id);
    REQUIRE(model.all.empty());
    REQUIRE(queue.empty());
    REQUIRE(queue.cost() == 0);
    REQUIRE_FALSE(queue.next_deadline());
  }
}

TEST_CASE("flows that always wait get equal shares within a quantum and a ticket") {
  for (std::uint64_t round = 0; round < 50; ++round) {
    INFO("seed " << k_seed + round);
    Rng rng(k_seed + round);
    FairQueue queue({.depth = 10'000});
    const std::uint64_t flows = 2 + rng.below(6);
    std::vector<std::uint64_t> largest(flows);
    for (auto& size : largest) size = 10 + rng.below(rng.chance(0.3) ? 20'000 : 300);
    std::map<std::uint64_t, std::uint64_t> served;
    const auto push = [&](std::uint64_t flow) {
      const Ticket t{.flow = flow, .cls = QueueClass::streaming, .cost = 1 + rng.below(largest[flow])};
      REQUIRE_FALSE(queue.push(k_start, t).refused);
    };
    for (std::uint64_t flow = 0; flow < flows; ++flow) {
      served[flow] = 0;
      for (int i = 0; i < 10; ++i) push(flow);
    }
    const std::uint64_t dearest = *std::ranges::max_element(largest);
    for (int i = 0; i < 3000; ++i) {
      const auto popped = queue.pop(k_start);
      served[popped->flow] += popped->cost;
      push(popped->flow);
      std::uint64_t least = ~std::uint64_t{0};
      std::uint64_t most = 0;
      for (const auto& [flow, cost] : served) {
        least = std::min(least, cost);
        most = std::max(most, cost);
      }
      REQUIRE(most - least <= 3 * dearest);  // the quantum is a mean: at most the dearest
    }
  }
}

TEST_CASE("nobody starves, whatever arrives above and beside") {
  Rng rng(k_seed);
  FairQueue queue({.depth = 10'000});
  for (int i = 0; i < 50; ++i) REQUIRE(queue.push(k_start, random_ticket(rng, k_start + 1h)).id != 0);
  const auto poor = queue.push(k_start, {.flow = 77, .cls = QueueClass::batch, .cost = 900}).id;
  int services = 0;
  for (; services < 2000; ++services) {
    for (int i = 0; i < 2; ++i) {
      const Ticket rich{.flow = rng.below(4), .cls = static_cast<QueueClass>(rng.below(3)), .cost = 1 + rng.below(500)};
      static_cast<void>(queue.push(k_start, rich));
    }
    if (queue.pop(k_start)->id == poor) break;
  }
  INFO("seed " << k_seed);
  CHECK(services < 1000);  // more arrives than is served: in strict order its turn would never come
}

TEST_CASE("the predicted wait is near what a steady target makes of it") {
  for (std::uint64_t round = 0; round < 100; ++round) {
    INFO("seed " << k_seed + round);
    Rng rng(k_seed + round);
    FairQueue queue({.depth = 1000});
    MonoTime now = k_start;
    std::uint64_t dearest = 0;
    const auto push = [&](std::uint64_t flows) {
      const Ticket t{.flow = rng.below(flows), .cls = static_cast<QueueClass>(rng.below(3)), .cost = 1 + rng.below(1000)};
      dearest = std::max(dearest, t.cost);
      return queue.push(now, t);
    };
    constexpr double k_rate = 2000;
    const auto serve = [&] {
      const auto popped = queue.pop(now);
      now += Duration(static_cast<Duration::rep>(static_cast<double>(popped->cost) / k_rate * 1e9));
      queue.on_served(now, popped->cost);
      return popped->id;
    };
    for (int i = 0; i < 100; ++i) push(5);
    while (queue.size() > 1) serve();
    for (std::uint64_t n = 1 + rng.below(100); n > 0; --n) push(1 + rng.below(8));
    const Ticket mine{.flow = rng.below(10), .cls = static_cast<QueueClass>(rng.below(3)), .cost = 1 + rng.below(1000)};
    const double predicted = seconds(queue.predicted_wait(now, mine));
    const double all = static_cast<double>(queue.cost()) / k_rate;
    const auto id = queue.push(now, mine).id;
    const MonoTime began = now;
    MonoTime popped_at = now;
    while (serve() != id) popped_at = now;
    const double actual = seconds(popped_at - began);
    INFO("predicted " << predicted << " s, it was " << actual << " s of " << all << " s");
    // Whole tickets are served, not shares of them: each of the flows may be one ticket ahead or behind.
    CHECK(std::abs(predicted - actual) <= 0.15 * all + 8 * static_cast<double>(dearest) / k_rate);
  }
}

TEST_CASE("a thousand that wait are small, and many that came and went leave nothing behind") {
  const std::size_t before = live_bytes;
  FairQueue queue({.depth = 1000});
  const auto fill = [&](MonoTime now) {
    std::vector<std::uint64_t> ids;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      ids.push_back(
          queue.push(now, {.flow = i * 0x9e3779b97f4a7c15ULL, .cls = QueueClass::batch, .deadline = now + 20s}).id);
    }
    return ids;
  };
  auto ids = fill(k_start);
  ids = {};
  const std::size_t full = live_bytes - before;
  INFO(full << " bytes for 1,000");
  CHECK(queue.size() == 1000);
  CHECK(full <= 1000 * 512);
  for (int round = 0; round < 20; ++round) {
    while (queue.pop(k_start)) {
    }
    for (const std::uint64_t id : fill(k_start)) {
      if (id % 3 != 0) REQUIRE(queue.remove(id));
    }
  }
  CHECK(live_bytes - before <= 2 * full);
}

}  // namespace
}  // namespace outrigger::resilience
