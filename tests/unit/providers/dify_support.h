// What the tests of Dify's answers share: the golden exchanges, and a reader of the wire that owes nothing to the code under test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/dify/answer.h"

namespace outrigger::providers::dify_test {

using dify::RunKind;
using dify::RunReader;

struct Golden {
  std::string name, body;
  RunKind kind = RunKind::none;
  bool streamed = false;
  std::string verdict, signal, code, mode, run;
  std::optional<std::string> events, answer, price;
  std::vector<std::uint64_t> tokens;  // prompt, completion, total; empty: not told
  bool begun = true;
};
// Every exchange under tests/golden/dify, by name.
const std::vector<Golden>& goldens();
const Golden& golden(std::string_view name);

inline constexpr std::string_view k_task = "e5ab1a13-1c0e-4b0e-9a54-0b8f6a7a8a01";
inline constexpr std::string_view k_message = "663c5084-a254-4040-8ad3-51f2a3c1a77c";
inline constexpr std::string_view k_conversation = "45701982-8118-4bc5-8e9b-64562b4555f2";
inline constexpr std::string_view k_run = "fb47b2e6-5e43-4f90-be01-d5c5a088d156";

// What a client understood.
struct Told {
  std::string answer, mode, task, message, conversation, run, outputs;
  std::uint64_t tokens = 0;
  std::vector<std::string> types;   // of the events
  std::vector<std::string> pieces;  // of the answer
  std::string failure;              // what is wrong with the wire; empty: nothing
};
Told told_by_stream(std::string_view stream);
Told told_by_body(std::string_view body);

RunReader read_whole(const Golden& golden, std::string_view body, std::size_t piece_size = std::string_view::npos);
Answer stored(const Golden& golden);

}  // namespace outrigger::providers::dify_test
