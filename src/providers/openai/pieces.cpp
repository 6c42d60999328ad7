#include "providers/openai/pieces.h"

#include <algorithm>
#include <array>

#include "providers/sealed.h"

namespace outrigger::providers::openai {
namespace {

constexpr std::string_view k_magic = "ORA\x03";

constexpr std::array k_choice_texts{&ChoicePiece::content,       &ChoicePiece::reasoning_content,
                                    &ChoicePiece::finish_reason, &ChoicePiece::role,
                                    &ChoicePiece::reasoning,     &ChoicePiece::refusal,
                                    &ChoicePiece::function_name, &ChoicePiece::function_arguments,
                                    &ChoicePiece::logprobs,      &ChoicePiece::usage};
constexpr std::array k_tool_texts{&ToolPiece::id, &ToolPiece::type, &ToolPiece::name, &ToolPiece::arguments};

// Flags. What the chunks of most streams need of a choice's fits into seven bits, and so into a byte.
constexpr std::uint64_t k_choice_tools = 1 << 0;
constexpr std::uint64_t k_choice_delta_extras = 1 << 1;
constexpr std::uint64_t k_choice_extras = 1 << 2;
constexpr unsigned k_choice_first_text = 3;  // from here one bit per text
constexpr std::uint64_t k_choice_function_extras = 1 << 13;
constexpr std::uint64_t k_choice_without_delta = 1 << 14;
constexpr std::uint64_t k_choice_flags_max = (1 << 15) - 1;
static_assert(k_choice_first_text + k_choice_texts.size() == 13);
// Those of tools stand after one bit per text.
constexpr std::uint64_t k_tool_index = 1 << 4;
constexpr std::uint64_t k_tool_custom = 1 << 5;
constexpr std::uint64_t k_tool_extras = 1 << 6;
constexpr std::uint64_t k_tool_call_extras = 1 << 7;
constexpr std::uint64_t k_tool_flags_max = (1 << 8) - 1;
constexpr std::uint64_t k_piece_same_frame = 1;
constexpr std::uint64_t k_piece_usage_null = 2;
constexpr std::uint64_t k_piece_usage = 4;
constexpr std::uint64_t k_piece_usage_only = 8;
constexpr std::uint64_t k_piece_flags_max = 15;
constexpr std::uint64_t k_frame_object = 1;
constexpr std::uint64_t k_frame_model = 2;
constexpr std::uint64_t k_frame_flags_max = 3;
constexpr std::uint64_t k_head_streamed = 1;
constexpr std::uint64_t k_head_usage = 2;
constexpr std::uint64_t k_head_flags_max = 3;

// Extras that vendors send in every answer or every chunk. Part of the stored form: a change needs another version.
constexpr std::array k_dictionary{
    Extra{"content", "null"},
    Extra{"refusal", "null"},
    Extra{"logprobs", "null"},
    Extra{"reasoning_content", "null"},
    Extra{"reasoning", "null"},
    Extra{"reasoning_details", "[]"},
    Extra{"function_call", "null"},
    Extra{"tool_calls", "null"},
    Extra{"tool_calls", "[]"},
    Extra{"audio", "null"},
    Extra{"annotations", "[]"},
    Extra{"annotations", "null"},
    Extra{"role", "null"},
    Extra{"id", "null"},
    Extra{"type", "null"},
    Extra{"name", "null"},
    Extra{"arguments", "null"},
    Extra{"function", "null"},
    Extra{"index", "null"},
    Extra{"stop_reason", "null"},
    Extra{"matched_stop", "null"},
    Extra{"native_finish_reason", "null"},
    Extra{"token_ids", "null"},
    Extra{"prompt_token_ids", "null"},
    Extra{"prompt_logprobs", "null"},
    Extra{"kv_transfer_params", "null"},
    Extra{"content_filter_results", "{}"},
    Extra{"service_tier", "null"},
    Extra{"service_tier", "\"default\""},
    Extra{"system_fingerprint", "null"},
    Extra{"system_fingerprint", "\"\""},
    Extra{"prompt_tokens_details", "null"},
    Extra{"completion_tokens_details", "null"},
    Extra{"error", "null"},
};

using providers::put;

constexpr std::uint64_t k_spelled_out = 0;  // in place of a number of the dictionary, which begin at 1

void put(std::string& to, const Extras& extras) {
  put(to, extras.size());
  for (const Extra& extra : extras) {
    const auto known = std::ranges::find(k_dictionary, extra);
    const auto place = static_cast<std::uint64_t>(known - k_dictionary.begin());
    put(to, known == k_dictionary.end() ? k_spelled_out : place + 1);
    if (known != k_dictionary.end()) continue;
    put(to, extra.name);
    put(to, extra.json);
  }
}

template <class Struct, std::size_t N>
std::uint64_t bits_of(const Struct& from, const std::array<Text Struct::*, N>& texts) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < N; ++i) bits |= static_cast<std::uint64_t>((from.*texts[i]).has_value()) << i;
  return bits;
}

