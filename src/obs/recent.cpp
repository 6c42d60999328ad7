#include "obs/recent.h"

namespace outrigger::obs {

void Recent::add(std::string_view line) {
  if (line.size() > k_bytes) return;
  lines_.emplace_back(line);
  bytes_ += line.size();
  while (lines_.size() > k_records || bytes_ > k_bytes) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
  }
}

void Recent::newest(std::size_t limit, const std::function<void(std::string_view line)>& visit) const {
  for (auto line = lines_.rbegin(); line != lines_.rend() && limit > 0; ++line, --limit) visit(*line);
}

}  // namespace outrigger::obs
