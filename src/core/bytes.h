// Bytes: a slice of a shared, immutable buffer. What comes from upstream is read once into such a buffer, and the same
// buffer is handed to the client, to every waiter and to the recorder without a copy.
//
// The count of owners is not atomic: Bytes are copied, moved and destroyed on the loop's thread only. A job in the pool may
// read through a view() whose owner stays alive on the loop until the job's completion ran (io::Loop::work says how).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.h"

namespace outrigger {

class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes& other) noexcept : block_(other.block_), data_(other.data_), size_(other.size_) { retain(); }
  Bytes(Bytes&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Bytes& operator=(Bytes other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Bytes() { release(); }

  static Bytes copy(std::string_view text) {
    return make(text.size(), [&](char* to) {
      if (!text.empty()) std::memcpy(to, text.data(), text.size());
    });
  }
  // `text` must live for ever: literals only.
  static Bytes literal(std::string_view text) {
    Bytes bytes;
    bytes.data_ = text.data();
    bytes.size_ = text.size();
    return bytes;
  }
  // A new buffer of `size` bytes that `fill(char*)` writes before anybody else sees it.
  template <class Fill>
  static Bytes make(std::size_t size, Fill&& fill) {
    Bytes bytes;
    if (size == 0) return bytes;
    void* memory = ::operator new(sizeof(Block) + size);
    bytes.block_ = new (memory) Block{1};
    char* data = static_cast<char*>(memory) + sizeof(Block);
    fill(data);
    bytes.data_ = data;
    bytes.size_ = size;
    return bytes;
  }

  [[nodiscard]] const char* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  // Shares the buffer. `offset` and `length` must lie inside.
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t length) const {
    OR_CHECK(offset <= size_ && length <= size_ - offset);
    Bytes part(*this);
    part.data_ += offset;
    part.size_ = length;
    return part;
  }

 private:
  struct Block {
    std::uint64_t owners;
  };
  void retain() const {
    if (block_ != nullptr) ++block_->owners;
  }
  void release() {
    if (block_ != nullptr && --block_->owners == 0) ::operator delete(block_);
  }

  Block* block_ = nullptr;  // null: empty, or a literal
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace outrigger
