// What the tests of the responses dialect share: its golden exchanges, and a reader of the wire that owes nothing to the code
// under test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support.h"

namespace outrigger::providers::responses {

// What a client understood.
struct ToldHere {
  std::string text, refusal, reasoning;
  std::vector<ToldTool> calls;
  std::string model, status, id, incomplete;
  std::optional<std::array<std::uint64_t, 3>> usage;  // input, output, total
  std::string failure;                                // what is wrong with the wire; empty: nothing
  std::vector<std::string> pieces;                    // of text, as they came
  std::vector<std::string> types;                     // of the events
};

// Reads a stream as the accumulating helpers of OpenAI's SDKs do: every index and id must be right, every event numbered, what
// the pieces make must be what the last events repeat, and the final object must hold all of it.
ToldHere told_by_stream(std::string_view stream);
ToldHere told_by_object(std::string_view body);

struct Golden {
  std::string name;
  std::string body;
  bool streamed = false;
  std::string verdict, events, model, text, refusal, reasoning, finish, error;
  std::vector<ToldTool> calls;
  std::optional<std::array<std::uint64_t, 2>> usage;
  std::uint64_t cached = 0, reasoning_tokens = 0;
};
// Every exchange under tests/golden/responses, by name.
const std::vector<Golden>& goldens();
const Golden& golden(std::string_view name);

}  // namespace outrigger::providers::responses
