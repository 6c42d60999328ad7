// Told: what an answer says, read from its wire form by code that shares nothing with src/providers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::sim {

struct Told {
  bool readable = false;      // JSON, or events of JSON, of the shape expected
  bool error = false;         // holds an error object, alone or as an event
  bool done = false;          // streams: [DONE] came, and nothing after it
  bool broken_event = false;  // streams: the last event has no end, or an event is not JSON
  std::string text, thought, refusal;
  std::string calls;  // name(arguments) of each tool call, in order
  std::string finish_reason;
  bool usage = false;
  std::uint64_t pieces = 0;               // streams: a hash of the text's pieces, cut as they came
  std::vector<std::uint64_t> embeddings;  // a hash of each, in the order of their index

  // The same answer?
  [[nodiscard]] bool says_the_same(const Told& other) const {
    return text == other.text && thought == other.thought && refusal == other.refusal && calls == other.calls &&
           finish_reason == other.finish_reason;
  }
  // An answer with a proper end, whatever it says.
  [[nodiscard]] bool ended(bool streamed) const {
    return readable && !error && !broken_event && (!finish_reason.empty() || (streamed && done));
  }
};

Told told_by_stream(std::string_view body);
Told told_by_body(std::string_view body);
Told told_by_embeddings(std::string_view body);

// The number in the first mark ("xtag" and twelve digits) of a text; zero: no mark, or one that nobody has numbered.
std::uint64_t number_in(std::string_view text);
inline constexpr std::string_view k_mark = "xtag";
inline constexpr std::string_view k_blank_mark = "xtag000000000000";

std::uint64_t hash_of(std::string_view text);

}  // namespace outrigger::sim
