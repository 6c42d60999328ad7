// What the events of a stream, and the values in them, are called.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "chat/reasons.h"
#include "providers/answer.h"
#include "providers/saying.h"

namespace outrigger::providers::anthropic {

enum class EventType : unsigned char {
  message_start,
  block_start,
  block_delta,
  block_stop,
  message_delta,
  message_stop,
  ping,
  error,
  unknown,
};
// By its `type`, or, where relays left that out, by its `event:` line.
EventType event_type(yyjson_val* root, std::string_view event_name);

// An error instead of an answer, or inside one, with whatever status it came.
bool is_error(yyjson_val* root);

enum class BlockType : unsigned char {
  text,
  thinking,
  redacted_thinking,
  call,         // tool_use
  hosted_call,  // server_tool_use, mcp_tool_use: the provider runs it itself
  other,
};
BlockType block_type(std::string_view type);

enum class DeltaType : unsigned char { text, input_json, thinking, signature, citations, other };
DeltaType delta_type(std::string_view type);
// The member of the delta that grows; empty where there is more than one, or it is unknown.
std::string_view grown_member(DeltaType type);

// Null for what is a good end.
std::optional<chat::NoStoreReason> verdict_of(std::string_view stop_reason);

// Counts as they have been told so far: message_delta tells them again, larger.
struct UsageTold {
  std::uint64_t input = 0, cache_creation = 0, cache_read = 0, output = 0;

  void take(yyjson_val* usage);
  // Zero counts as not counted.
  [[nodiscard]] std::optional<Usage> counts() const;
  [[nodiscard]] UsageSaid said() const;
};

// The ASCII and the wide and invisible blanks.
bool is_blank(std::string_view text);

std::string_view trimmed(std::string_view text);

}  // namespace outrigger::providers::anthropic
