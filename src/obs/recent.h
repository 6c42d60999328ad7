// Recent: the last requests, as lines of the access log, for whoever looks at the door now. Bounded in number and in bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace outrigger::obs {

class Recent {
 public:
  static constexpr std::size_t k_records = 500;
  static constexpr std::size_t k_bytes = 1 << 20;

  // `line`: a JSON object without a newline. The oldest make place for it.
  void add(std::string_view line);
  // At most `limit`, the newest first.
  void newest(std::size_t limit, const std::function<void(std::string_view line)>& visit) const;
  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::deque<std::string> lines_;  // the oldest first
  std::size_t bytes_ = 0;
};

}  // namespace outrigger::obs
