// What the tests of Anthropic's messages share: the golden exchanges, and a reader of the wire that owes nothing to the code under
// test: it accumulates a stream as Anthropic's own SDKs do, which know an event by its `event:` line.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/answer.h"
#include "providers/dialect.h"

namespace outrigger::providers::anthropic_test {

inline constexpr auto k_messages = chat::Endpoint::messages;
inline const Dialect& dialect() { return *dialect_of(k_messages); }

// What a client understood.
struct Told {
  std::vector<std::string> content;  // blocks as compact JSON, members sorted
  std::string stop_reason, stop_sequence, model;
  std::optional<std::array<std::uint64_t, 2>> usage;  // prompt, completion
  std::string failure;                                // why the client raised an error; empty when it did not
  std::size_t events = 0;
  bool operator==(const Told&) const = default;
};
Told told_by_stream(std::string_view stream);
Told told_by_body(std::string_view body);

struct Exchange {
  std::string name;
  std::string body;
  bool streamed = false;
  std::string verdict;
  std::optional<std::string> events;  // one letter each: o t u e d
  Told want;
};
// Every exchange under tests/golden/messages, by name.
const std::vector<Exchange>& golden_messages();
const Exchange& golden_message(std::string_view name);

// The JSON text with the members of all objects sorted, and numbers by value.
std::string sorted(std::string_view json);

}  // namespace outrigger::providers::anthropic_test
