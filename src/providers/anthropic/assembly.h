// A streamed answer put together: what a blocking reader gets of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "providers/anthropic/stored.h"

namespace outrigger::providers::anthropic {

// Members by name, in the order of their first appearance, with their JSON texts.
class MemberTexts {
 public:
  // False when there are too many.
  bool set(std::string_view name, std::string json);
  [[nodiscard]] const auto& all() const { return all_; }

 private:
  static constexpr std::size_t k_most = 128;  // unknown members of one object
  std::vector<std::pair<std::string, std::string>> all_;
};

struct Assembled {
  MemberTexts members;              // of the message, without id, content and usage
  MemberTexts usage;                // as it was told last
  std::vector<std::string> blocks;  // JSON texts
};

// Nothing when the records are not those of a stream, or not readable.
std::optional<Assembled> assemble(RecordReader& records);

}  // namespace outrigger::providers::anthropic
