// TextPool: strings whose memory is used again. What every request needs for a moment (its body, its canonical form, its
// identity) is some kilobytes each, and such blocks are the ones that malloc is slow with.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace outrigger {

class TextPool {
 public:
  static constexpr std::size_t k_texts_max = 32;
  static constexpr std::size_t k_capacity_max = 64 * 1024;  // so at most 2 MB are held

  // An empty string, with room or without.
  [[nodiscard]] std::string take() {
    if (texts_.empty()) return {};
    std::string text = std::move(texts_.back());
    texts_.pop_back();
    text.clear();
    return text;
  }
  // What is too large, or one too many, goes.
  void give(std::string text) {
    constexpr std::size_t k_worth_keeping = 256;
    if (text.capacity() < k_worth_keeping || text.capacity() > k_capacity_max || texts_.size() >= k_texts_max) return;
    texts_.push_back(std::move(text));
  }
  [[nodiscard]] std::size_t size() const { return texts_.size(); }

 private:
  std::vector<std::string> texts_;
};

}  // namespace outrigger
