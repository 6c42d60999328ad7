// Strict JSON: what two parsers could read differently is refused here, so that a key never depends on whose reading wins.
// yyjson checks syntax, UTF-8 and surrogates; duplicate members and depth are checked by whoever walks the tree: Members and
// is_strict. Numbers stay as the text that was sent (yyjson's raw numbers), so that no digit is lost.
#pragma once

#include <yyjson.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace outrigger::chat {

// Containers inside containers; the top-level object is at depth 1. No real request comes near it.
constexpr int k_max_depth = 64;

struct FreeDocument {
  void operator()(yyjson_doc* document) const { yyjson_doc_free(document); }
};
using Document = std::unique_ptr<yyjson_doc, FreeDocument>;

// Null when `text` is not JSON from its first byte to its last. The document must die on the thread that made it.
Document parse_json(std::string_view text);

inline bool is_number(yyjson_val* value) { return yyjson_is_raw(value); }
inline std::string_view text_of(yyjson_val* value) {  // of a string or a number
  return {static_cast<const char*>(value->uni.str), unsafe_yyjson_get_len(value)};
}

// The members of one object, sorted by the bytes of their names.
class Members {
 public:
  struct Member {
    const char* name_data;
    std::size_t name_size;
    yyjson_val* value;
    [[nodiscard]] std::string_view name() const { return {name_data, name_size}; }
  };

  // False when two members have the same name.
  [[nodiscard]] bool load(yyjson_val* object);
  [[nodiscard]] Member* begin() { return data_; }
  [[nodiscard]] Member* end() { return data_ + size_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t k_few = 16;  // most objects are smaller, and then nothing is allocated
  Member* data_ = nullptr;
  std::size_t size_ = 0;
  std::array<Member, k_few> few_;  // not initialised: load() writes what it uses
  std::vector<Member> many_;
};

// No object inside `value` has two members of one name, and none is nested too deep. `depth` is that of `value` itself.
bool is_strict(yyjson_val* value, int depth);

}  // namespace outrigger::chat
