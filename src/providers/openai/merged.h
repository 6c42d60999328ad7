// The pieces of an answer put together: what a blocking reader gets of a stream, and what is judged before an answer is stored.
// Members that say nothing are left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "providers/openai/pieces.h"

namespace outrigger::providers::openai {

// Unknown members by name, in the order of their first appearance, with the JSON text that they end up with.
using MergedExtras = std::vector<std::pair<std::string, std::string>>;

struct MergedTool {
  std::optional<std::uint32_t> index;
  std::string id, type, name, arguments;
  bool custom = false;
  MergedExtras call_extras, extras;
};

struct MergedChoice {
  std::uint32_t index = 0;
  std::string role;
  std::optional<std::string> content, reasoning_content, reasoning, refusal;
  std::optional<std::string> function_name, function_arguments;
  MergedExtras logprobs;  // the members of the object
  std::string finish_reason;
  std::vector<MergedTool> tools;
  MergedExtras function_extras, delta_extras, extras;
  bool text_after_finish = false;  // the finish reason was no sign of the end
};

struct Merged {
  MergedExtras extras;
  std::vector<MergedChoice> choices;  // by index
};

// Nothing when the pieces are not readable, or hold more tool calls or unknown members than pieces.h allows. `streamed`: pieces
// add up; else each tool call in them is a whole one.
std::optional<Merged> merge(PieceReader pieces, bool streamed);

// All text that the model wrote, for an estimate of tokens.
std::string all_text(const Merged& answer);

}  // namespace outrigger::providers::openai
