#include "cache/entry.h"

namespace outrigger::cache {
namespace {

// What the allocator adds to a block of its own (glibc: header and rounding).
constexpr std::size_t k_block = 16;
// A std::string up to this long lies inside its object (libstdc++).
constexpr std::size_t k_inline_text = 15;
// Reference counts of a shared_ptr made by make_shared.
constexpr std::size_t k_shared = 16;

std::size_t heap_cost(const std::string& text) {
  return text.capacity() > k_inline_text ? text.capacity() + 1 + k_block : 0;
}

std::size_t heap_cost(const Bytes& bytes) { return bytes.empty() ? 0 : bytes.size() + sizeof(std::uint64_t) + k_block; }

std::size_t heap_cost(const std::vector<std::uint32_t>& numbers) {
  return numbers.capacity() == 0 ? 0 : numbers.capacity() * sizeof(std::uint32_t) + k_block;
}

}  // namespace

std::size_t Entry::cost() const {
  std::size_t sum = k_bookkeeping + sizeof(Entry) + k_shared + k_block;
  sum += heap_cost(identity_) + heap_cost(payload_);
  sum += heap_cost(meta_.model) + heap_cost(meta_.served_by) + heap_cost(meta_.route);
  if (meta_.tags.capacity() != 0) sum += meta_.tags.capacity() * sizeof(std::string) + k_block;
  for (const std::string& tag : meta_.tags) sum += heap_cost(tag);
  for (const auto& form : wire) {
    if (form == nullptr) continue;
    sum += sizeof(providers::Rendered) + k_shared + k_block;
    sum += heap_cost(form->text) + heap_cost(form->ids) + heap_cost(form->createds);
  }
  return sum;
}

}  // namespace outrigger::cache
