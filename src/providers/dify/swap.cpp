#include "providers/dify/swap.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace outrigger::providers::dify {

IdSwap::IdSwap(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {
  OR_CHECK(!from_.empty() && from_.size() == to_.size());
}

std::string IdSwap::feed(std::string_view data) {
  std::string text = std::exchange(held_, {});
  text += data;
  for (std::size_t at = text.find(from_); at != std::string::npos; at = text.find(from_, at + to_.size())) {
    text.replace(at, from_.size(), to_);
  }
  // The longest end that `from` begins with.
  for (std::size_t size = std::min(text.size(), from_.size() - 1); size > 0; --size) {
    if (!text.ends_with(std::string_view(from_).substr(0, size))) continue;
    held_ = text.substr(text.size() - size);
    text.resize(text.size() - size);
    break;
  }
  return text;
}

std::string IdSwap::rest() { return std::exchange(held_, {}); }

}  // namespace outrigger::providers::dify
