// Memory: what a provider keeps of earlier requests: responses that a later one may go on from, and cached beginnings of
// prompts. Bounded; the oldest is forgotten first.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace outrigger::sim_provider {

class Memory {
 public:
  // What was said up to a response, as in Ask.
  struct Said {
    std::uint64_t hash = 0;
    std::uint64_t tokens = 0;
    std::string question;
  };

  void keep(std::string id, Said said) { put(responses_, order_, std::move(id), std::move(said)); }
  // Null: no such response, or it is too long ago.
  [[nodiscard]] const Said* find(std::string_view id) const {
    const auto found = responses_.find(id);
    return found == responses_.end() ? nullptr : &found->second;
  }

  // Was this beginning cached? It is from now on.
  bool is_cached(std::uint64_t hash) {
    const bool known = prompts_.contains(hash);
    if (!known) put(prompts_, prompt_order_, hash, true);
    return known;
  }

 private:
  static constexpr std::size_t k_most = 4096;

  template <class Map, class Order, class Key, class Value>
  static void put(Map& map, Order& order, Key key, Value value) {
    order.push_back(key);
    map.insert_or_assign(std::move(key), std::move(value));
    if (order.size() <= k_most) return;
    map.erase(order.front());
    order.pop_front();
  }

  std::map<std::string, Said, std::less<>> responses_;
  std::deque<std::string> order_;
  std::map<std::uint64_t, bool> prompts_;
  std::deque<std::uint64_t> prompt_order_;
};

}  // namespace outrigger::sim_provider