template <class Struct, std::size_t N>
void put_texts(std::string& to, const Struct& from, const std::array<Text Struct::*, N>& texts) {
  for (const auto text : texts) {
    if (const Text& value = from.*text) put(to, *value);
  }
}

void put(std::string& to, const ToolPiece& tool) {
  std::uint64_t bits = bits_of(tool, k_tool_texts);
  if (tool.index) bits |= k_tool_index;
  if (tool.custom) bits |= k_tool_custom;
  if (!tool.extras.empty()) bits |= k_tool_extras;
  if (!tool.call_extras.empty()) bits |= k_tool_call_extras;
  put(to, bits);
  if (tool.index) put(to, *tool.index);
  put_texts(to, tool, k_tool_texts);
  if (!tool.extras.empty()) put(to, tool.extras);
  if (!tool.call_extras.empty()) put(to, tool.call_extras);
}

void put(std::string& to, const ChoicePiece& choice) {
  std::uint64_t bits = bits_of(choice, k_choice_texts) << k_choice_first_text;
  if (!choice.tools.empty()) bits |= k_choice_tools;
  if (!choice.delta_extras.empty()) bits |= k_choice_delta_extras;
  if (!choice.extras.empty()) bits |= k_choice_extras;
  if (!choice.function_extras.empty()) bits |= k_choice_function_extras;
  if (choice.without_delta) bits |= k_choice_without_delta;
  put(to, choice.index);
  put(to, bits);
  put_texts(to, choice, k_choice_texts);
  if (!choice.tools.empty()) put(to, choice.tools.size());
  for (const ToolPiece& tool : choice.tools) put(to, tool);
  if (!choice.delta_extras.empty()) put(to, choice.delta_extras);
  if (!choice.extras.empty()) put(to, choice.extras);
  if (!choice.function_extras.empty()) put(to, choice.function_extras);
}

struct PieceTaker : Taker {
  explicit PieceTaker(std::string_view& from) : Taker{from} {}

  void extras(Extras& to) {
    for (std::uint64_t left = number(k_extras_max); ok && left > 0; --left) {
      const auto known = static_cast<std::size_t>(number(k_dictionary.size()));
      if (known != k_spelled_out) {
        to.push_back(k_dictionary[known - 1]);
        continue;
      }
      const std::string_view name = text();
      to.push_back({name, text()});
    }
  }
  template <class Struct, std::size_t N>
  void texts(Struct& to, std::uint64_t bits, const std::array<Text Struct::*, N>& texts) {
    for (std::size_t i = 0; i < N; ++i) {
      if ((bits >> i & 1) != 0) to.*texts[i] = text();
    }
  }
  void tool(ToolPiece& to) {
    const std::uint64_t bits = number(k_tool_flags_max);
    if ((bits & k_tool_index) != 0) to.index = static_cast<std::uint32_t>(number(UINT32_MAX));
    to.custom = (bits & k_tool_custom) != 0;
    texts(to, bits, k_tool_texts);
    if ((bits & k_tool_extras) != 0) extras(to.extras);
    if ((bits & k_tool_call_extras) != 0) extras(to.call_extras);
  }
  void choice(ChoicePiece& to) {
    to.index = static_cast<std::uint32_t>(number(k_choices_max - 1));
    const std::uint64_t bits = number(k_choice_flags_max);
    texts(to, bits >> k_choice_first_text, k_choice_texts);
    if ((bits & k_choice_tools) != 0) {
      for (std::uint64_t left = number(k_tools_max); ok && left > 0; --left) tool(to.tools.emplace_back());
    }
    if ((bits & k_choice_delta_extras) != 0) extras(to.delta_extras);
    if ((bits & k_choice_extras) != 0) extras(to.extras);
    if ((bits & k_choice_function_extras) != 0) extras(to.function_extras);
    to.without_delta = (bits & k_choice_without_delta) != 0;
  }
  void head(Head& to) {
    const std::uint64_t form = number(static_cast<std::uint64_t>(Form::text));
    if (form == 0) fail();
    to.form = static_cast<Form>(form);
    const std::uint64_t bits = number(k_head_flags_max);
    to.streamed = (bits & k_head_streamed) != 0;
    to.model = text();
    to.estimated_completion_tokens = number(UINT64_MAX);
    if ((bits & k_head_usage) == 0) return;
    UsageTold& told = to.usage.emplace();
    told.usage.prompt_tokens = number(UINT64_MAX);
    told.usage.completion_tokens = number(UINT64_MAX);
    told.total_tokens = number(UINT64_MAX);
    Extras details;
    extras(details);
    for (const Extra& detail : details) told.details.emplace_back(detail.name, detail.json);
  }
};

