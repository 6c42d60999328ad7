// One id in the place of another in bytes that pass by, wherever they are cut. Both have the length of a UUID, so no length that was
// announced changes. Pure.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::providers::dify {

class IdSwap {
 public:
  // `from` and `to` are of one size, and `from` is not empty.
  IdSwap(std::string from, std::string to);

  // What may be passed on now. The beginning of what could become `from` is held back: less than an id's length.
  std::string feed(std::string_view data);
  // What was held back; after the last byte.
  std::string rest();
  // Nothing is held back.
  [[nodiscard]] bool at_boundary() const { return held_.empty(); }

 private:
  std::string from_, to_;
  std::string held_;
};

}  // namespace outrigger::providers::dify
