#include "chat/json.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>

namespace outrigger::chat {
namespace {

bool before(const Members::Member& a, const Members::Member& b) {
  // Most names differ in their first letter, which saves the call.
  if (a.name_size != 0 && b.name_size != 0 && a.name_data[0] != b.name_data[0]) {
    return static_cast<unsigned char>(a.name_data[0]) < static_cast<unsigned char>(b.name_data[0]);
  }
  const int order = std::memcmp(a.name_data, b.name_data, std::min(a.name_size, b.name_size));
  return order != 0 ? order < 0 : a.name_size < b.name_size;
}

void insertion_sort(Members::Member* begin, std::size_t size) {
  for (std::size_t i = 1; i < size; ++i) {
    const Members::Member moving = begin[i];
    std::size_t hole = i;
    for (; hole > 0 && before(moving, begin[hole - 1]); --hole) begin[hole] = begin[hole - 1];
    begin[hole] = moving;
  }
}

// Memory for the documents of one thread, so that a body of the usual size asks malloc for nothing. It is handed out from the
// front and is free again as a whole when the last document has gone; what does not fit comes from malloc.
class Arena {
 public:
  static yyjson_alc allocator() {
    thread_local Arena arena;
    return {
        [](void* self, std::size_t size) { return static_cast<Arena*>(self)->take(size); },
        [](void* self, void* at, std::size_t old, std::size_t size) {
          return static_cast<Arena*>(self)->resize(at, old, size);
        },
        [](void* self, void* at) { static_cast<Arena*>(self)->give(at); },
        &arena,
    };
  }

 private:
  static constexpr std::size_t k_size = 64 * 1024;  // a body of about 20 KB

  [[nodiscard]] bool owns(const void* at) const {
    return std::less_equal<>()(room_.data(), at) && std::less<>()(at, room_.data() + k_size);
  }
  void* take(std::size_t size) {
    constexpr std::size_t k_align = alignof(std::max_align_t);
    if (size > k_size - used_) return std::malloc(size);
    char* at = room_.data() + used_;
    used_ = std::min(k_size, used_ + (size + k_align - 1) / k_align * k_align);
    ++blocks_;
    return at;
  }
  void* resize(void* at, std::size_t old, std::size_t size) {
    if (!owns(at)) return std::realloc(at, size);
    if (size <= old) return at;
    void* grown = take(size);
    if (grown == nullptr) return nullptr;
    std::memcpy(grown, at, old);
    give(at);
    return grown;
  }
  void give(void* at) {
    if (!owns(at)) return std::free(at);
    if (--blocks_ == 0) used_ = 0;
  }

  alignas(std::max_align_t) std::array<char, k_size> room_;
  std::size_t used_ = 0;
  std::size_t blocks_ = 0;
};

}  // namespace

Document parse_json(std::string_view text) {
  const yyjson_alc allocator = Arena::allocator();
  // Without the in-situ flag yyjson only reads from the text, although its signature asks for a mutable one.
  return Document(
      yyjson_read_opts(const_cast<char*>(text.data()), text.size(), YYJSON_READ_NUMBER_AS_RAW, &allocator, nullptr));
}

bool Members::load(yyjson_val* object) {
  size_ = unsafe_yyjson_get_len(object);
  if (size_ > k_few) many_.resize(size_);
  data_ = size_ > k_few ? many_.data() : few_.data();
  yyjson_val* name = unsafe_yyjson_get_first(object);
  for (std::size_t i = 0; i < size_; ++i) {
    data_[i] = {name->uni.str, unsafe_yyjson_get_len(name), name + 1};
    name = unsafe_yyjson_get_next(name + 1);
  }
  if (size_ > k_few) {
    std::sort(begin(), end(), before);
  } else {
    insertion_sort(data_, size_);
  }
  for (std::size_t i = 1; i < size_; ++i) {
    if (data_[i - 1].name() == data_[i].name()) return false;
  }
  return true;
}

bool is_strict(yyjson_val* value, int depth) {
  if (!unsafe_yyjson_is_ctn(value)) return true;
  if (depth > k_max_depth) return false;
  if (unsafe_yyjson_is_obj(value)) {
    Members members;
    if (!members.load(value)) return false;
    return std::all_of(members.begin(), members.end(),
                       [&](const auto& member) { return is_strict(member.value, depth + 1); });
  }
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* item = nullptr;
  yyjson_arr_foreach(value, index, count, item) {
    if (!is_strict(item, depth + 1)) return false;
  }
  return true;
}

}  // namespace outrigger::chat