void put_head(std::string& to, const Head& head) {
  put(to, static_cast<std::uint64_t>(head.form));
  put(to, (head.streamed ? k_head_streamed : 0) | (head.usage ? k_head_usage : 0));
  put(to, head.model);
  put(to, head.estimated_completion_tokens);
  if (!head.usage) return;
  put(to, head.usage->usage.prompt_tokens);
  put(to, head.usage->usage.completion_tokens);
  put(to, head.usage->total_tokens);
  Extras details;
  for (const auto& [name, json] : head.usage->details) details.push_back({name, json});
  put(to, details);
}

}  // namespace

bool says_nothing(std::string_view json) { return json == "null" || json == "\"\"" || json == "[]" || json == "{}"; }

bool has(const Extras& extras, std::string_view name) {
  return std::ranges::find(extras, name, &Extra::name) != extras.end();
}

bool survives_conversion(const Extra& choice_extra) {
  const std::string_view name = choice_extra.name;
  return !says_nothing(choice_extra.json) && name != "delta" && name != "message" && name != "text";
}

void PieceWriter::add(const Piece& piece) {
  frame_.clear();
  put(frame_, (piece.object ? k_frame_object : 0) | (piece.model ? k_frame_model : 0));
  if (piece.object) put(frame_, *piece.object);
  if (piece.model) put(frame_, *piece.model);
  put(frame_, piece.extras);
  const bool same = frame_ == last_frame_;
  std::uint64_t bits = (same ? k_piece_same_frame : 0) | (piece.usage_only ? k_piece_usage_only : 0);
  if (piece.usage) bits |= *piece.usage == "null" ? k_piece_usage_null : k_piece_usage;
  put(pieces_, bits);
  if (!same) pieces_ += frame_;
  last_frame_.swap(frame_);
  if ((bits & k_piece_usage) != 0) put(pieces_, *piece.usage);
  put(pieces_, piece.choices.size());
  for (const ChoicePiece& choice : piece.choices) put(pieces_, choice);
}

Bytes encode(const Head& head, std::string_view pieces) {
  std::string text;
  put_head(text, head);
  text += pieces;
  return seal(k_magic, text);
}

std::optional<PieceReader> PieceReader::open(std::string_view encoded) {
  const std::optional<std::string_view> contents = unseal(k_magic, encoded);
  if (!contents) return std::nullopt;
  PieceReader reader(*contents);
  PieceTaker taker(reader.rest_);
  taker.head(reader.head_);
  if (!taker.ok) return std::nullopt;
  return reader;
}

bool PieceReader::next(Piece& piece) {
  piece.usage.reset();
  piece.choices.clear();
  piece.extras.clear();
  if (broken_ || rest_.empty()) return false;
  PieceTaker taker(rest_);
  const std::uint64_t bits = taker.number(k_piece_flags_max);
  if ((bits & k_piece_same_frame) == 0) {
    last_extras_.clear();
    const std::uint64_t frame = taker.number(k_frame_flags_max);
    last_object_ = (frame & k_frame_object) != 0 ? Text(taker.text()) : std::nullopt;
    last_model_ = (frame & k_frame_model) != 0 ? Text(taker.text()) : std::nullopt;
    taker.extras(last_extras_);
  }
  piece.object = last_object_;
  piece.model = last_model_;
  piece.extras = last_extras_;
  piece.usage_only = (bits & k_piece_usage_only) != 0;
  if ((bits & k_piece_usage_null) != 0) piece.usage = "null";
  if ((bits & k_piece_usage) != 0) piece.usage = taker.text();
  for (std::uint64_t left = taker.number(k_choices_max); taker.ok && left > 0; --left)
    taker.choice(piece.choices.emplace_back());
  broken_ = !taker.ok;
  return taker.ok;
}

}  // namespace outrigger::providers::openai
