// What is stored of an answer: a head, then the pieces in the order and the cuts in which they came. A blocking answer is one
// piece. The same structs are filled from JSON (views into the parsed document) and from the stored form (views into it).
//
// The stored form, all numbers as varints (LEB128), all texts with their length before them:
//   "ORA" version(1) checksum(8) head piece*
// A member that says nothing (null, "", [], {}) is kept as well, as an extra, also when its name is a known one: a replay in the
// form in which the answer came lacks nothing. Common extras are numbers in a dictionary, so they cost a byte.
// The checksum is over everything after it. Reading is total: whatever stands in Redis, the result is the pieces or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "providers/answer.h"

namespace outrigger::providers::openai {

// Known vendors stay far below these. They are small because merging looks names and calls up one after the other.
inline constexpr std::uint32_t k_choices_max = 128;  // the API's own limit of `n`
inline constexpr std::uint32_t k_tools_max = 128;    // calls in one answer; as many as the API lets tools be declared
inline constexpr std::uint32_t k_extras_max = 128;   // unknown members of one object

// Which endpoint's answer it is: chat completions, or the older text completions.
enum class Form : unsigned char { chat = 1, text = 2 };

using Text = std::optional<std::string_view>;

// A member that we do not know, as it was: its JSON text.
struct Extra {
  std::string_view name;
  std::string_view json;
  bool operator==(const Extra&) const = default;
};
using Extras = std::vector<Extra>;

// JSON text of null, "", [] or {}. Such an extra is replayed, and left out where an answer changes its form.
bool says_nothing(std::string_view json);
bool has(const Extras& extras, std::string_view name);
// What of a choice's extras still holds in the other form: neither nothing, nor a second telling of the text.
bool survives_conversion(const Extra& choice_extra);

// A tool call, or a part of one. `custom` calls carry free text in place of arguments.
struct ToolPiece {
  std::optional<std::uint32_t> index;
  Text id, type, name, arguments;
  bool custom = false;
  Extras call_extras;  // of `function` or `custom`
  Extras extras;
};

struct ChoicePiece {
  std::uint32_t index = 0;
  Text role, content, reasoning_content, reasoning, refusal;  // `content` is also the `text` of a text completion
  Text function_name, function_arguments;                     // function_call, the older form of tool calls
  Text logprobs;                                              // JSON text
  Text finish_reason;
  Text usage;                  // JSON text; some tell it here
  bool without_delta = false;  // the choice of a stream has none, which is another thing than an empty one
  std::vector<ToolPiece> tools;
  Extras function_extras;  // of function_call
  Extras delta_extras;     // of `delta` or `message`
  Extras extras;           // of the choice
};

struct Piece {
  Text object, model;       // JSON texts; as a rule they repeat
  Text usage;               // JSON text, in a stream's chunk that has choices too
  bool usage_only = false;  // the chunk of a stream that tells the usage; the head has what it told
  Extras extras;            // of the whole chunk or answer
  std::vector<ChoicePiece> choices;
};

// The usage as the provider told it. `total` is its own: some count more than the sum.
struct UsageTold {
  Usage usage;
  std::uint64_t total_tokens = 0;
  std::vector<std::pair<std::string, std::string>> details;  // further members: name and JSON text
};

struct Head {
  Form form = Form::chat;
  bool streamed = false;
  std::string_view model = {};
  std::optional<UsageTold> usage = std::nullopt;
  std::uint64_t estimated_completion_tokens = 0;
};

class PieceWriter {
 public:
  void add(const Piece& piece);
  [[nodiscard]] std::string_view pieces() const { return pieces_; }

 private:
  std::string pieces_;
  std::string frame_;       // object, model and extras of the piece being added, encoded
  std::string last_frame_;  // of the one before: most providers repeat them in every chunk
};

Bytes encode(const Head& head, std::string_view pieces);

class PieceReader {
 public:
  // Nothing unless it is whole and of this version. The views in head and pieces are good as long as `encoded` is.
  static std::optional<PieceReader> open(std::string_view encoded);
  // Pieces without a head, as a PieceWriter holds them.
  static PieceReader over(std::string_view pieces) { return PieceReader(pieces); }

  [[nodiscard]] const Head& head() const { return head_; }
  // False at the end, and at the first byte that cannot be.
  bool next(Piece& piece);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  explicit PieceReader(std::string_view rest) : rest_(rest) {}

  Head head_;
  std::string_view rest_;
  Text last_object_, last_model_;
  Extras last_extras_;
  bool broken_ = false;
};

}  // namespace outrigger::providers::openai
