// Reply: what a simulated model says to an Ask, before it takes the form of a blocking answer or of a stream. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/ask.h"
#include "sim/fault.h"
#include "sim/settings.h"

namespace outrigger::sim_provider {

struct Reply {
  std::vector<std::string> thoughts;  // tokens of what is thought before
  std::vector<std::string> tokens;    // of the text; joined they are the text
  std::vector<ToolCall> calls;
  bool refusal = false;                // the text stands in `refusal`
  std::string finish_reason = "stop";  // in chat completions' words; empty: none is told
  std::string stop_sequence;           // the one of Ask::stops that ended the text
  bool novelty = false;                // a part of a kind that nobody knows stands first, where a wire has parts
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t cache_written = 0, cache_read = 0;  // of the prompt's tokens

  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string thought() const;
};

Reply compose(const Ask& ask, const Settings& settings, const Fault& fault);

}  // namespace outrigger::sim_provider
