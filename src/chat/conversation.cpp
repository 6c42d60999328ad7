#include "chat/conversation.h"

#include <algorithm>
#include <array>

namespace outrigger::chat {

std::string_view name(NotCarried reason) {
  static constexpr std::array<std::string_view, k_not_carried> k_names{
      "not_understood", "several_answers", "logprobs", "signed_thinking", "encrypted_reasoning", "hosted_tool",
      "provider_id",    "audio",           "media",    "continuation",    "stop_sequences",      "custom_tool"};
  return k_names[static_cast<std::size_t>(reason)];
}

void Losses::note(std::string_view what) {
  if (std::ranges::find(names_, what) == names_.end()) names_.push_back(what);
}

}  // namespace outrigger::chat
