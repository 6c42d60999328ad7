// What the tests of this room share: the golden exchanges, and two readers of the wire that owe nothing to the code under test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/answer.h"

namespace outrigger::providers {

struct ToldTool {
  std::string id, name, arguments;
  bool operator==(const ToldTool&) const = default;
};

// What a client understood.
struct Told {
  std::optional<std::string> content;
  std::string reasoning_content, reasoning, refusal;
  std::string function_name, function_arguments;
  std::string finish_reason;
  std::string model;
  std::vector<ToldTool> tools;
  std::vector<std::string> logprob_tokens;
  std::optional<std::array<std::uint64_t, 3>> usage;  // prompt, completion, total
  std::string failure;                                // why the client raised an error; empty when it did not
  std::size_t chunks = 0;
  bool operator==(const Told&) const = default;
};

// Reads a stream as the loop of Dify's OpenAI-compatible plugins does over `requests`: blocks at "\n\n", one `data:` prefix taken
// off, no `event:` lines, silence at anything that is not JSON. `read_size`: bytes that arrive at once.
Told told_to_dify(std::string_view stream, std::size_t read_size = 512);
// Reads a blocking body.
Told told_by_body(std::string_view body);

struct Exchange {
  std::string name;
  std::string body;
  chat::Endpoint endpoint = chat::Endpoint::chat_completions;
  bool streamed = false;
  std::string verdict;
  std::optional<std::string> events;  // one letter each: o t u e d
  bool has_content = false;
  bool has_usage = false;  // `want` says what usage must be, absent included
  std::optional<std::array<std::uint64_t, 3>> usage;
  Told want;
};
// Every exchange under tests/golden/exchanges, by name.
const std::vector<Exchange>& golden_exchanges();
const Exchange& golden_exchange(std::string_view name);

std::unique_ptr<AnswerReader> read_whole(chat::Endpoint endpoint, bool streamed, std::string_view body,
                                         std::size_t piece_size = std::string_view::npos);
// `stored`, or the name of the reason.
std::string verdict_of(const std::expected<Answer, chat::NoStoreReason>& answer);
// Ends the test unless the body is an answer that may be stored.
Answer stored(chat::Endpoint endpoint, bool streamed, std::string_view body);
std::string letters(const std::vector<Event>& events);

// Where two JSON texts differ, as sets of members: `-/a/b` stands in the first only, `+/a/b` in the second only, `~/a/b` in both
// with different values. Places in lists are written `*`.
std::vector<std::string> differences(std::string_view json, std::string_view other);

// render(), as text.
std::string rendered(chat::Endpoint endpoint, const Answer& answer, const RenderOptions& options);

}  // namespace outrigger::providers
