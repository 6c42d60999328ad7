#include "chat/json.h"

#include <algorithm>
#include <cstring>

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

}  // namespace

Document parse_json(std::string_view text) {
  // Without the in-situ flag yyjson only reads from the text, although its signature asks for a mutable one.
  return Document(
      yyjson_read_opts(const_cast<char*>(text.data()), text.size(), YYJSON_READ_NUMBER_AS_RAW, nullptr, nullptr));
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
