// IndexList: a doubly linked list through the items of a vector, by their places, so that an item leaves from the middle in
// O(1) and the vector may grow. The list does not own the vector: it is passed to whatever needs it, and must be the same one.
#pragma once

#include <cstdint>
#include <vector>

namespace outrigger::resilience {

inline constexpr std::uint32_t k_no_place = 0xffffffff;

struct Links {
  std::uint32_t before = k_no_place;
  std::uint32_t after = k_no_place;
};

template <class Item, Links Item::*links>
class IndexList {
 public:
  [[nodiscard]] bool empty() const { return front_ == k_no_place; }
  [[nodiscard]] std::uint32_t front() const { return front_; }  // k_no_place when empty
  [[nodiscard]] std::uint32_t back() const { return back_; }

  void push_back(std::vector<Item>& items, std::uint32_t place) {
    items[place].*links = {.before = back_, .after = k_no_place};
    (back_ == k_no_place ? front_ : (items[back_].*links).after) = place;
    back_ = place;
  }
  void erase(std::vector<Item>& items, std::uint32_t place) {
    const Links left = items[place].*links;
    (left.before == k_no_place ? front_ : (items[left.before].*links).after) = left.after;
    (left.after == k_no_place ? back_ : (items[left.after].*links).before) = left.before;
  }

 private:
  std::uint32_t front_ = k_no_place;
  std::uint32_t back_ = k_no_place;
};

}  // namespace outrigger::resilience
