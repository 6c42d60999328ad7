#include "providers/anthropic/event.h"

#include <algorithm>
#include <array>
#include <utility>

#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

template <class Value, std::size_t N>
Value found_in(const std::array<std::pair<std::string_view, Value>, N>& table, std::string_view name, Value otherwise) {
  const auto found = std::ranges::find(table, name, &std::pair<std::string_view, Value>::first);
  return found == table.end() ? otherwise : found->second;
}

using std::pair;
constexpr std::array k_events{
    pair{std::string_view("content_block_delta"), EventType::block_delta},
    pair{std::string_view("content_block_start"), EventType::block_start},
    pair{std::string_view("content_block_stop"), EventType::block_stop},
    pair{std::string_view("message_start"), EventType::message_start},
    pair{std::string_view("message_delta"), EventType::message_delta},
    pair{std::string_view("message_stop"), EventType::message_stop},
    pair{std::string_view("ping"), EventType::ping},
    pair{std::string_view("error"), EventType::error},
};
constexpr std::array k_blocks{
    pair{std::string_view("text"), BlockType::text},
    pair{std::string_view("tool_use"), BlockType::call},
    pair{std::string_view("thinking"), BlockType::thinking},
    pair{std::string_view("redacted_thinking"), BlockType::redacted_thinking},
    pair{std::string_view("server_tool_use"), BlockType::hosted_call},
    pair{std::string_view("mcp_tool_use"), BlockType::hosted_call},
};
constexpr std::array k_deltas{
    pair{std::string_view("text_delta"), DeltaType::text},
    pair{std::string_view("input_json_delta"), DeltaType::input_json},
    pair{std::string_view("thinking_delta"), DeltaType::thinking},
    pair{std::string_view("signature_delta"), DeltaType::signature},
    pair{std::string_view("citations_delta"), DeltaType::citations},
};

// U+3000, U+00A0, U+200B, U+FEFF.
constexpr std::array<std::string_view, 4> k_wide_blanks{"\xe3\x80\x80", "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};

}  // namespace

EventType event_type(yyjson_val* root, std::string_view event_name) {
  const std::string_view type = string_of(member(root, "type")).value_or(event_name);
  const EventType found = found_in(k_events, type, EventType::unknown);
  return found == EventType::unknown && is_error(root) ? EventType::error : found;
}

bool is_error(yyjson_val* root) {
  if (string_of(member(root, "type")) == "error") return true;
  yyjson_val* error = member(root, "error");
  return !is_nothing(error) && (yyjson_is_obj(error) || yyjson_is_str(error)) && member(root, "content") == nullptr;
}

BlockType block_type(std::string_view type) { return found_in(k_blocks, type, BlockType::other); }
DeltaType delta_type(std::string_view type) { return found_in(k_deltas, type, DeltaType::other); }

std::string_view grown_member(DeltaType type) {
  switch (type) {
    case DeltaType::text:
      return "text";
    case DeltaType::input_json:
      return "partial_json";
    case DeltaType::thinking:
      return "thinking";
    case DeltaType::signature:
      return "signature";
    default:
      return {};
  }
}

std::optional<chat::NoStoreReason> verdict_of(std::string_view stop_reason) {
  using enum chat::NoStoreReason;
  if (stop_reason == "end_turn" || stop_reason == "tool_use" || stop_reason == "stop_sequence") return std::nullopt;
  if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded") return length;
  if (stop_reason == "refusal") return refused;
  return unfinished;  // pause_turn, and what is not known
}

void UsageTold::take(yyjson_val* usage) {
  const auto take_one = [usage](std::string_view name, std::uint64_t& to) {
    if (const auto number = whole_number_of(member(usage, name))) to = *number;
  };
  take_one("input_tokens", input);
  take_one("cache_creation_input_tokens", cache_creation);
  take_one("cache_read_input_tokens", cache_read);
  take_one("output_tokens", output);
}

std::optional<Usage> UsageTold::counts() const {
  const UsageSaid all = said();
  if (all.input == 0 && all.output == 0) return std::nullopt;
  return Usage{.prompt_tokens = all.input, .completion_tokens = all.output};
}

UsageSaid UsageTold::said() const {
  return {
      .input = input + cache_creation + cache_read, .output = output, .cached = cache_read, .cache_written = cache_creation};
}

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    if (std::string_view(" \t\r\n\v\f").contains(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    const auto wide = std::ranges::find_if(k_wide_blanks, [&](std::string_view blank) { return text.starts_with(blank); });
    if (wide == k_wide_blanks.end()) return false;
    text.remove_prefix(wide->size());
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace outrigger::providers::anthropic
